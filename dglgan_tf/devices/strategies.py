"""Which devices train: one or several on this host, on several hosts, or a TPU.

Context: *host*, before anything else of TensorFlow runs.
"""

import functools
import threading
from collections.abc import Callable, Sequence

import gin
from absl import logging

from dglgan_tf import compat
from dglgan_tf.compat import tf
from dglgan_tf.config import bindings
from dglgan_tf.devices import hosts as hosts_of_run
from dglgan_tf.devices import lanes

PATIENCE = 300.0  # seconds until a host or a device that does not answer is named

HEARTBEAT = 120.0  # seconds without a sign of life after which a host counts as gone


def make(
    devices: Sequence[str] | None = None,
    hosts: hosts_of_run.Hosts | None = None,
    tpu: str | None = None,
) -> tf.distribute.Strategy:
    """Returns the strategy, after one reduction over all replicas has worked.

    Args:
      devices: for instance ['GPU:0', 'GPU:1']; None = every GPU there is, else the CPU.
      hosts: that train together, each with all its GPUs, else its CPU.
      tpu: name or address of a TPU ('local' on its own machine).

    Raises:
      ValueError: a device that this machine does not have, or one named twice.
      ConnectionError: a host or a device that does not answer.
    """
    # TensorFlow's remapper fails on these graphs, says so on every trace and gains
    # nothing here.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    if (hosts is not None) + (tpu is not None) + (devices is not None) > 1:
        raise ValueError(
            "train.devices, train.tpu and several hosts exclude each other: choose one"
        )
    if tpu is not None:
        return _tpu(tpu)
    if hosts is not None:
        return _several_hosts(hosts)
    strategy = _one_host(devices)
    if strategy.num_replicas_in_sync > 1:
        check(strategy)
    return strategy


@gin.configurable
def first_gpus(count: int = 1) -> list[str] | None:
    """Returns the names of the first GPUs; None, with a note, where there is none.

    Args:
      count: how many; a number that is not here is refused by `make`.
    """
    if tf.config.list_physical_devices("GPU"):
        return [f"GPU:{i}" for i in range(count)]
    logging.info("note: --gpus=%d and this machine has none: the CPU trains", count)
    return None


def _one_host(devices):
    if devices is None:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [gpu.name for gpu in gpus] or ["CPU:0"]
    _check_devices(devices)
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


@functools.lru_cache(maxsize=1)  # TensorFlow joins a cluster once in a process
def _several_hosts(hosts):
    hosts_of_run.meet(hosts, PATIENCE)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(hosts.addresses)}),
        task_type="worker",
        task_id=hosts.index,
        rpc_layer="grpc",
    )
    compat.set_heartbeat(HEARTBEAT)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    check(strategy)
    return strategy


def _tpu(name):
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def open_lanes(wanted: int | str, elsewhere: bool = False) -> int:
    """Opens the lanes that a configuration asks for; host, before TensorFlow runs.

    Args:
      wanted: a number, or 'auto': one a core, where the configured batches fit.
      elsewhere: whether other devices than this CPU were named.

    Returns:
      The number of lanes in effect: 1 where TensorFlow runs already without them.

    Raises:
      ValueError: neither 'auto' nor a number, or lanes for other devices.
    """
    if wanted == "auto":
        return lanes.start(1 if elsewhere else _configured_lanes())
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise ValueError(f"train.lanes={wanted!r} must be 'auto' or an integer >= 1")
    if wanted > 1 and (elsewhere or tf.config.list_physical_devices("GPU")):
        raise ValueError(
            f"train.lanes={wanted} are parts of one CPU's work: name no devices, hosts "
            "or TPU, or set train.lanes=1"
        )
    return lanes.start(wanted)


def _configured_lanes() -> int:
    """Returns the number of lanes that suits what gin binds."""

    def bound(parameter, default):
        return bindings.value("Trainer", parameter, default)

    group = bindings.value("StyleGAN2Discriminator", "mbstd_group_size", 4)
    accumulated = (bound("g_microbatches", 1), bound("d_microbatches", 1)) != (1, 1)
    # Who accumulates lacks memory; XLA has threads of its own.
    limited = bound("max_microbatch", None)
    if limited == "auto":  # lanes compute their parts at once
        limited = _resolution() > 128
    if accumulated or limited or bound("jit", "auto") is True:
        return 1
    size = bound("batch_size", 1)
    return lanes.suitable([size, bound("d_batch_size", None) or size], group)


def _resolution() -> int:
    names = ("StyleGAN2Generator", "BigGANGenerator", "BigGANDeepGenerator")
    return max(bindings.value(name, "resolution", 0) for name in names)


def check(strategy, seconds: float | None = None) -> None:
    """Adds one number of each replica, with a time limit.

    Raises:
      ConnectionError: no answer in time, or a wrong one; names the devices that do not
        compute on their own.
    """
    seconds = PATIENCE if seconds is None else seconds
    count = strategy.num_replicas_in_sync

    def reduction():
        # Not a constant: those live on the device that made them first.
        one = strategy.run(lambda: tf.identity(1.0))
        return float(strategy.reduce(tf.distribute.ReduceOp.SUM, one, axis=None))

    total = within(reduction, seconds)
    if total == count:
        return
    devices = strategy.extended.worker_devices
    silent = [device for device in devices if not _computes(device, seconds / 10)]
    raise ConnectionError(
        f"a reduction over {count} replicas gave {total} within {seconds:.0f} s; "
        f"devices that do not compute on their own: {silent or 'none'}; try each one "
        "alone with train.devices, and python -m dglgan_tf.doctor on each host"
    )


def _computes(device, seconds) -> bool:
    def add():
        with tf.device(device):
            return float(tf.identity(1.0) + 1.0)

    return within(add, seconds) == 2.0


def within(function: Callable, seconds: float):
    """Returns what a function gives, or None when it needs longer; errors pass."""
    found: list = []
    errors: list[BaseException] = []

    def run():
        try:
            found.append(function())
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)  # cannot be ended, may be left
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    return found[0] if found else None


def host_index(strategy) -> tuple[int, int]:
    """Returns (index of this host, number of hosts)."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    return resolver.task_id, len(resolver.cluster_spec().as_dict()["worker"])


def distribute(strategy, make_dataset: Callable):
    """Returns the distributed dataset.

    Args:
      strategy: of `make`.
      make_dataset: (index, count) -> dataset of this host's share of the global
        batches.
    """
    index, count = host_index(strategy)
    if count == 1:
        return strategy.experimental_distribute_dataset(make_dataset((0, 1)))
    replicas = strategy.num_replicas_in_sync // count

    def of_this_host(context):
        del context
        dataset = make_dataset((index, count))
        if replicas == 1:
            return dataset
        share = next(iter(dataset.element_spec.values())).shape[0]
        return dataset.rebatch(share // replicas, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_this_host)


def on_cpu(strategy) -> bool:
    """Whether a strategy, or none (the default one), computes on CPUs."""
    try:
        devices = strategy.extended.worker_devices
    except RuntimeError:  # the default strategy has none
        return not tf.config.list_logical_devices("GPU")
    return all("CPU" in device.upper() for device in devices)


def set_numerics(tf32: bool, deterministic: bool) -> None:
    """Says how operations of this process may round; host.

    Args:
      tf32: let GPUs that can multiply float32 with TF32's ten-bit mantissa.
      deterministic: only operations that give the same bits each time; slower.
    """
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
