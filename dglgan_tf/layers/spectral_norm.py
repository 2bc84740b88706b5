"""Convolution, dense layer and class embedding with spectral normalisation.

The raw kernel is stored; each call makes one power step from the stored vector `u`
and divides by the singular value that it gives (method of Miyato et al. 2018, as
BigGAN applies it). A training-mode call hands the moved vector to
`dglgan_tf.layers.updates`, any other call leaves the stored one alone. With
`stored=True` the other singular vector is kept as well and inference takes both as
they are, without a step, as torch.nn.utils.spectral_norm does.
"""

import contextlib

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import initializers, updates
from dglgan_tf.ops import fold, ledger, spectral


class SpectralLayer(keras.layers.Layer):
    """What the three layers share: a kernel, its vector `u`, and the division.

    Attributes:
      kernel: raw weights.
      u: [out] estimate of the left singular vector.
      v: [rest] of the right one, or None where it is not kept.
      fixed_sigma: number in place of the power step, or None (see
        `freeze_spectral_norm`).
    """

    rows = False

    def __init__(self, shape, init: str, eps: float, stored: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.eps = eps
        self.fixed_sigma = None
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=initializers.make(init)
        )
        outputs = shape[0] if self.rows else shape[-1]
        self.u = self._vector("u", outputs)
        rest = self.kernel.shape.num_elements() // outputs
        self.v = self._vector("v", rest) if stored else None
        self.built = True

    def _vector(self, name, length):
        return self.add_weight(
            name=name,
            shape=[length],
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def sigma(self, training=False):
        """Returns the singular value of this call, []; training moves the vectors."""
        if self.fixed_sigma is not None:
            return self.fixed_sigma
        u = updates.current(self.u)
        if self.v is not None and not training:
            v = updates.current(self.v)
            return spectral.value(self.kernel, u, v, self.rows)
        sigma, u, v = spectral.power_step(self.kernel, u, self.eps, self.rows)
        if training:
            updates.record(self.u, u, average=False)
        if training and self.v is not None:
            updates.record(self.v, v, average=False)
        return sigma


class SpectralConv2D(SpectralLayer):
    """Convolution with zero padding, by default with a bias.

    Args:
      in_channels: channels of the input.
      channels: channels of the output.
      size: 1 or 3.
      use_bias: whether a bias is added.
      convolve: a function of `dglgan_tf.ops.fold`, which may include resampling.
      used: how many of the output channels are computed; None = all.
      init: see `initializers.make`.
      eps: lower bound of lengths in the power step.
      stored: see the module.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        size: int,
        use_bias: bool = True,
        convolve=fold.convolve,
        used: int | None = None,
        init: str = "orthogonal",
        eps: float = 1e-6,
        stored: bool = False,
        **kwargs,
    ):
        shape = [size, size, in_channels, channels]
        super().__init__(shape, init, eps, stored, **kwargs)
        self.convolve = convolve
        self.used = channels if used is None else used
        self.bias = None
        if use_bias:
            fan_in = size * size * in_channels
            self.bias = self.add_weight(
                name="bias",
                shape=[channels],
                initializer=initializers.uniform_bias(fan_in),
            )

    def call(self, x, training=False):
        """Convolves [N, H, W, in_channels]; returns [N, H', W', channels]."""
        kernel = self.kernel[..., : self.used] / self.sigma(training)
        y, count = self.convolve(x, tf.cast(kernel, x.dtype))
        shape = [x.shape[0] or 1, *y.shape[1:]]
        ledger.enter(self, count.kind, count.nominal, shape, executed=count.executed)
        if self.bias is None:
            return y
        return tf.nn.bias_add(y, tf.cast(self.bias[: self.used], y.dtype))


class SpectralDense(SpectralLayer):
    """Matrix product with a spectrally normalised matrix, optionally a bias."""

    def __init__(
        self,
        inputs: int,
        units: int,
        use_bias: bool = True,
        init: str = "orthogonal",
        eps: float = 1e-6,
        stored: bool = False,
        **kwargs,
    ):
        super().__init__([inputs, units], init, eps, stored, **kwargs)
        self.bias = None
        if use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=[units],
                initializer=initializers.uniform_bias(inputs),
            )

    def call(self, x, training=False):
        """Maps [N, inputs] to [N, units]."""
        y = tf.matmul(x, tf.cast(self.kernel / self.sigma(training), x.dtype))
        n = x.shape[0] or 1
        ledger.enter(
            self, "dense", n * self.kernel.shape.num_elements(), [n, y.shape[1]]
        )
        return y if self.bias is None else tf.nn.bias_add(y, self.bias)


class SpectralEmbedding(SpectralLayer):
    """One spectrally normalised vector for each class; gradients are dense."""

    rows = True

    def __init__(
        self,
        num_classes: int,
        features: int,
        init: str = "orthogonal",
        eps: float = 1e-6,
        stored: bool = False,
        **kwargs,
    ):
        super().__init__([num_classes, features], init, eps, stored, **kwargs)

    def call(self, onehot, training=False):
        """Maps class weights [N, num_classes] float32 to [N, features]."""
        return tf.matmul(onehot, self.kernel / self.sigma(training))


class Embedding(keras.layers.Layer):
    """One vector for each class, not normalised; gradients are dense."""

    def __init__(self, num_classes: int, features: int, init="orthogonal", **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.add_weight(
            name="kernel",
            shape=[num_classes, features],
            initializer=initializers.make(init),
        )
        self.built = True

    def call(self, onehot, training=False):
        """Maps class weights [N, num_classes] float32 to [N, features]."""
        del training
        return tf.matmul(onehot, self.kernel)


def spectral_layers(network: keras.layers.Layer) -> list[SpectralLayer]:
    """Returns the spectrally normalised layers of a network."""
    return [layer for layer in network.submodules if isinstance(layer, SpectralLayer)]


def freeze_spectral_norm(network: keras.layers.Layer) -> None:
    """Computes every sigma once; later calls divide by it without a power step.

    For a network whose weights no longer change, such as a teacher: the outputs are
    those of inference mode. Call it again after weights were loaded. Eager,
    cross-replica or host context.
    """
    for layer in spectral_layers(network):
        layer.fixed_sigma = None
        layer.fixed_sigma = float(layer.sigma(training=False))


def unfreeze_spectral_norm(network: keras.layers.Layer) -> None:
    """Undoes `freeze_spectral_norm`; functions traced before keep the fixed values."""
    for layer in spectral_layers(network):
        layer.fixed_sigma = None


@contextlib.contextmanager
def frozen(network: keras.layers.Layer):
    """Freezes the spectral norm inside a block (sampling, metrics, export)."""
    freeze_spectral_norm(network)
    try:
        yield
    finally:
        unfreeze_spectral_norm(network)
