"""Perceptual distance between two images: LPIPS and its offline relative.

Zhang et al., "The Unreasonable Effectiveness of Deep Features", 2018. At each tap the
feature vector of a position is scaled to length 1; the squared differences, weighted by
channel, are averaged over positions and summed over taps.

* `vgg16_lpips`: VGG16 (the user's weights) with the learned weights of version 0.1 that
  ship in the `lpips` wheel, read from its file without importing it.
* `efficientnet_lite0`: taps of the offline network, every channel with weight 1.
"""

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.containers import reader
from dglgan_tf.metrics import (
    efficientnet_lite0,
    extractors,
    frozen,
    resize,
    vgg16,
)

_EPSILON = 1e-10
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def per_tap(first: tf.Tensor, second: tf.Tensor, weights=None) -> tf.Tensor:
    """Returns the distance [N] at one tap.

    Args:
      first, second: [N, h, w, c] feature maps.
      weights: [c] of the channels; None = 1.
    """
    difference = tf.square(_unit(first) - _unit(second))
    if weights is not None:
        difference *= weights
    return tf.reduce_mean(tf.reduce_sum(difference, -1), [1, 2])


def _unit(x):
    return x / (tf.sqrt(tf.reduce_sum(tf.square(x), -1, keepdims=True)) + _EPSILON)


class Perceptual:
    """A perceptual distance with its frozen network.

    Args:
      name: how scores name it.
      taps: (images [N, H, W, 3] float32 in [0, 255]) to a list of [N, h, w, c].
      weights: one [c] per tap; None = 1 everywhere.
      weights_sha256: of the weight file.
    """

    def __init__(self, name: str, taps: Callable, weights, weights_sha256: str):
        self.name, self.weights_sha256 = name, weights_sha256
        self._taps, self._weights = taps, weights
        # Sizes must stay static: a relaxed trace would not know them.
        self._compiled = tf.function(self.distance, reduce_retracing=False)

    def describe(self) -> dict:
        """Returns what decides the distance, for the protocol."""
        return {"extractor": self.name, "weights_sha256": self.weights_sha256}

    def taps(self, images) -> list[tf.Tensor]:
        """Returns the feature maps [N, h, w, c] of images in [0, 255]."""
        return self._taps(_colour(images))

    def distance(self, first, second) -> tf.Tensor:
        """Returns distances [N] of images [N, H, W, 1 or 3] in [0, 255]."""
        maps = self.taps(tf.concat([first, second], axis=0))
        weights = self._weights or [None] * len(maps)
        total = 0.0
        for tap, weight in zip(maps, weights, strict=True):
            total += per_tap(*tf.split(tap, 2, axis=0), weight)
        return total

    def __call__(self, first, second) -> np.ndarray:
        """The same, compiled, on arrays: [N] float32."""
        return self._compiled(
            tf.cast(first, tf.float32), tf.cast(second, tf.float32)
        ).numpy()


def _colour(images):
    images = tf.cast(images, tf.float32)
    return tf.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def lpips_taps(network: vgg16.VGG16, size: int | None = None) -> Callable:
    """Returns LPIPS's view of images [N, H, W, 3] in [0, 255]: five maps of VGG16.

    Args:
      network: VGG16.
      size: resize the normalized images to this square first, as torch-fidelity can:
        by area where both sides shrink, else bilinear.
    """

    def taps(images):
        x = images / 127.5 - 1.0
        x = (x - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        if size is not None:
            smaller = x.shape[1] > size and x.shape[2] > size
            x = resize.resize(x, size, "area" if smaller else "legacy_pytorch")
        return network.taps(x)

    return taps


def lpips_heads() -> list[np.ndarray]:
    """Returns the learned channel weights of LPIPS 0.1 for VGG16, five arrays [c].

    Raises:
      ValueError: the `lpips` package is not installed.
    """
    try:
        files = importlib.metadata.files("lpips") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.match("lpips/weights/v0.1/vgg.pth"):
            return heads(reader.read(file.locate()), file)
    raise ValueError(
        "the learned weights of LPIPS ship in the package lpips: pip install "
        "--no-deps lpips (PyTorch is not needed), or use the metric on "
        f"[{efficientnet_lite0.NAME}]"
    )


def heads(tensors: dict[str, np.ndarray], path="the given tensors") -> list[np.ndarray]:
    """Returns the channel weights [c] of a state dict with lpips' names."""
    names = [f"lin{tap}.model.1.weight" for tap in range(5)]
    frozen.require_keys(tensors, set(names), path, "the heads of LPIPS for VGG16")
    return [tensors[name].reshape(-1) for name in names]


def vgg16_lpips(weights: str | None = None) -> Perceptual:
    """Returns LPIPS 0.1 on VGG16.

    Args:
      weights: path of torchvision's VGG16 state dict.

    Raises:
      ValueError: the backbone or the heads are missing.
    """
    if weights is None:
        raise ValueError(
            "the weights of VGG16 are not part of this package: give the path of "
            f"{vgg16.SOURCE}, or use the metric on [{efficientnet_lite0.NAME}]"
        )
    network = vgg16.load(str(weights))
    digest = extractors.sha256(str(weights))
    return Perceptual("vgg16_lpips", lpips_taps(network), lpips_heads(), digest)


def offline(weights: str | None = None) -> Perceptual:
    """Returns the distance on EfficientNet-Lite0, which needs no download.

    Images are seen at their own size, at least 64 pixels (smaller ones are enlarged).

    Args:
      weights: a PyTorch state dict; None takes the installed PyPI package.
    """
    path = efficientnet_lite0.installed_weights() if weights is None else Path(weights)
    network = efficientnet_lite0.load(str(path))

    def taps(images):
        if min(images.shape[1:3]) < 64:
            images = resize.resize(images, 64, "clean")
        return network(images)["taps"]

    digest = extractors.sha256(str(path))
    return Perceptual(efficientnet_lite0.NAME, taps, None, digest)


def efficientnet_lite0_taps() -> Callable:
    """Returns images [N, H, W, 1 or 3] in [-1, 1] -> maps of EfficientNet-Lite0.

    For a loss: the package's weights, differentiable, sizes as in `offline`.
    """
    distance = offline()
    return lambda images: distance.taps(127.5 * images + 127.5)


BUILDERS: dict[str, Callable[..., Perceptual]] = {
    "vgg16_lpips": vgg16_lpips,
    efficientnet_lite0.NAME: offline,
}


def build(name: str, **arguments) -> Perceptual:
    """Returns the perceptual distance of a name in `BUILDERS`; built once.

    Raises:
      ValueError: unknown name or missing weights.
    """
    if name not in BUILDERS:
        raise ValueError(
            f"extractor={name!r} gives no perceptual distance: use one of "
            f"{', '.join(BUILDERS)}"
        )
    return _built(name, **arguments)


@functools.lru_cache(maxsize=2)
def _built(name, **arguments):
    return BUILDERS[name](**arguments)
