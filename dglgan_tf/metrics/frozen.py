"""Building blocks of feature networks whose weights never change.

Batch normalization is folded into the convolution before it, in float64, so a network
is convolutions with bias; that is exact for inference and saves a pass over memory.
"""

import numpy as np

from dglgan_tf.compat import keras, tf


class Convolution(keras.layers.Layer):
    """Convolution, bias, activation; weights are given once by `load`.

    Attributes:
      kernel: [height, width, inputs, outputs], or [height, width, inputs, 1] where
        `depthwise`.
      bias: [outputs].
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int | tuple[int, int] = 3,
        stride: int = 1,
        padding: str = "SAME",
        depthwise: bool = False,
        activation=None,
        **kwargs,
    ):
        super().__init__(trainable=False, **kwargs)
        height, width = (size, size) if isinstance(size, int) else size
        self.stride, self.padding = stride, padding
        self.depthwise, self.activation = depthwise, activation
        shape = (height, width, inputs, 1 if depthwise else outputs)
        self.kernel = self.add_weight("kernel", shape, initializer="zeros")
        self.bias = self.add_weight("bias", (outputs,), initializer="zeros")
        self.built = True

    def call(self, x):
        """Returns [N, H', W', outputs] for [N, H, W, inputs]."""
        strides = [1, self.stride, self.stride, 1]
        if self.depthwise:
            y = tf.nn.depthwise_conv2d(x, self.kernel, strides, self.padding)
        else:
            y = tf.nn.conv2d(x, self.kernel, strides, self.padding)
        y = tf.nn.bias_add(y, self.bias)
        return y if self.activation is None else self.activation(y)

    def load(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Assigns PyTorch-ordered weights.

        Args:
          kernel: [outputs, inputs / groups, height, width].
          bias: [outputs].

        Raises:
          ValueError: the shapes differ from this layer's.
        """
        order = (2, 3, 0, 1) if self.depthwise else (2, 3, 1, 0)
        array = kernel.transpose(order)
        if array.shape != tuple(self.kernel.shape):
            raise ValueError(
                f"a convolution has shape {kernel.shape} in the weight file, which "
                f"gives {array.shape}; the network needs {tuple(self.kernel.shape)}"
            )
        self.kernel.assign(array.astype(np.float32))
        self.bias.assign(bias.astype(np.float32))


def folded(
    tensors: dict[str, np.ndarray], convolution: str, norm: str, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a convolution followed by batch norm as one convolution.

    Args:
      tensors: a PyTorch state dict.
      convolution: prefix of the convolution (`<prefix>.weight`, no bias).
      norm: prefix of the batch norm (`weight`, `bias`, `running_mean`, `running_var`).
      epsilon: added to the variance.

    Returns:
      kernel: [outputs, inputs / groups, height, width] float64.
      bias: [outputs] float64.
    """
    kernel = tensors[f"{convolution}.weight"].astype(np.float64)
    gain, offset, mean, variance = (
        tensors[f"{norm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + epsilon)
    return kernel * scale[:, None, None, None], offset - mean * scale


def require_keys(tensors: dict, wanted: set[str], path, network: str) -> None:
    """Raises ValueError unless a state dict holds every wanted key."""
    missing = sorted(wanted - set(tensors))
    if missing:
        raise ValueError(
            f"{path} is not a weight file of {network}: {len(missing)} of "
            f"{len(wanted)} tensors are missing, the first is {missing[0]!r}"
        )
