"""Self-attention over pixels, as in SAGAN and BigGAN."""

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import spectral_norm
from dglgan_tf.ops import ledger


class SelfAttention(keras.layers.Layer):
    """Adds `gamma` times what each pixel gathers from a 2x2-pooled image.

    Queries and keys have an eighth of the channels, values half; the 1x1 convolutions
    are spectrally normalised and have no bias; no scaling of the products.

    Args:
      channels: channels of the image, at least 8.
      init: see `initializers.make`.
      eps: lower bound of lengths in the power step.
      stored: whether inference takes both singular vectors as stored.
    """

    def __init__(
        self, channels: int, init="orthogonal", eps=1e-6, stored=False, **kwargs
    ):
        super().__init__(**kwargs)
        spectral = {"init": init, "eps": eps, "stored": stored}
        if channels < 8:
            raise ValueError(
                f"self-attention on channels={channels}: it needs at least 8, because "
                "its keys have an eighth of them; raise ch or move the attention"
            )

        def conv(inputs, outputs):
            return spectral_norm.SpectralConv2D(
                inputs, outputs, 1, use_bias=False, **spectral
            )

        self.theta = conv(channels, channels // 8)
        self.phi = conv(channels, channels // 8)
        self.g = conv(channels, channels // 2)
        self.o = conv(channels // 2, channels)
        self.gamma = self.add_weight(name="gamma", shape=[], initializer="zeros")
        self.built = True

    def call(self, x, training=False):
        """Maps [N, H, W, C] to the same shape; H and W even."""
        _, height, width, _ = x.shape
        queries = _pixels(self.theta(x, training=training))
        keys = _pixels(_pool(self.phi(x, training=training)))
        values = _pixels(_pool(self.g(x, training=training)))
        weights = tf.matmul(queries, keys, transpose_b=True)
        weights = tf.cast(tf.nn.softmax(tf.cast(weights, tf.float32)), x.dtype)
        gathered = tf.matmul(weights, values)
        products = (x.shape[0] or 1) * height * width * keys.shape[1]
        ledger.enter(
            self,
            "attention",
            products * (keys.shape[2] + values.shape[2]),
            [x.shape[0] or 1, height, width, values.shape[2]],
        )
        gathered = tf.reshape(gathered, [-1, height, width, values.shape[2]])
        return tf.cast(self.gamma, x.dtype) * self.o(gathered, training=training) + x


def _pool(x):
    return tf.nn.max_pool2d(x, 2, 2, "VALID")


def _pixels(x):
    return tf.reshape(x, [-1, x.shape[1] * x.shape[2], x.shape[3]])
