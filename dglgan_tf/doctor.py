"""Looks for what would keep a training from running: `python -m dglgan_tf.doctor`.

Versions, devices, XLA, optional packages, room on the disk and in memory, one step of
each family on all devices. Each finding that is not in order says how to mend it; the
exit code is 1 where something does not work.
"""

import dataclasses
import importlib
import importlib.metadata
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.foundation import sentences

_FOLDER = flags.DEFINE_string("folder", ".", "Where runs will be written.")
_STEPS = flags.DEFINE_bool("steps", True, "Train one step of each family.")

OK, NOTE, BROKEN = "ok", "note", "broken"
# What is missing without them.
OPTIONAL = {
    "tensorflow_addons": "its optimizers as choices in gin (Python up to 3.11)",
    "keras_cv": "augmentation and galleries of keras-cv",
    "tensorflow_datasets": "datasets by TFDS name",
    "tf2onnx": "export to ONNX: pip install 'dglgan_tf[export]'",
    "h5py": "HDF5 data: pip install 'dglgan_tf[data]'",
    "lmdb": "LMDB data: pip install 'dglgan_tf[data]'",
    "imageio_ffmpeg": "videos as .mp4: pip install 'dglgan_tf[video]'",
}
REQUIRED = ("tensorflow", "numpy", "gin-config", "absl-py", "safetensors", "pillow")
LEAST_DISK_GB, LEAST_MEMORY_GB = 5, 2


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
      status: 'ok', 'note' (works, with something missing) or 'broken'.
      text: what was found.
      fix: what to do; empty where nothing is to be done.
    """

    status: str
    text: str
    fix: str = ""


def versions() -> Iterator[Finding]:
    """Python, TensorFlow and Keras, and what the package needs."""
    python = ".".join(map(str, sys.version_info[:3]))
    supported = sys.version_info >= (3, 10)
    yield Finding(
        OK if supported else BROKEN,
        f"Python {python}",
        "" if supported else "install Python 3.10 or later",
    )
    for name in REQUIRED:
        try:
            yield Finding(OK, f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding(BROKEN, f"{name} is missing", f"pip install {name}")
    from dglgan_tf.compat import keras, tf

    number = tuple(int(part) for part in tf.__version__.split(".")[:2])
    known = (2, 15) <= number <= (2, 21)
    yield Finding(
        OK if known else NOTE,
        f"TensorFlow {tf.__version__} with {keras.__name__}",
        "" if known else "tested with 2.15 to 2.21; others may differ",
    )


def optional() -> Iterator[Finding]:
    """Packages that some features use."""
    from dglgan_tf import compat

    special = {
        "tensorflow_addons": compat.tensorflow_addons,
        "keras_cv": compat.keras_cv,
    }
    for name, use in OPTIONAL.items():
        load = special.get(name, lambda name=name: importlib.import_module(name))
        try:
            load()
        except Exception as error:  # whatever a broken package raises
            reason = sentences.sentence(error).split(". ")[0]
            yield Finding(
                NOTE, f"{name} does not import: {reason}", f"without it: {use}"
            )
        else:
            yield Finding(OK, f"{name} imports")


def devices() -> Iterator[Finding]:
    """Devices, one reduction over all of them, XLA."""
    from dglgan_tf.compat import tf
    from dglgan_tf.devices import strategies

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        yield Finding(OK, f"{gpu.name}: {details.get('device_name', 'GPU')}")
    if not gpus:
        yield Finding(
            NOTE,
            "no GPU: training runs on the CPU",
            "with an NVIDIA GPU: pip install 'dglgan_tf[cuda]' and check nvidia-smi",
        )
        yield _convolutions()
    strategy = strategies.make()
    count = strategy.num_replicas_in_sync
    one = strategy.run(lambda: tf.constant(1.0))
    total = float(strategy.reduce(tf.distribute.ReduceOp.SUM, one, axis=None))
    yield Finding(
        OK if total == count else BROKEN,
        f"a reduction over {count} replica(s) gives {total:g}",
        "" if total == count else "name the devices that work in train.devices",
    )
    began = time.time()
    try:
        square = tf.function(lambda x: tf.reduce_sum(x * x), jit_compile=True)
        right = float(square(tf.constant([3.0, 4.0]))) == 25.0
    except Exception as error:  # XLA reports in many types
        fix = "set Trainer.jit = False"
        yield Finding(BROKEN, f"XLA fails: {sentences.sentence(error)[:200]}", fix)
    else:
        text = f"XLA compiles ({time.time() - began:.1f} s)"
        yield Finding(OK if right else BROKEN, text)


def _convolutions() -> Finding:
    """Whether a CPU trains with the compiled convolutions."""
    from dglgan_tf.native import library

    if library.library() is not None:
        return Finding(OK, "convolutions are compiled for this CPU")
    return Finding(
        NOTE,
        f"TensorFlow's own convolutions on the CPU: {library.absence()}",
        "install g++ for faster ones (docs/performance.md)",
    )


def room(folder: str) -> Iterator[Finding]:
    """Free space where runs will be, and free memory."""
    import psutil

    gigabytes = shutil.disk_usage(folder).free / 2**30
    enough = gigabytes >= LEAST_DISK_GB
    yield Finding(
        OK if enough else NOTE,
        f"{gigabytes:.0f} GiB free in {folder}",
        "" if enough else "snapshots of large networks take about 1 GiB each",
    )
    gigabytes = psutil.virtual_memory().available / 2**30
    enough = gigabytes >= LEAST_MEMORY_GB
    yield Finding(
        OK if enough else NOTE,
        f"{gigabytes:.1f} GiB of memory free",
        ""
        if enough
        else "close other programs, or choose smaller networks and batches",
    )


def _families() -> dict[str, tuple]:
    """{name: (make G, make D, options of the objective)} at the smallest sizes."""
    from dglgan_tf.losses import adversarial
    from dglgan_tf.networks import biggan, stylegan2
    from dglgan_tf.training import scores

    big = {"resolution": 32, "num_classes": 2, "ch": 2}
    style = {"resolution": 8, "channel_max": 8}
    return {
        "BigGAN": (
            lambda: biggan.BigGANGenerator(**big, z_dim=8, shared_dim=4),
            lambda: biggan.BigGANDiscriminator(**big),
            {
                "d_loss": adversarial.d_hinge,
                "g_loss": adversarial.g_hinge,
                "d_scores": scores.scores_joint,
            },
        ),
        "StyleGAN2": (
            lambda: stylegan2.StyleGAN2Generator(
                **style, z_dim=8, w_dim=8, mapping_layers=2
            ),
            lambda: stylegan2.StyleGAN2Discriminator(**style),
            {
                "d_loss": adversarial.d_logistic,
                "g_loss": adversarial.g_logistic,
                "d_scores": scores.scores_separate,
                "r1_gamma": 1.0,
                "path_length_weight": 2.0,
            },
        ),
    }


def steps() -> Iterator[Finding]:
    """One training step of each family on every device."""
    for name, parts in _families().items():
        began = time.time()
        try:
            bad = _one_step(*parts)
        except Exception as error:  # the report goes on with the next family
            text = f"one step of {name} fails: {sentences.sentence(error)[:300]}"
            yield Finding(BROKEN, text, "please report this with the whole output")
            continue
        text = f"one step of {name} in {time.time() - began:.1f} s, tracing included"
        if bad:
            yield Finding(BROKEN, f"{text}: {bad[0]} is not finite", "try Trainer.jit")
        else:
            yield Finding(OK, text)


def _one_step(make_generator, make_discriminator, options) -> list[str]:
    """Trains one step; returns the metrics that are not finite."""
    import numpy as np

    from dglgan_tf.data import pipeline, sources
    from dglgan_tf.devices import strategies
    from dglgan_tf.training import objective, optimizers, settings, state, trainer

    strategy = strategies.make()
    with strategy.scope():
        networks = state.Networks(
            make_generator(), make_discriminator(), make_generator()
        )
        wanted = settings.Settings(
            objective=objective.Objective(**options),
            g_optimizer=optimizers.adam,
            d_optimizer=optimizers.adam,
            batch_size=8 * strategy.num_replicas_in_sync,
        )
        train = trainer.Trainer(networks, strategy, 0, wanted)
    source = sources.synthetic(64, networks.generator.resolution, 3, 2)
    dataset = pipeline.make_dataset(source, train.batch_size)
    iterator = iter(strategy.experimental_distribute_dataset(dataset))
    metrics = train.train_step(iterator)
    return [name for name, value in metrics.items() if not np.isfinite(float(value))]


def examine(checks: list[Callable[[], Iterator[Finding]]]) -> int:
    """Prints the findings as they come; returns how many are broken."""
    broken = 0
    for check in checks:
        for finding in check():
            fix = f" -> {finding.fix}" if finding.fix else ""
            print(f"{finding.status:6s} {finding.text}{fix}", flush=True)
            broken += finding.status == BROKEN
    return broken


def main(argv) -> int:
    """Examines everything."""
    del argv
    checks = [versions, optional, devices, lambda: room(_FOLDER.value)]
    if _STEPS.value:
        checks.append(steps)
    broken = examine(checks)
    print("all is well" if not broken else f"{broken} thing(s) to mend, see ->")
    return 1 if broken else 0


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
