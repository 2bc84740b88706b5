"""Measures generators and images: `python -m dglgan_tf.evaluate --run=runs/fashion`.

What is judged: --run (its snapshots), --network (a file or SavedModel), or --images (a
folder, zip or .npz of images). Against what: --data, the data of the run, or
--real_stats (an .npz of pytorch-fid or clean-fid). Every score carries its protocol.
Two folders, `dglgan evaluate IMAGES REALS`, are compared by the FID of all images.
"""

import os
import time
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.foundation import telling

_RUN = flags.DEFINE_string("run", None, "Run directory whose snapshots are judged.")
_CHECKPOINTS = flags.DEFINE_enum(
    "checkpoints",
    "latest",
    ["all", "best", "latest"],
    "Which snapshots of --run; best goes by the scores of the first metric so far.",
)
_NETWORK = flags.DEFINE_string(
    "network", None, "A .safetensors file, bundled/NAME, or SavedModel to judge."
)
_IMAGES = flags.DEFINE_string("images", None, "Folder, zip or .npz of images to judge.")
_DATA = flags.DEFINE_string(
    "data", None, "Real images: a folder, zip, .npz, or name such as fashion_mnist."
)
_REAL_STATS = flags.DEFINE_string(
    "real_stats", None, "Statistics (.npz) of the real images instead of --data."
)
_SAVE_STATS = flags.DEFINE_string(
    "save_stats", None, "Write mu and sigma of the real images to this .npz file."
)
_METRICS = flags.DEFINE_list(
    "metrics",
    ["kid5k_full[efficientnet_lite0]"],
    "Names such as fid50k_full, kid50k_full, is50k, pr50k3_full, dc10k5, ifid5k_full, "
    "ppl2_wend; [efficientnet_lite0] after a name needs no download. Without a "
    "number (fid, kid, is, pr, dc): all --images against all real ones.",
)
_INCEPTION = flags.DEFINE_string("inception", None, "Weight file of Inception-v3.")
_VGG16 = flags.DEFINE_string("vgg16", None, "Weight file of VGG16.")
_CACHE = flags.DEFINE_string(
    "cache",
    None,
    "Folder for statistics and weight files; default $DGLGAN_CACHE, else "
    "~/.cache/dglgan_tf.",
)
_DOWNLOAD = flags.DEFINE_bool("download", False, "Fetch missing weight files.")
_RESIZE = flags.DEFINE_enum(
    "resize",
    None,
    ["legacy_tensorflow", "legacy_pytorch", "clean"],
    "Resizing before the feature network; default: the network's usual one.",
)
_TRUNC = flags.DEFINE_float("trunc", None, "Truncation; default: none.")
_NOISE = flags.DEFINE_enum(
    "noise_mode", None, ["const", "random", "none"], "Noise of a StyleGAN2."
)
_TRUST = flags.DEFINE_bool(
    "trust", False, "Load a SavedModel whatever its operations may do."
)
_BATCH_NORM = flags.DEFINE_enum(
    "batch_norm", "running", ["running", "standing"], "Moments of a BigGAN's norms."
)
_LABELS = flags.DEFINE_enum(
    "labels", "data", ["data", "uniform"], "How classes are drawn."
)
_MIRROR = flags.DEFINE_bool("mirror", False, "Flip real images with probability 1/2.")
_SEED = flags.DEFINE_integer("seed", 0, "Of latents and classes.")
_REPEATS = flags.DEFINE_integer(
    "repeats", 1, "Repeat with the next seeds; gives mean and deviation.", 1
)
_BATCH = flags.DEFINE_integer("batch", 64, "Images of one call.", 1)
_TEACHER = flags.DEFINE_string(
    "teacher", None, "Also compare with this generator on the same latents."
)
_AGREEMENT = flags.DEFINE_integer("agreement", 1000, "Images of that comparison.", 1)
_CONTINUOUS = flags.DEFINE_bool(
    "continuous", False, "Judge snapshots of --run as they appear, until it is done."
)
_POLL = flags.DEFINE_float("poll_seconds", 30.0, "Between looks with --continuous.")
_FORCE = flags.DEFINE_bool("force", False, "Compare scores of different protocols.")


def main(argv) -> int:
    """Judges what the flags name and prints a line for each score."""
    _two_sets(argv[1:])
    given = [f.name for f in (_RUN, _NETWORK, _IMAGES) if f.value is not None]
    if len(given) != 1 and not (_SAVE_STATS.value and not given):
        raise ValueError(
            f"name one of --run, --network and --images (given: {given or 'none'})"
        )
    if _CONTINUOUS.value and _RUN.value is None:
        raise ValueError("--continuous watches a run: give --run")
    images = None if _IMAGES.value is None else _open_images()
    judge = _judge(images)
    try:
        if _SAVE_STATS.value:
            _save_statistics(judge)
        if _RUN.value is not None:
            _judge_run(judge)
        elif given:
            _report(judge, images or _subject(judge, _NETWORK.value), _folder())
    finally:
        judge.close()
    return 0


def _two_sets(given):
    """Takes `IMAGES REALS` as pytorch-fid does: the FID of all images."""
    if not given:
        return
    if len(given) != 2:
        raise ValueError(
            f"unexpected argument {given[0]!r}: options start with --, and sets of "
            "images are two: IMAGES REALS"
        )
    flags.FLAGS.images, flags.FLAGS.data = given
    if flags.FLAGS["metrics"].using_default_value:
        flags.FLAGS.metrics = ["fid"]


def _open_images():
    from dglgan_tf.evaluation import reals

    return reals.open_images(_IMAGES.value)


