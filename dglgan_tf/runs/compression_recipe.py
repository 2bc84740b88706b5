"""The recipe that a compression writes: short, with reasons, run and edited as gin."""

import importlib.util
from pathlib import Path

from dglgan_tf.cost import tables
from dglgan_tf.data import base as data_base
from dglgan_tf.narrowing import judges
from dglgan_tf.runs import given_teacher

MARK = "# Made by dglgan_tf.compress"
_FAMILIES = {"StyleGAN2Generator": "stylegan2", "BigGANGenerator": "biggan"}
_BATCHES = {"stylegan2": 32, "biggan": 64}
_METRIC = "kid2k[efficientnet_lite0]"
# Where the widths stand: what a student replaces.
_WIDTHS = ("channels", "hidden_channels", "const_channels")
# Images of a stage by the largest side that it suits, where nobody says how many.
_LENGTHS = ((32, 200_000), (128, 1_000_000), (1024, 3_000_000))


def write(
    wish, teacher, source: data_base.Source, designs: dict, root: Path, cache: Path
) -> str:
    """Returns the recipe's text.

    Args:
      wish: `compression.Wish`.
      teacher: `given_teacher.Teacher`.
      source: of the images.
      designs: {limit as written: `budget.Design`}.
      root: folder of the recipe.
      cache: folder that keeps what is known of the real images.
    """
    root, cache = Path(root).absolute(), Path(cache).absolute()
    family = _FAMILIES[teacher.generator["class"]]
    total = length(wish, source)
    lines = [
        f"{MARK}; runs by gin alone, edited or not:",
        f"#   python -m dglgan_tf.compress --gin_file={root / 'recipe.gin'} "
        f"--run_dir={root}",
        "",
        f"include 'families/{family}.gin'",
        "",
        "# The images.",
        *_data(wish, source),
        "",
        f"# The teacher, as it was found in {wish.teacher}.",
        f"TEACHER = {str(root / 'teacher' / given_teacher.NAME)!r}",
        *_networks(teacher, designs),
        "",
        *_stages(wish, teacher, designs),
        "",
        *_training(family, source.resolution, total, wish.seed),
        "",
        *_comparison(designs, wish.control, cache),
    ]
    return "\n".join(lines) + "\n"


def length(wish, source) -> int:
    """Returns the images of each stage."""
    if wish.kimg is not None:
        return max(round(1000 * wish.kimg), 1)
    known = [count for side, count in _LENGTHS if source.resolution <= side]
    return known[0] if known else _LENGTHS[-1][1]


def stage_of(limit: str) -> str:
    """Returns the stage, and gin scope, of a limit: '12.5%params' -> 's12_5params'."""
    return "s" + "".join(c if c.isalnum() else "_" for c in limit.replace("%", ""))


def plan(wish, teacher, designs: dict, source) -> list[str]:
    """Returns the lines that say what will happen."""
    total = length(wish, source)
    found = [
        f"teacher {wish.teacher}: {teacher.generator['class']}, "
        f"{source.resolution}x{source.resolution}",
        f"images  {wish.data}: {len(source):,}",
    ]
    if teacher.discriminator is None:
        found.append(
            f"stage fitted: {total:,} images, fits the discriminator that the "
            "teacher's file lacks and guidance needs"
        )
    for limit, made in designs.items():
        costs = [made.costs[name] for name in ("teacher", "student")]
        shares = (
            f"{100 * costs[1].macs / costs[0].macs:.1f} % of the multiply-accumulates, "
            f"{100 * costs[1].parameters / costs[0].parameters:.1f} % of the parameters"
        )
        found.append(f"stage {stage_of(limit)} ({limit}): {total:,} images, {shares}")
        if wish.control:
            found.append(f"stage {stage_of(limit)}_control: the same without guidance")
    found.append(f"then {_METRIC} of all beside the teacher's, exports and report.html")
    return found


def _data(wish, source):
    path = Path(wish.data)
    name = str(path.absolute()) if path.exists() else wish.data
    found = ["train.source = @open_source", f"open_source.name = {name!r}"]
    if wish.fit is not None:
        found += [
            "open_source.conversion = @Conversion()",
            f"Conversion.transform = {wish.fit!r}",
            f"Conversion.resolution = {source.resolution}",
            f"Conversion.num_channels = {source.num_channels}",
        ]
    return found


