"""Training on one's own images without a gin file: NVIDIA's flags as gin bindings.

    python -m dglgan_tf.train --data=FOLDER --outdir=runs --cfg=auto --batch=32 \
        --kimg=1000 --gamma=10 --mirror=1

The flags mean what they mean in stylegan2-ada-pytorch; each becomes bindings that win
over gin files. Without `--gin_file` a preset (`--cfg`) says the rest: the published
settings of that tool (2006.06676, table of hyperparameters), or BigGAN's at small size.
"""

import dataclasses
from pathlib import Path

from absl import flags

from dglgan_tf.cli import presets

CONFIGURATIONS = (
    "auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar", "biggan",
)  # fmt: skip
FITS = {"crop": "center-crop", "pad": "pad", "stretch": "stretch"}
_TICK_IMAGES = 4000
_PARTS = ("blit", "geometry", "color", "bands", "noise", "cutout")
_PIPES = {  # how many of the parts, or which one
    "blit": ["blit"], "geom": ["geometry"], "color": ["color"], "filter": ["bands"],
    "noise": ["noise"], "cutout": ["cutout"],
} | {f"bg{'cfnc'[:n]}": list(_PARTS[: n + 2]) for n in range(5)}  # fmt: skip
_TEXT, _LIST, _CHOICE = flags.DEFINE_string, flags.DEFINE_list, flags.DEFINE_enum
_COUNT, _NUMBER, _SWITCH = flags.DEFINE_integer, flags.DEFINE_float, flags.DEFINE_bool
_FLAGS = (  # kind, name, help, then the smallest (and largest) value or the choices
    (_TEXT, "data", "Images: a folder, zip, TFRecords, ..., or a name (docs/data.md)."),
    (_TEXT, "outdir", "Folder of runs; --run_dir names a run itself."),
    (_CHOICE, "cfg", "Preset, where no --gin_file is given: auto.", CONFIGURATIONS),
    (_COUNT, "batch", "Images of a step, over all devices.", 1),
    (_COUNT, "batch_gpu", "Most images that a device computes at once.", 1),
    (_NUMBER, "kimg", "Length in thousands of images."),
    (_NUMBER, "gamma", "Weight of R1.", 0.0),
    (_SWITCH, "mirror", "Flip images with probability 1/2."),
    (_SWITCH, "cond", "Use the classes of the data."),
    (_COUNT, "subset", "Train on so many of the images.", 1),
    (_COUNT, "resolution", "Of the networks; default: the images'.", 4),
    (_CHOICE, "fit", "How other sizes become square.", sorted(FITS)),
    (_CHOICE, "aug", "What discriminators see.", ["noaug", "ada", "diffaugment"]),
    (_NUMBER, "target", "ADA's target value.", 0.0, 1.0),
    (_CHOICE, "augpipe", "What ADA changes; default: bgc.", list(_PIPES)),
    (_COUNT, "freezed", "Freeze so many blocks of the discriminator.", 0),
    (_TEXT, "resume_from", "Weights or run to start from."),
    (_LIST, "teacher", "Weights of teachers, which guide the student."),
    (_NUMBER, "guidance_weight", "Weight of the teachers' term.", 0.0),
    (_COUNT, "width", "Divide the channels by this.", 1),
    (_COUNT, "snap", "A snapshot every so many ticks.", 1),
    (_LIST, "metrics", "Metrics during training."),
    (_COUNT, "gpus", "How many GPUs; default: all.", 1),
    (_COUNT, "seed", "Of the run.", 0),
)


