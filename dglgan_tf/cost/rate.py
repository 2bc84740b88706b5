"""How fast this device multiplies: a convolution with both of its gradients."""

import time

from dglgan_tf.compat import tf

_SIDE, _CHANNELS, _BATCH = 64, 128, 4


def macs_per_second(seconds: float = 1.0) -> float:
    """Measures what a 3x3 convolution of 128 channels reaches, forward and backward.

    A network reaches less: filters, noise and norms move memory, multiplying little.

    Args:
      seconds: that the measurement takes, after one call to warm up.
    """
    shape = [_BATCH, _SIDE, _SIDE, _CHANNELS]
    images = tf.random.stateless_normal(shape, [0, 0])
    kernel = tf.random.stateless_normal([3, 3, _CHANNELS, _CHANNELS], [0, 1])

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            loss = tf.reduce_sum(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return [tf.reduce_sum(g) for g in tape.gradient(loss, [images, kernel])]

    [value.numpy() for value in compute()]
    count, began = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - began < seconds:
        [value.numpy() for value in compute()]
        count += 1
    macs = 3 * _BATCH * _SIDE**2 * 9 * _CHANNELS**2
    return count * macs / (time.perf_counter() - began)
