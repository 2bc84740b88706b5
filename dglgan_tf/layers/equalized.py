"""Dense and convolution layers with equalized learning rate.

Weights are stored as drawn (standard normal over the learning-rate multiplier) and
scaled at run time by multiplier / sqrt(fan-in), so that Adam treats all layers alike
(Karras et al. 2018, section 4.1). A leaky ReLU's gain is folded into that factor and
into the bias: equal numbers, one pass less over the activations.
"""

import math

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.ops import activation as activation_ops
from dglgan_tf.ops import bias, fold, ledger, resample

SLOPE = 0.2
GAINS = {"linear": 1.0, "lrelu": math.sqrt(2.0)}


def activate(x: tf.Tensor, activation: str, clamp: float | None) -> tf.Tensor:
    """Returns the activation of x, clamped; the gain is in x already.

    Args:
      x: [...], any shape and floating type.
      activation: 'linear' or 'lrelu' (slope 0.2).
      clamp: bound of the absolute value; None = none.

    Returns:
      [...], the shape and type of x.
    """
    if activation == "lrelu":
        x = activation_ops.leaky_relu(x, SLOPE)
    if clamp is not None:
        x = tf.clip_by_value(x, -clamp, clamp)
    return x


class EqualizedDense(keras.layers.Layer):
    """[N, in_width] -> [N, out_width].

    Args:
      in_width, out_width: sizes.
      activation: 'linear' or 'lrelu' (slope 0.2, gain sqrt(2)).
      lr_multiplier: learning-rate factor of kernel and bias.
      bias_init: the effective bias at the start; None = no bias.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float | None = 0.0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_width, self.out_width = in_width, out_width
        self.activation = activation
        self.lr_multiplier = lr_multiplier
        self.gain = GAINS[activation]
        self.kernel = self.add_weight(
            "kernel",
            (in_width, out_width),
            initializer=keras.initializers.RandomNormal(stddev=1 / lr_multiplier),
        )
        self.bias = None
        if bias_init is not None:
            self.bias = self.add_weight(
                "bias",
                (out_width,),
                initializer=keras.initializers.Constant(bias_init / lr_multiplier),
            )
        self.built = True

    def call(self, x):
        """[N, in_width] -> [N, out_width]."""
        # The input is smaller than the kernel: scaling it costs less.
        scale = self.lr_multiplier / math.sqrt(self.in_width) * self.gain
        x = tf.matmul(x * scale, self.kernel)
        if self.bias is not None:
            x = tf.nn.bias_add(x, self.bias * (self.lr_multiplier * self.gain))
        ledger.enter(
            self, "dense", (x.shape[0] or 1) * self.in_width * self.out_width, x.shape
        )
        return activate(x, self.activation, None)


class EqualizedConv(keras.layers.Layer):
    """[N, H, W, in_width] -> [N, H', W', out_width], SAME padding.

    Args:
      in_width, out_width: channels.
      size: side of the kernel, odd.
      activation: 'linear' or 'lrelu' (slope 0.2, gain sqrt(2)).
      use_bias: whether there is a bias.
      resample_by: 'none', 'up' or 'down' (by two, with `fir`).
      fir: filter of `resample.setup_filter`, where resampling.
      gain: factor of the output (of the clamp too).
      clamp: bound of the output's absolute value before `gain`; None = none.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        size: int,
        activation: str = "linear",
        use_bias: bool = True,
        resample_by: str = "none",
        fir: np.ndarray | None = None,
        gain: float = 1.0,
        clamp: float | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_width, self.out_width, self.size = in_width, out_width, size
        self.activation = activation
        self.resample_by = resample_by
        self.fir = fir
        self.gain = GAINS[activation] * gain
        self.clamp = None if clamp is None else clamp * gain
        self.kernel = self.add_weight(
            "kernel",
            (size, size, in_width, out_width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.bias = None
        if use_bias:
            self.bias = self.add_weight("bias", (out_width,), initializer="zeros")
        self.built = True

    def call(self, x):
        """[N, H, W, in_width] -> [N, H', W', out_width]."""
        kernel = self.kernel * (self.gain / math.sqrt(self.in_width * self.size**2))
        y = convolve(x, tf.cast(kernel, x.dtype), self.resample_by, self.fir)
        enter_conv(self, x, y, self.size, self.resample_by, self.fir)
        if self.bias is not None:
            y = bias.add(y, self.bias * self.gain)
        return activate(y, self.activation, self.clamp)


def convolve(x, kernel, resample_by: str, fir) -> tf.Tensor:
    """Convolves at the same, double or half resolution.

    Args:
      x: [N, H, W, C].
      kernel: [k, k, C, C'] of the type of x.
      resample_by: 'none', 'up' or 'down'.
      fir: [f, f] resampling filter; not used with 'none'.

    Returns:
      [N, H', W', C'], H' = H, 2H or H / 2.
    """
    if resample_by == "up":
        return resample.up_conv(x, kernel, fir)
    if resample_by == "down":
        return resample.down_conv(x, kernel, fir)
    return fold.convolve(x, kernel)[0]


def enter_conv(owner, x, y, size: int, resample_by: str, fir) -> None:
    """Enters a convolution and its filter pass in the ledger.

    Args:
      owner: the layer.
      x, y: [N, H, W, C] and [N, H', W', C'], input and output of the convolution.
      size: height and width of the kernel.
      resample_by: 'none', 'up' or 'down'.
      fir: [f, f] resampling filter.
    """
    batch, height, width, channels = y.shape
    output = (batch or 1) * height * width * channels * size**2 * x.shape[-1]
    if resample_by == "up":
        ledger.enter(owner, "up_conv", output // 4, y.shape, output, None)
    elif resample_by == "down":
        ledger.enter(owner, "down_conv", output, y.shape)
    else:
        ledger.enter(owner, "conv", output, y.shape)
    if resample_by != "none":
        filtered = y if resample_by == "up" else x
        enter_filter(owner, filtered, fir)


def enter_filter(owner, x, fir) -> None:
    """Enters a pass of the filter `fir` [f, f] with output x [N, H, W, C]."""
    batch, height, width, channels = x.shape
    ledger.enter(
        owner, "filter", (batch or 1) * height * width * channels * fir.size, x.shape
    )
