"""Looks around in a generator: `python -m dglgan_tf.explore --network=RUN --show=...`.

  interpolation  from seed to seed (--space, --path), a grid and an animation
  truncation     each seed under several truncations, a grid and an animation
  classes        every seed in every class
  walk           each seed through the classes, a grid and an animation
  mixing         the rows' seeds with the columns' codes in some --layers
  directions     the strongest directions (SeFa), a grid and an animation
  neighbours     samples beside the nearest images of --data
  projection     the codes nearest to --image, in W or W+ (--space)

With --teacher every picture shows both networks on the same seeds.
"""

from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.foundation import sentences

SHOWS = ("interpolation", "truncation", "classes", "walk", "mixing", "directions")
SHOWS += ("neighbours", "projection")
_NETWORK = flags.DEFINE_string(
    "network", None, "Run directory, .safetensors file or bundled/NAME."
)
_TEACHER = flags.DEFINE_string("teacher", None, "Network shown to the left of it.")
_SHOW = flags.DEFINE_list("show", ["interpolation"], f"Of {', '.join(SHOWS)}.")
_SEEDS = flags.DEFINE_string("seeds", "0-3", "Seeds such as 0-7 or 1,5,9.")
flags.DEFINE_string(
    "class", None, "Class number or name, or several. Default: drawn from each seed."
)
_TRUNC = flags.DEFINE_float("trunc", None, "Truncation; default: none.")
_OUTDIR = flags.DEFINE_string("outdir", "explored", "Folder for the pictures.")
_FORMAT = flags.DEFINE_enum(
    "format", "webp", ["webp", "gif", "png", "mp4", "none"],
    "Of animations; png is APNG, mp4 needs imageio-ffmpeg.",
)  # fmt: skip
_FPS = flags.DEFINE_float("fps", 15.0, "Frames a second of animations.")
_STEPS = flags.DEFINE_integer("steps", 8, "Images from one corner to the next.", 1)
_SPACE = flags.DEFINE_enum(
    "space", None, ["z", "w", "w+"], "Default: z for paths, w for projections."
)
_PATH = flags.DEFINE_enum("path", "slerp", ["slerp", "lerp"], "Shape of a path.")
_LAYERS = flags.DEFINE_string(
    "layers", None, "Codes that mix or move, such as 0-3. Default: first half; all."
)
_STYLES = flags.DEFINE_string("styles", "100-105", "Seeds of the columns of mixing.")
_COUNT = flags.DEFINE_integer("count", 5, "Directions, or neighbours.", 1)
_REACH = flags.DEFINE_float("reach", 3.0, "How far along a direction.")
_DATA = flags.DEFINE_string("data", None, "Real images: a folder, zip or name.")
_FEATURES = flags.DEFINE_enum(
    "features", "efficientnet_lite0", ["efficientnet_lite0", "pixels"],
    "What makes neighbours near.",
)  # fmt: skip
_IMAGE = flags.DEFINE_list("image", [], "Image files that are projected.")
_SEARCH = flags.DEFINE_integer("search_steps", 500, "Steps of a projection.", 1)


def main(argv) -> int:
    """Draws what was asked for; prints the files."""
    del argv
    if _NETWORK.value is None:
        raise ValueError("no --network given: name a run directory or a file")
    unknown = [name for name in _SHOW.value if name not in SHOWS]
    if unknown or not _SHOW.value:
        raise ValueError(f"show={unknown} must be one or more of {', '.join(SHOWS)}")
    from dglgan_tf.foundation import seeding

    seeds = seeding.parse_seeds(_SEEDS.value)
    from dglgan_tf.gallery import gallery

    gallery.check(_wanted(seeds), _SHOW.value)
    networks = {}
    if _TEACHER.value is not None:
        networks["teacher"] = _TEACHER.value
        networks["student"] = _NETWORK.value
    else:
        networks[Path(_NETWORK.value).stem] = _NETWORK.value
    shown = gallery.Gallery(networks, _wanted(seeds))
    for name in _SHOW.value:
        for path in shown.draw(name, _OUTDIR.value):
            print(path)
    words = "python -m dglgan_tf.sample".split()
    words += [f"--network={_NETWORK.value}", "--seeds=0-63", "--grid"]
    print(f"next: {sentences.command(*words)}")
    return 0


def _wanted(seeds):
    from dglgan_tf.foundation import seeding
    from dglgan_tf.gallery import gallery

    layers = _LAYERS.value
    return gallery.Wanted(
        seeds=tuple(seeds),
        classes=flags.FLAGS["class"].value,
        psi=_TRUNC.value,
        steps=_STEPS.value,
        space=_SPACE.value,
        path=_PATH.value,
        layers=None if layers is None else tuple(seeding.parse_seeds(layers)),
        styles=tuple(seeding.parse_seeds(_STYLES.value)),
        count=_COUNT.value,
        reach=_REACH.value,
        data=_DATA.value,
        features=_FEATURES.value,
        images=tuple(_IMAGE.value),
        search_steps=_SEARCH.value,
        animation=_FORMAT.value,
        frames_per_second=_FPS.value,
    )


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