def _judge(images=None):
    """Opens the judge that the flags describe; `images` are what is judged."""
    from dglgan_tf.data import sources
    from dglgan_tf.evaluation import judge, reals
    from dglgan_tf.metrics import names

    if _REAL_STATS.value is not None:
        real = reals.statistics(_REAL_STATS.value)
    elif (_DATA.value or "").endswith(".npz"):
        real = reals.real_file(_DATA.value)
    elif _DATA.value is not None:
        real = sources.open_source(_DATA.value)
    elif _RUN.value is not None:
        real = reals.of_run(_RUN.value)
    elif _NETWORK.value is not None and reals.run_of(_NETWORK.value):
        real = reals.of_run(reals.run_of(_NETWORK.value))
    else:
        raise ValueError("no real images: give --data or --real_stats")
    arguments: dict[str, dict] = {}
    for name, weights in (("inception", _INCEPTION), ("vgg16", _VGG16)):
        if weights.value is not None:
            arguments[name] = {"weights": weights.value}
    if "vgg16" in arguments:
        arguments["vgg16_lpips"] = dict(arguments["vgg16"])
    if _RESIZE.value is not None:
        for name in ("inception", "vgg16", "efficientnet_lite0"):
            arguments.setdefault(name, {})["resize_mode"] = _RESIZE.value
    metrics = _METRICS.value
    if images is not None:
        metrics = [names.counted(name, images.count) for name in metrics]
    return judge.open_judge(
        real,
        metrics,
        mirror=_MIRROR.value,
        labels=_LABELS.value,
        cache=_cache_folder(),
        download=_DOWNLOAD.value,
        extractor_arguments=arguments,
    )


def _cache_folder() -> str:
    from dglgan_tf.foundation import cache_folder

    if _CACHE.value:
        return os.path.expanduser(_CACHE.value)
    return str(cache_folder.find(os.environ.get("DGLGAN_CACHE")))


def _subject(judge, name, strategy=None):
    """Returns the generator of a name, to be judged."""
    return judge.subject(
        name,
        truncation=_TRUNC.value,
        noise=_NOISE.value,
        batch_norm=_BATCH_NORM.value,
        batch_size=_BATCH.value,
        strategy=strategy,
        trust=_TRUST.value,
    )


def _folder() -> Path:
    """Where scores of a single network go: beside it, or here."""
    place = Path(_NETWORK.value or ".")
    return place.parent if place.is_file() else Path(".")


def _save_statistics(judge):
    from dglgan_tf.metrics import statistics_file

    name, moments = judge.real_moments()
    statistics_file.write(_SAVE_STATS.value, moments)
    print(f"{_SAVE_STATS.value}: mu and sigma of {moments.count} images on {name}")


def _judge_run(judge):
    """Judges the snapshots of --run; with --continuous until the run is done."""
    from dglgan_tf.devices import strategies
    from dglgan_tf.evaluation import snapshots
    from dglgan_tf.foundation import run_directory
    from dglgan_tf.metrics import scores

    best = None
    if _CHECKPOINTS.value == "best":
        name = judge.metrics[0].name
        best = scores.best(scores.read(_RUN.value), name, _FORCE.value)["snapshot"]
    strategy, judged = strategies.make(), set()
    while True:
        done = run_directory.RunDirectory(_RUN.value).is_done
        which = "all" if _CONTINUOUS.value else _CHECKPOINTS.value
        try:
            found = snapshots.chosen(_RUN.value, which, best)
        except ValueError:
            if not _CONTINUOUS.value or done:
                raise
            found = []
        for path in found:
            if path.name not in judged and path.is_file():
                judged.add(path.name)
                subject = _subject(judge, str(path), strategy)
                _report(judge, subject, _RUN.value, path)
        if done or not _CONTINUOUS.value:
            break
        time.sleep(_POLL.value)
    table = scores.write_csv(_RUN.value, scores.read(_RUN.value), _FORCE.value)
    print(table)


def _report(judge, subject, folder, path=None):
    """Judges one subject; prints, appends to the folder's files and TensorBoard."""
    from dglgan_tf.evaluation import snapshots
    from dglgan_tf.metrics import scores

    repeats = []
    for seed in range(_SEED.value, _SEED.value + _REPEATS.value):
        repeats.append(judge.evaluate(subject, seed, telling.progress("judging")))
    found = [scores.of_repeats(list(each)) for each in zip(*repeats, strict=True)]
    if _TEACHER.value is not None:
        found.append(_agreement(judge, subject))
    snapshot = path.name if path is not None else _NETWORK.value or _IMAGES.value
    seen = None if path is None else snapshots.images_seen(path)
    for score in found:
        scores.append(folder, score, str(snapshot), seen)
        print(f"{snapshot}: {scores.sentence(score)}", flush=True)
    if path is not None:
        _to_tensorboard(folder, found, seen)


def _agreement(judge, subject):
    from dglgan_tf.metrics import agreement, evaluator, image_sets, perceptual

    if not isinstance(subject, image_sets.GeneratedImages):
        raise ValueError("--teacher compares generators: give --run or --network")
    known = judge.perceptual.get("vgg16_lpips")
    distance = known or perceptual.build(evaluator.OFFLINE)
    teacher = _subject(judge, _TEACHER.value)
    return agreement.compare(subject, teacher, _AGREEMENT.value, distance, _SEED.value)


def _to_tensorboard(folder, found, seen):
    from dglgan_tf.compat import tf

    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for score in found:
            tf.summary.scalar(f"metrics/{score['metric']}", score["value"], seen or 0)
    writer.close()


def entry() -> None:
    """Console script."""
    command_line.run_entry(main, arguments=2)


if __name__ == "__main__":
    entry()
