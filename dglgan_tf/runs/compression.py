"""A teacher, images and a limit in; small models that were judged out.

What it writes is a recipe (`compression_recipe`), which runs by gin alone and may be
edited. The same command continues where it stopped.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from absl import logging

from dglgan_tf.data import base as data_base
from dglgan_tf.data import encoded, sources
from dglgan_tf.evaluation import judge
from dglgan_tf.foundation import atomic, json_files, telling
from dglgan_tf.narrowing import budget, limits
from dglgan_tf.networks import biggan, stylegan2, weightless
from dglgan_tf.runs import compression_recipe, given_teacher

RECIPE, ASKED = "recipe.gin", "compression.json"
METRIC = "kid1k[efficientnet_lite0]"
# Half-trained networks have 0.2 and less here, other images than the teacher's more.
ABSURD = 0.4
_CLASSES = {
    "StyleGAN2Generator": stylegan2.StyleGAN2Generator,
    "BigGANGenerator": biggan.BigGANGenerator,
}


@dataclasses.dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
      teacher: see `given_teacher.find`.
      data: see `data.sources.open_source`.
      budget: limits separated by commas, see `narrowing.limits`.
      kimg: thousands of images of each stage; None = by the size of the images.
      control: whether each student has a twin that trains without guidance.
      guidance_weight: of the teacher's discriminator.
      fit: how images of another size become the teacher's (`Conversion.transform`);
        None refuses them.
      keep: indices of widths that stay the teacher's.
      seed: of everything.
    """

    teacher: str
    data: str
    budget: str
    kimg: float | None = None
    control: bool = True
    guidance_weight: float = 0.1
    fit: str | None = None
    keep: tuple[int, ...] = ()
    seed: int = 0


def prepare(
    wish: Wish,
    root: Path,
    cache: Path,
    dry_run: bool = False,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Path | None:
    """Plans and writes the recipe.

    Args:
      wish: what was asked for.
      root: folder of everything that is made.
      cache: folder of conversions and of the real images' statistics.
      dry_run: end with the plan; write nothing.
      force: go on although the teacher's images are far from the data.
      say: takes the lines of the plan.

    Returns:
      the recipe to run in `root`; None of a dry run.

    Raises:
      ValueError: what cannot work; nothing was written then.
    """
    asked = limits.read_all(wish.budget)
    teacher = given_teacher.find(wish.teacher, cache, say)
    record = {**dataclasses.asdict(wish), "keep": list(wish.keep)}
    record["sha256"] = teacher.sha256
    known = _known(root)
    if known is not None and known != record:
        raise ValueError(
            f"{root} holds another compression: {_differing(known, record)}"
        )
    if known is None:
        source = open_data(wish, teacher)
        designs = design(wish, teacher, asked)
        if not force:
            check_distance(teacher, source, cache, say)
        text = compression_recipe.write(wish, teacher, source, designs, root, cache)
        for line in compression_recipe.plan(wish, teacher, designs, source):
            say(line)
        if dry_run:
            return None
        given_teacher.keep(teacher, root / "teacher")
        atomic.write(root / RECIPE, text)
        atomic.write(root / ASKED, json.dumps(record, indent=2) + "\n")
    elif dry_run:
        say(f"{root / RECIPE} was planned before; the same command continues it")
        return None
    say(f"the recipe: {root / RECIPE}")
    return root / RECIPE


def _known(root) -> dict | None:
    path = Path(root) / ASKED
    if not path.is_file():
        if Path(root).exists() and any(Path(root).iterdir()):
            raise ValueError(
                f"{root} is not empty and holds no compression: name another --outdir"
            )
        return None
    return json_files.read(path)


def _differing(known, record) -> str:
    names = [n for n in record if known.get(n) != record[n]]
    told = ", ".join(f"{n}={known.get(n)!r}" for n in names if n != "sha256")
    return (
        f"it was begun with {told or 'another teacher file of that name'}; give the "
        "same again, or another --outdir"
    )


def open_data(wish: Wish, teacher: given_teacher.Teacher) -> data_base.Source:
    """Opens the images and compares them with what the teacher draws.

    Raises:
      ValueError: another size, number of channels or of classes.
    """
    config = teacher.generator["config"]
    side, channels = config["resolution"], config.get("num_channels", 3)
    conversion = None
    if wish.fit is not None:
        conversion = encoded.Conversion(side, channels, wish.fit)
    found = sources.open_source(wish.data, conversion=conversion)
    if found.resolution != side:
        raise ValueError(
            f"{wish.data} has {found.resolution}x{found.resolution} images, the "
            f"teacher draws {side}x{side}: give --fit=center-crop (or pad, stretch), "
            "or another teacher"
        )
    if found.num_channels != channels:
        raise ValueError(
            f"{wish.data} has images of {found.num_channels} channels, the teacher "
            f"draws {channels}: give --fit, or convert them with python -m "
            f"dglgan_tf.prepare --channels={channels}"
        )
    classes = config.get("num_classes", 0)
    if classes and found.num_classes != classes:
        raise ValueError(
            f"{wish.data} has {found.num_classes} classes, the teacher {classes}: a "
            "conditional teacher needs its own classes, in its order"
        )
    return found


def design(wish: Wish, teacher, asked: dict[str, budget.Request]) -> dict:
    """Returns {limit as written: `budget.Design`}.

    Raises:
      ValueError: a network whose widths cannot be set, a limit that nothing meets, or
        two that lead to the same student.
    """
    entry = teacher.generator
    if entry["class"] not in _CLASSES:
        raise ValueError(
            f"teacher {wish.teacher} is a {entry['class']}: students are made of "
            f"{' and '.join(_CLASSES)}"
        )
    with weightless.weightless():
        whole = _CLASSES[entry["class"]].from_config(entry["config"])
    found = {}
    for text, request in asked.items():
        request = dataclasses.replace(request, keep=wish.keep)
        made = budget.solve_for(request, whole, whole)
        if not made.changes or made.costs["student"] == made.costs["teacher"]:
            raise ValueError(
                f"budget {text} is not below the teacher's own cost: nothing would "
                "become smaller"
            )
        twin = next((t for t, d in found.items() if d.changes == made.changes), None)
        if twin is not None:
            raise ValueError(f"budgets {twin} and {text} lead to the same student")
        found[text] = made
    return found


def check_distance(teacher, source, cache, say) -> None:
    """Measures the teacher against the images before anything is trained.

    Raises:
      ValueError: it is so far from them that they are hardly its own.
    """
    try:
        opened = judge.open_judge(source, [METRIC], cache=str(cache))
    except ValueError as error:  # no feature network
        logging.warning("the teacher is not judged: %s", error)
        return
    try:
        told = telling.progress("judging the teacher")
        (score,) = opened.evaluate(opened.subject(str(teacher.path)), progress=told)
    finally:
        opened.close()
    say(f"the teacher's {METRIC}: {score['value']:.4g}")
    if score["value"] > ABSURD:
        raise ValueError(
            f"the teacher's {METRIC} against these images is {score['value']:.3g}, "
            f"above {ABSURD}: these are hardly the images that it was trained on; "
            "--force goes on all the same"
        )
