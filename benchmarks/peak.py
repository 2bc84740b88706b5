"""What the machine can do: float32 matrix products and 3x3 convolutions.

    python -m benchmarks.run --subject=peak

Shapes are those that fill the machine: the best of several is the peak that shares are
taken of.
"""

import functools
import time

from dglgan_tf.compat import tf

# (batch, side, channels) of convolutions with as many outputs.
SHAPES = ((8, 64, 64), (8, 32, 128), (32, 16, 128), (64, 16, 256))


def measure(seconds: float = 4.0) -> dict[str, float]:
    """Returns GFLOP/s (two for each multiply-accumulate): the best call of each kind.

    Args:
      seconds: spent on each kind.
    """
    calls = {"matmul": [_matmul(2048)]}
    for name in ("forward", "input_gradient", "kernel_gradient"):
        calls[f"conv_{name}"] = [_conv(name, *shape) for shape in SHAPES]
    result = {}
    for name, variants in calls.items():
        rates = [
            _best(call, flops, seconds / len(variants)) for call, flops in variants
        ]
        result[name] = round(max(rates), 1)
    return result


def _best(call, flops, seconds):
    call()
    fastest, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - started)
    return flops / fastest / 1e9


def _matmul(size):
    a = tf.random.normal([size, size])
    run = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)[0]), autograph=False)
    return lambda: run().numpy(), 2 * size**3


def _conv(kind, batch, side, channels):
    x = tf.random.normal([batch, side, side, channels])
    kernel = tf.random.normal([3, 3, channels, channels])
    functions = {
        "forward": lambda: tf.nn.conv2d(x, kernel, 1, "SAME"),
        "input_gradient": lambda: tf.nn.conv2d_transpose(x, kernel, x.shape, 1),
        "kernel_gradient": lambda: tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=kernel.shape,
            out_backprop=x,
            strides=[1, 1, 1, 1],
            padding="SAME",
        ),
    }
    # A partial for the reason given in `phase.compile_phase`.
    run = tf.function(functools.partial(functions[kind]), autograph=False)
    return lambda: run()[0, 0].numpy(), 2 * batch * side**2 * 9 * channels**2
