"""What every image source offers: random access to labelled uint8 images.

Random access is what makes the order of training images a pure function of the image
counter, so that a resumed run repeats and skips nothing (`dglgan_tf.data.pipeline`).
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import bounded


class Source:
    """Labelled images by index.

    Sub-classes implement `fetch` and `content_digest`.

    Attributes:
      name: short name for logs and file names.
      labels: [num_examples] int32 classes; all zero where there are none.
      class_names: one name per class; empty for a source without labels.
      height, width: size of every image.
      num_channels: 1 or 3.
      in_memory: True where `fetch` costs no more than a copy.
      stretched: (height, width) from which the images were stretched to a square, so
        that samples can be stretched back; None where they were not.
      names: of the images, with folders; empty where they have none.
      notes: what lies there and is not read, one sentence for each kind.
      description: how it was opened, see `dglgan_tf.data.origin`; None where that
        cannot be said.
    """

    description: dict | None = None
    in_memory = False
    stretched: tuple[int, int] | None = None
    names: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __init__(
        self,
        name: str,
        labels: np.ndarray,
        class_names: Sequence[str],
        height: int,
        width: int,
        num_channels: int,
    ):
        self.name = name
        self.labels = np.asarray(labels, np.int32)
        self.class_names = [bounded.printable(str(n)) for n in class_names]
        self.height = int(height)
        self.width = int(width)
        self.num_channels = int(num_channels)
        _check_labels(name, self.labels, len(self.class_names))
        if self.num_channels not in (1, 3):
            raise ValueError(
                f"{name}: images have {num_channels} channels; 1 (grey) or 3 (RGB) are "
                "supported, convert them with python -m dglgan_tf.prepare."
            )

    @property
    def num_examples(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for a source without labels."""
        return len(self.class_names)

    @property
    def resolution(self) -> int:
        """Height and width of the images.

        Raises:
          ValueError: where the images are not square.
        """
        if self.height != self.width:
            raise ValueError(
                f"{self.name}: images are {self.height}x{self.width} (height x width) "
                "and not square: crop, pad or stretch them with --fit=crop (train), "
                "data.Conversion.transform (gin) or python -m dglgan_tf.prepare."
            )
        return self.height

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads images; traced inside tf.data.

        Args:
          indices: [N] int64 in [0, num_examples).

        Returns:
          images: [N, height, width, num_channels] uint8.
        """
        raise NotImplementedError

    def content_digest(self) -> bytes:
        """Returns a hash of what the images are (bytes, or names and sizes)."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that change when the data change."""
        digest = hashlib.sha256()
        shape = (self.num_examples, self.height, self.width, self.num_channels)
        digest.update(repr((shape, self.class_names)).encode())
        digest.update(self.labels.astype("<i4").tobytes())
        digest.update(self.content_digest())
        return digest.hexdigest()[:16]

    def images(self, indices) -> np.ndarray:
        """Reads images eagerly.

        Args:
          indices: [N] integers in [0, num_examples).

        Returns:
          images: [N, height, width, num_channels] uint8.
        """
        indices = np.asarray(indices, np.int64).reshape(-1)
        if not len(indices):
            return np.zeros((0, self.height, self.width, self.num_channels), np.uint8)
        return self.fetch(tf.constant(indices)).numpy()

    def __len__(self) -> int:
        return self.num_examples

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields (image uint8 [height, width, num_channels], label) in stored order."""
        for start in range(0, self.num_examples, 64):
            indices = np.arange(start, min(start + 64, self.num_examples))
            yield from zip(
                self.images(indices), self.labels[indices].tolist(), strict=True
            )


class ArraySource(Source):
    """Images that fit in memory.

    Args:
      images: [N, H, W, C] uint8; [N, H, W] is taken as grey.
      labels: [N] integer classes; None for a source without labels.
      class_names: names; None numbers the classes.
      name: short name.
      resolution: None keeps the size; larger pads with `background` on all sides.
      background: grey level of the padding.
    """

    in_memory = True

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "array",
        resolution: int | None = None,
        background: int = 0,
    ):
        images = np.asarray(images)
        if images.ndim == 3:
            images = images[..., None]
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(
                f"{name}: images must be uint8 [N, H, W, C], got {images.dtype} "
                f"{list(images.shape)}."
            )
        if not len(images):
            raise ValueError(f"{name}: no images.")
        if labels is None:
            labels, class_names = np.zeros(len(images), np.int32), []
        elif class_names is None:
            highest = int(np.max(labels)) if len(labels) else 0
            if highest >= bounded.MAX_CLASSES:
                raise ValueError(f"{name}: a label is {highest}, no class number.")
            class_names = [str(c) for c in range(highest + 1)]
        if len(labels) != len(images):
            raise ValueError(f"{name}: {len(images)} images but {len(labels)} labels.")
        images = pad(images, resolution, background, name)
        super().__init__(name, labels, class_names, *images.shape[1:])
        self._array = images
        self._tensor = None

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Gathers images: [N] int64 to [N, height, width, num_channels] uint8."""
        if self._tensor is None:
            with tf.init_scope(), tf.device("/CPU:0"):
                self._tensor = tf.constant(self._array)
                self._array = self._tensor.numpy()  # shares the tensor's memory
        return tf.gather(self._tensor, indices)

    def images(self, indices) -> np.ndarray:
        """Reads images: [N] integers to [N, height, width, num_channels] uint8."""
        return self._array[np.asarray(indices, np.int64).reshape(-1)]

    def content_digest(self) -> bytes:
        """Returns a hash of the pixels."""
        return hashlib.sha256(np.ascontiguousarray(self._array)).digest()


