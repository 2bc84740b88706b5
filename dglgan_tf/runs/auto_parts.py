"""`Trainer.max_microbatch = 'auto'`: the largest parts that memory holds."""

import dataclasses

import psutil
from absl import logging

from dglgan_tf.cost import backward, macs, memory
from dglgan_tf.devices import strategies
from dglgan_tf.networks import base
from dglgan_tf.training import layout, settings

_RESERVE = 2 * 2**30  # bytes of a host left to everything else
_GPU_SHARE = 0.9


def available_bytes(strategy) -> int:
    """Returns what one replica may take: of its GPU, else of the free RAM."""
    from tensorflow.python.client import device_lib

    on_cpu = strategies.on_cpu(strategy)
    if on_cpu:
        free = psutil.virtual_memory().available - _RESERVE
        return max(free, 0) // strategy.num_replicas_in_sync
    devices = device_lib.list_local_devices()
    sizes = [d.memory_limit for d in devices if d.device_type == "GPU"]
    return int(_GPU_SHARE * min(sizes))


def networks_of(networks, update_teachers: bool) -> list[memory.Part]:
    """Returns what a training's memory consists of; `networks` may be weightless."""
    parts = []
    for role, network in (("g", networks.generator), ("d", networks.discriminator)):
        ema = isinstance(network, base.Generator)
        kept = backward.kept_bytes(network)
        parts.append(memory.Part(role, macs.count(network), ema=ema, kept=kept))
    for teacher in networks.teachers:
        cost, kept = macs.count(teacher), backward.kept_bytes(teacher)
        parts.append(memory.Part("teacher", cost, update_teachers, kept=kept))
    return parts


def resolved(networks, strategy, lanes: int, remembered: int | None = None):
    """Returns gin's `Settings` with a number in the place of 'auto'.

    Args:
      networks, strategy, lanes: see `choose`.
      remembered: what was chosen when the run began; None = chosen now.
    """
    wanted = settings.Settings()
    if wanted.max_microbatch != "auto":
        return wanted
    most = remembered or choose(wanted, networks, strategy, lanes)
    return dataclasses.replace(wanted, max_microbatch=most)


def choose(wanted, networks, strategy, lanes: int, bytes_free: int | None = None):
    """Returns the largest legal part that memory holds, at least the smallest legal.

    Args:
      wanted: `settings.Settings`.
      networks: `state.Networks`.
      strategy: its replicas share the batch.
      lanes: compute their shares of a part at once.
      bytes_free: of one device; None asks it.

    Returns:
      images that one replica computes at once.
    """
    if bytes_free is None:
        bytes_free = available_bytes(strategy)
    legal = _legal(wanted, networks, strategy.num_replicas_in_sync, lanes)
    parts = networks_of(networks, wanted.objective.update_teachers)
    needs = {n: memory.training_bytes(parts, n)["total"] for n in legal}
    fit = [n for n in legal if needs[n] <= bytes_free]
    chosen = max(fit, default=min(legal))
    logging.info(
        "Trainer.max_microbatch='auto': parts of %d images, about %.1f of %.1f GiB",
        chosen,
        needs[chosen] / 2**30,
        bytes_free / 2**30,
    )
    return chosen


def _legal(wanted, networks, replicas, lanes) -> list[int]:
    """Returns the sizes into which the shares of both batches divide."""
    shares = [wanted.batch_size // replicas, wanted.reals_per_step // replicas]
    group = layout.group_of(networks) or min(shares)
    found = [
        n
        for n in range(1, max(shares) + 1)
        if n % (group * lanes) == 0 and all(s % min(n, s) == 0 for s in shares)
    ]
    return found or [max(shares)]


def part_of(train) -> int:
    """Returns how many images each replica of a `Trainer` computes at once."""
    largest = max(p.lanes * (p.batch_size // p.microbatches) for p in train.phases)
    return largest // train.strategy.num_replicas_in_sync
