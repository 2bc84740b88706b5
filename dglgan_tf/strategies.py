"""Which devices train: one or several on this host.

Context: *host*, before anything else of TensorFlow runs.
"""

from collections.abc import Sequence

from dglgan_tf.compat import tf


def make(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Returns MirroredStrategy over all GPUs, or over the CPU.

    Args:
      devices: for instance ['GPU:0', 'GPU:1']; None = every GPU there is.

    Raises:
      ValueError: a device that this machine does not have, or one named twice.
    """
    if devices is None:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [gpu.name for gpu in gpus] or ["CPU:0"]
    _check_devices(devices)
    # TensorFlow's remapper fails on these graphs, says so on every trace and gains
    # nothing here.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    on_cpu = any("CPU" in device.upper() for device in devices)
    # The default collective raced between reductions on logical CPU devices.
    operations = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=operations)


def _check_devices(devices):
    there = [device.name for device in tf.config.list_logical_devices()]
    short = [name.split("device:")[-1] for name in there]
    wanted = [device.split("device:")[-1].lstrip("/").upper() for device in devices]
    unknown = [d for d, w in zip(devices, wanted, strict=True) if w not in short]
    if unknown:
        raise ValueError(
            f"train.devices names {unknown[0]!r}, which is not here: there are {short}"
        )
    if not wanted or len(set(wanted)) != len(wanted):
        raise ValueError(
            f"train.devices={list(devices)} must name one device or several different "
            f"ones of {short}"
        )