_MOST_KIMG = 1e9  # a number that a training can count


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags in `values`; those that are not given bind nothing."""
    for kind, name, text, *limits in _FLAGS:
        arguments = [*limits, text] if kind is flags.DEFINE_enum else [text, *limits]
        kind(name, None, *arguments, flag_values=values)


def from_flags(values: flags.FlagValues) -> tuple[list[str], list[str]]:
    """Returns gin files and bindings that the flags mean.

    Args:
      values: flags of `define_flags` and `gin_file`; with one of those there is no
        preset.

    Raises:
      ValueError: no data, a flag that the preset does not know, or data that cannot
        be opened.
    """
    bindings, gin_files = _direct(values), values.gin_file
    if gin_files:
        if values.cfg is not None:
            raise ValueError(
                f"--cfg={values.cfg} and --gin_file={gin_files[-1]} both say what to "
                "train: give one of them"
            )
        for name in ("width", "resolution", "cond"):
            if values[name].value is not None:
                raise ValueError(
                    f"--{name} belongs to a preset: with a gin file say it there"
                )
        return list(gin_files), bindings
    if values.data is None:
        raise ValueError(
            "no --gin_file given, nor --data: name a configuration, for "
            "instance --gin_file=gin/quickstart.gin, or a folder of images"
        )
    name = values.cfg or "auto"
    facts = _look_at(values)
    if name == "biggan":
        return ["presets/biggan.gin"], [*_biggan(values, facts), *bindings]
    return ["presets/stylegan2.gin"], [*_stylegan2(values, facts, name), *bindings]


def run_dir(values: flags.FlagValues) -> str:
    """Returns the run's folder that the flags imply: OUTDIR/DATA-CFG."""
    if values.gin_file:
        stem = Path(values.gin_file[-1]).stem
    else:
        stem = f"{Path(values.data).stem or 'data'}-{values.cfg or 'auto'}"
    return str(Path(values.outdir or "runs") / stem.replace(":", "_"))


def _direct(values) -> list[str]:
    """Bindings that mean the same with a gin file and without."""
    found = []

    def bind(flag, *texts):
        value = values[flag].value
        if value is not None:
            found.extend(text.format(value) for text in texts)

    bind("data", "train.source = @open_source", "open_source.name = {!r}")
    if values.subset is not None:
        found.append("train.source = @subset")
        found.append("subset.source = @open_source()")
        found.append(f"subset.max_images = {values.subset}")
    if values.fit is not None:
        found.append(f"Conversion.transform = '{FITS[values.fit]}'")
    bind("batch", "Trainer.batch_size = {}")
    bind("batch_gpu", "Trainer.max_microbatch = {}")
    if values.kimg is not None:
        if values.kimg <= 0:
            raise ValueError(f"--kimg={values.kimg:g} must be positive")
        if values.kimg > _MOST_KIMG:
            raise ValueError(
                f"--kimg={values.kimg:g} must be at most {_MOST_KIMG:g} (thousands of "
                "images)"
            )
        found.append(f"Schedule.total_images = {round(1000 * values.kimg)}")
    bind("gamma", "Objective.r1_gamma = {}")
    bind("mirror", "make_dataset.mirror = {}")
    found += _augmentation(values.aug, values.target, values.augpipe)
    bind("freezed", "Trainer.freeze_d_blocks = {}")
    bind("resume_from", "train.initialize_from = {!r}")
    bind("teacher", "train.teachers = {}")
    bind("guidance_weight", "Objective.guidance_weight = {}")
    if values.snap is not None:
        found.append(f"Schedule.snapshot_every_images = {values.snap * _TICK_IMAGES}")
    bind("metrics", "Evaluation.metrics = {}")
    if values.gpus is not None:
        found += ["train.devices = @first_gpus()", f"first_gpus.count = {values.gpus}"]
    bind("seed", "train.seed = {}")
    return found


def _augmentation(kind, target=None, pipe=None) -> list[str]:
    for name, value in (("target", target), ("augpipe", pipe)):
        if value is not None and kind not in (None, "ada"):
            raise ValueError(f"--{name} goes with --aug=ada, not with --aug={kind}")
    if kind == "noaug":
        return ["Objective.augment = None"]
    if kind == "diffaugment":
        return [
            "Objective.augment = @Augmentation()",
            "Augmentation.transform = @augment.diffaugment",
        ]
    if kind == "ada" or target is not None or pipe is not None:
        chosen = _PIPES[pipe or "bgc"]
        parts = [f"ada.augment.{n} = {float(n in chosen)}" for n in _PARTS]
        return [
            *(parts if pipe is not None else []),
            "Objective.augment = @Augmentation()",
            "Augmentation.transform = @ada.augment",
            f"Augmentation.target = {0.6 if target is None else target}",
        ]
    return []


@dataclasses.dataclass(frozen=True)
class _Facts:
    resolution: int
    num_channels: int
    num_classes: int


