"""Measured time of calls, several candidates interleaved in one process."""

import contextlib
import dataclasses
import time

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times of repeated calls.

    Attributes:
      p50_ms, p95_ms: percentiles of one call, in milliseconds.
      images_per_second: batch over the median.
      batch: images of one call.
      calls: how many calls were timed.
    """

    p50_ms: float
    p95_ms: float
    images_per_second: float
    batch: int
    calls: int


def measure(calls: dict, batch: int = 1, rounds: int = 20, warmup: int = 3) -> dict:
    """Times callables in turn, so that a disturbance meets all of them alike.

    Args:
      calls: {name: function without arguments that returns when its work is done}.
      batch: images that each call makes; for `images_per_second`.
      rounds: timed calls of each; every round calls each once, starting with another
        one each time.
      warmup: untimed calls of each before that (tracing, caches).

    Returns:
      {name: Latency}.
    """
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be 1 or more")
    names = list(calls)
    for name in names:
        for _ in range(warmup):
            calls[name]()
    seconds: dict[str, list] = {name: [] for name in names}
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            begin = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - begin)
    return {name: _latency(times, batch) for name, times in seconds.items()}


def _latency(seconds, batch) -> Latency:
    p50, p95 = np.percentile(seconds, [50, 95])
    return Latency(
        float(p50 * 1e3), float(p95 * 1e3), float(batch / p50), batch, len(seconds)
    )


def network_call(network, batch: int = 1, seed: int = 0):
    """Returns a function that runs a generator or discriminator once and waits for it.

    Args:
      network: called with training=False on fixed random inputs.
      batch: images per call.
      seed: of the inputs.
    """
    inputs = _inputs(network, batch, seed)

    @tf.function
    def run(first, labels):
        return network(first, labels, training=False)

    return lambda: run(*inputs).numpy()


def _inputs(network, batch, seed):
    state = np.random.RandomState(seed)
    if hasattr(network, "z_dim"):
        shape = (batch, network.z_dim)
    else:
        shape = (batch, network.resolution, network.resolution, network.num_channels)
    first = tf.constant(state.randn(*shape), tf.float32)
    labels = None
    if network.num_classes:
        labels = tf.constant(state.randint(network.num_classes, size=batch), tf.int32)
    return first, labels


def per_layer(network, batch: int = 1, rounds: int = 10, seed: int = 0) -> dict:
    """Times each layer of an eager call, without the layers inside it.

    Eager operations run one after the other on a CPU, each with a fixed cost of a
    fraction of a millisecond that a compiled call does not have: read the large ones.
    On a GPU, where operations are only enqueued, the times tell nothing.

    Args:
      network: generator or discriminator.
      batch: images of the call.
      rounds: calls after one untimed.
      seed: of the inputs.

    Returns:
      {attribute path: milliseconds, the fastest of the rounds}; '(network)' is what no
      layer accounts for.
    """
    inputs = _inputs(network, batch, seed)
    seconds: dict[str, list] = {}
    with _timed_layers(network) as spent:
        for number in range(rounds + 1):
            spent.clear()
            network(*inputs, training=False)
            for path, value in spent.items() if number else ():
                seconds.setdefault(path or "(network)", []).append(value)
    return {path: 1e3 * min(v) for path, v in seconds.items()}


@contextlib.contextmanager
def _timed_layers(network):
    """Yields {path: seconds of its own} that calls inside the block fill."""
    spent: dict[str, float] = {}
    inner = [0.0]  # for each open call, the seconds of the calls inside it

    def timed(path, call):
        def run(*args, **kwargs):
            inner.append(0.0)
            begin = time.perf_counter()
            result = call(*args, **kwargs)
            whole = time.perf_counter() - begin
            spent[path] = spent.get(path, 0.0) + whole - inner.pop()
            inner[-1] += whole
            return result

        return run

    paths = macs.layer_paths(network)
    layers = [layer for layer in (network, *network.submodules) if id(layer) in paths]
    try:
        for layer in layers:
            layer.call = timed(paths[id(layer)], layer.call)
        yield spent
    finally:
        for layer in layers:
            vars(layer).pop("call", None)