class Subset(Source):
    """Some images of another source, in a given order.

    Args:
      source: where the images are.
      indices: [N] integers into it.
    """

    def __init__(self, source: Source, indices: np.ndarray):
        indices = np.asarray(indices, np.int64)
        super().__init__(
            f"{source.name}[{len(indices)}]",
            source.labels[indices],
            source.class_names,
            source.height,
            source.width,
            source.num_channels,
        )
        self.in_memory = source.in_memory
        self.stretched = source.stretched
        self.notes = source.notes
        names = source.names
        self.names = [names[i] for i in indices] if len(names) else []
        self._source = source
        self._indices = indices

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads images: [N] int64 to [N, height, width, num_channels] uint8."""
        return self._source.fetch(tf.gather(tf.constant(self._indices), indices))

    def images(self, indices) -> np.ndarray:
        """Reads images: [N] integers to [N, height, width, num_channels] uint8."""
        return self._source.images(self._indices[np.asarray(indices, np.int64)])

    def content_digest(self) -> bytes:
        """Returns a hash of the whole source's content and the choice."""
        chosen = hashlib.sha256(self._indices.astype("<i8")).digest()
        return self._source.content_digest() + chosen


def pad(
    images: np.ndarray, resolution: int | None, background: int, name: str
) -> np.ndarray:
    """Centres images on a larger square.

    Args:
      images: [N, H, W, C] uint8.
      resolution: height and width of the result; None returns the images as they are.
      background: value of the border.
      name: whose images, for the error.

    Returns:
      images: [N, resolution, resolution, C] uint8; an odd border has its extra row and
        column at the bottom and right.
    """
    if resolution is None or images.shape[1:3] == (resolution, resolution):
        return images
    margins = [resolution - size for size in images.shape[1:3]]
    if min(margins) < 0:
        raise ValueError(
            f"{name}: resolution={resolution} is smaller than the images "
            f"({images.shape[1]}x{images.shape[2]}); resize them with "
            "python -m dglgan_tf.prepare."
        )
    widths = [(margin // 2, margin - margin // 2) for margin in margins]
    return np.pad(images, [(0, 0), *widths, (0, 0)], constant_values=background)


def _check_labels(name: str, labels: np.ndarray, num_classes: int) -> None:
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name}: no images.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= max(num_classes, 1):
        bad = int(np.flatnonzero((labels < 0) | (labels >= max(num_classes, 1)))[0])
        raise ValueError(
            f"{name}: label {int(labels[bad])} of image {bad} is out of range; there "
            f"are {num_classes} classes, so labels go from 0 to "
            f"{max(num_classes, 1) - 1}."
        )