def _look_at(values) -> _Facts:
    """Opens the data once, to see what the networks must be."""
    from dglgan_tf.data import encoded, sources

    found = sources.find(values.data)
    if isinstance(found, encoded.Listing):
        conversion = encoded.Conversion(
            resolution=values.resolution,
            transform="none" if values.fit is None else FITS[values.fit],
        )
        try:
            found = encoded.EncodedSource(found, conversion)
        except ValueError as error:
            what, known, _ = str(error).partition(": give transform=")
            if not known:
                raise
            advice = "give --fit=crop, pad or stretch"
            raise ValueError(f"{what}: {advice}") from error
    if values.resolution not in (None, found.resolution):
        raise ValueError(
            f"--resolution={values.resolution}: {values.data} has "
            f"{found.resolution}x{found.resolution} images; leave it out, or convert "
            "them with python -m dglgan_tf.prepare"
        )
    size = found.resolution
    if size < 4 or size & (size - 1):
        raise ValueError(
            f"{values.data} has {size}x{size} images: the networks want a power of two "
            "from 4 on: give --fit=crop (or pad, stretch) and --resolution"
        )
    cond = values.cond
    if cond is None:
        cond = values.cfg == "biggan" and found.num_classes > 1
    if cond and found.num_classes < 2:
        raise ValueError(
            f"--cond=1: {values.data} has no classes; put images into sub-folders, one "
            "for each class, or add a dataset.json"
        )
    classes = found.num_classes if cond else 0
    return _Facts(size, found.num_channels, classes)


def _common(values, facts) -> list[str]:
    found = [
        f"RESOLUTION = {facts.resolution}",
        f"NUM_CHANNELS = {facts.num_channels}",
        f"NUM_CLASSES = {facts.num_classes}",
        f"Schedule.tick_images = {_TICK_IMAGES}",
        f"Schedule.grid_every_images = {50 * _TICK_IMAGES}",
        f"Schedule.snapshot_every_images = {50 * _TICK_IMAGES}",
    ]
    if values.resolution is not None and values.fit is not None:
        found.append(f"Conversion.resolution = {values.resolution}")
    return found


def group_of(share: int, most: int) -> int:
    """Returns the minibatch-std group for images that a device computes at once.

    Args:
      share: how many those are.
      most: the preset's group.

    Returns:
      the largest group up to `most` that divides them; where only 1 does, which would
      say nothing, the smallest above.
    """
    divisors = [n for n in range(2, max(share, 1) + 1) if share % n == 0]
    within = [n for n in divisors if n <= most]
    return max(within) if within else min(divisors, default=1)


def _group(values, preset) -> int:
    share = (values.batch or preset.batch) // (values.gpus or 1)
    limit = values.batch_gpu or share
    parts = [n for n in range(1, share + 1) if share % n == 0 and share // n <= limit]
    return group_of(share // min(parts, default=1), preset.group)


def _stylegan2(values, facts, name) -> list[str]:
    preset = presets.PUBLISHED.get(name)
    if preset is None:
        preset = presets.automatic(facts.resolution, values.batch, values.gpus or 1)
    found = _common(values, facts) + [
        f"WIDTH_DIVISOR = {values.width or 1}",
        f"CHANNEL_BASE = {preset.channel_base}",
        f"StyleGAN2Generator.mapping_layers = {preset.mapping_layers}",
        f"StyleGAN2Discriminator.mbstd_group_size = {_group(values, preset)}",
        f"Trainer.batch_size = {preset.batch}",
        f"Schedule.total_images = {1000 * preset.kimg}",
        f"adam.learning_rate = {preset.learning_rate}",
        f"Objective.r1_gamma = {preset.gamma}",
        f"half_life.half_life_images = {1000 * preset.ema_kimg}",
        f"half_life.ramp_up = {preset.ramp}",
    ]
    if name == "cifar":
        found += [
            "Objective.path_length_weight = 0.0",
            "StyleGAN2Generator.style_mixing_prob = 0.0",
            "StyleGAN2Discriminator.architecture = 'orig'",
        ]
    return found + (_augmentation("ada") if values.aug is None else [])


def _biggan(values, facts) -> list[str]:
    if values.gamma is not None:
        raise ValueError("--gamma belongs to StyleGAN2: --cfg=biggan has no R1")
    ch = 96 if facts.resolution >= 128 else 64
    if ch % (values.width or 1):
        raise ValueError(f"--width={values.width} must divide {ch}")
    return _common(values, facts) + [
        f"CH = {ch // (values.width or 1)}",
        "Trainer.batch_size = 64",
        "Schedule.total_images = 25000000",
        "fixed.decay = 0.9999",
        "fixed.start_steps = 1000",
        "g/adam.learning_rate = 0.0001",
        "d/adam.learning_rate = 0.0004",
        "adam.epsilon = 1e-6",
    ]