def _networks(teacher, designs):
    entries = [teacher.generator, _judge(teacher)]
    found = []
    for entry in entries:
        for name, value in entry["config"].items():
            scope = "teacher/" if name in _WIDTHS else ""
            found.append(f"{scope}{entry['class']}.{name} = {value!r}")
    kinds = [entry["class"] for entry in entries]
    found.append(
        f"train.teacher_networks = [{', '.join(f'@teacher/{k}' for k in kinds)}]"
    )
    for limit, made in designs.items():
        scope, table = stage_of(limit), tables.compare(made.costs).splitlines()
        found += [
            "",
            f"# The student for {limit}.",
            *(f"# {row}".rstrip() for row in table),
        ]
        for name, value in made.changes.items():
            found.append(f"{scope}/{kinds[0]}.{name} = {value!r}")
        share = (made.costs["student"].macs / made.costs["teacher"].macs) ** 0.5
        for name, value in judges.narrowed(entries[1], share).items():
            found.append(f"{scope}/{kinds[1]}.{name} = {value!r}")
    return found


def _judge(teacher):
    """The teacher's discriminator, or the one that is fitted to its generator."""
    return teacher.discriminator or judges.beside(teacher.generator)


def _stages(wish, teacher, designs):
    kinds = [teacher.generator["class"], _judge(teacher)["class"]]
    guide, first = "%TEACHER", []
    found = [
        "# Pruned starts reached the score of random ones with half of the images, and",
        f"# a weight of {wish.guidance_weight:g} suits them (docs/results.md).",
        "train.initialize_from = %TEACHER",
        "train.prune = @prune.diversity_aware",
        f"Objective.guidance_weight = {wish.guidance_weight!r}",
    ]
    if teacher.discriminator is None:
        guide, first = "'fitted'", ["fitted"]
        start = "{'generator': %TEACHER, 'discriminator': 'fitted'}"
        found[2] = f"train.initialize_from = {start}"
        found += [
            "",
            "# A discriminator for the teacher's generator, whose file has none.",
            f"fitted/train.generator = @teacher/{kinds[0]}",
            f"fitted/train.discriminator = @teacher/{kinds[1]}",
            "fitted/train.initialize_from = {'generator': %TEACHER}",
            "fitted/train.prune = None",
            "fitted/Trainer.frozen_generator = True",
        ]
    names = list(first)
    for limit in designs:
        scope = stage_of(limit)
        stages = [scope] + ([f"{scope}_control"] if wish.control else [])
        for stage in stages:
            found += [
                "",
                f"{stage}/train.generator = @{scope}/{kinds[0]}",
                f"{stage}/train.discriminator = @{scope}/{kinds[1]}",
            ]
        found.append(f"{scope}/train.teachers = [{guide}]")
        names += stages
    return [f"compress.stages = {names!r}", "", *found]


def _training(family, resolution, total, seed):
    batch, half_life = _BATCHES[family], min(max(total // 10, 1), 10_000)
    tick = min(max(total // 20, batch), 4000)
    found = [
        "# How long, and how fast.",
        f"train.seed = {seed}",
        f"Trainer.batch_size = {batch}",
        f"Schedule.total_images = {total}",
        f"Schedule.tick_images = {tick}",
        f"Schedule.grid_every_images = {max(total // 4, tick)}",
        f"Schedule.snapshot_every_images = {max(total // 10, tick)}",
    ]
    if family == "biggan":
        return [
            *found,
            "g/adam.learning_rate = 2e-4",
            "d/adam.learning_rate = 4e-4",
            "adam.epsilon = 1e-6",
            f"fixed.decay = {0.5 ** (batch / half_life):.6g}",
            f"fixed.start_steps = {min(1000, total // (4 * batch))}",
        ]
    return [
        *found,
        f"Objective.r1_gamma = {0.0002 * resolution**2 / batch:.4g}",
        f"half_life.half_life_images = {half_life}",
    ]


def _comparison(designs, control, cache):
    found = ["    'teacher': %TEACHER,"]
    for limit in designs:
        found.append(f"    'guided {limit}': {stage_of(limit)!r},")
        if control:
            found.append(f"    'control {limit}': '{stage_of(limit)}_control',")
    formats = ["saved_model", "tflite"]
    formats += ["onnx"] if importlib.util.find_spec("tf2onnx") else []
    return [
        "# What is compared in the end.",
        "compress.compare = @Comparison",
        "Comparison.source = @open_source",
        "Comparison.networks = {",
        *found,
        "}",
        f"Comparison.export = {[f'guided {limit}' for limit in designs]!r}",
        f"Comparison.formats = {formats!r}",
        f"Comparison.metrics = [{_METRIC!r}]",
        "Comparison.repeats = 3",
        f"Comparison.cache = {str(cache)!r}",
    ]
