"""A source of encoded images (PNG, JPEG, ...), decoded while training.

Uniform 8-bit grey or RGB images (whatever `dglgan_tf.prepare` writes) are
decoded by TensorFlow in parallel. Anything else goes through Pillow and the rule of
`dglgan_tf.data.images`, in threads: right, but slower, so convert large sets first.
"""

import concurrent.futures
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.data import base, images, manifests, readers

_WORKERS = min(32, 2 * (os.cpu_count() or 1))


@gin.configurable(module="data")
@dataclasses.dataclass(frozen=True)
class Conversion:
    """How stored images become the model's, while training.

    Attributes:
      resolution: height and width of the result; None keeps the images' own size, or
        with a transform takes the largest power of two that the smallest image fills.
      num_channels: 1 or 3; None is 3 unless every image is grey.
      transform: how to reach the resolution, 'center-crop', 'stretch' or 'pad'
        (`dglgan_tf.data.images.fit`); 'none' insists on images of one size.
      resize_filter: 'box', 'bilinear', 'bicubic' or 'lanczos'.
      background: grey level under transparency and around padded images.
      max_megapixels: images of more pixels are refused (`images.allow_megapixels`);
        None is 178.
    """

    resolution: int | None = None
    num_channels: int | None = None
    transform: str = "none"
    resize_filter: str = "lanczos"
    background: int = 255
    max_megapixels: float | None = None

    def __post_init__(self):
        if self.resolution is not None:
            images.check_size(self.resolution, self.resolution)
        if self.num_channels not in (None, 1, 3):
            raise ValueError(f"num_channels={self.num_channels} must be 1 or 3.")
        if not 0 <= self.background <= 255:
            raise ValueError(f"background={self.background} must be from 0 to 255.")


class Listing(NamedTuple):
    """Encoded images and their classes, before anyone has looked at the images.

    Attributes:
      name: short name.
      reader: where they lie.
      labels: [N] int classes; all zero without labels.
      class_names: one per class; empty without labels.
    """

    name: str
    reader: readers.Reader
    labels: np.ndarray
    class_names: list[str]


class EncodedSource(base.Source):
    """Encoded images with classes.

    Args:
      listing: the images.
      conversion: to the model's size and channels; None is what gin says about it.

    Raises:
      ValueError: naming the images that cannot be read or have another size.
    """

    def __init__(self, listing: Listing, conversion: Conversion | None = None):
        conversion = conversion or Conversion()
        name, reader, labels, class_names = listing
        if conversion.max_megapixels is not None:
            images.allow_megapixels(conversion.max_megapixels)
        reader = of_size(reader, conversion.resolution)
        self._reader = reader
        self._conversion = conversion
        height, width, channels, plain, before = _uniform(reader, name, conversion)
        if conversion.transform == "stretch" and before[0] != before[1]:
            self.stretched = before
        num_channels = conversion.num_channels or channels
        # Pillow's and libjpeg's luma differ in the last bit.
        self._native = plain and (num_channels == channels or channels == 1)
        super().__init__(name, labels, class_names, height, width, num_channels)
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS)
        self._paths = None
        if not self._native and self.num_examples > 5000:
            logging.info(
                "%s: images need converting while training; "
                "python -m dglgan_tf.prepare does it once and makes reading faster.",
                name,
            )

    @property
    def conversion(self) -> Conversion:
        """How the stored images become the model's."""
        return self._conversion

    @property
    def names(self) -> list[str]:
        """Names of the images, in order."""
        return self._reader.names

    @property
    def notes(self) -> list[str]:
        """What is not read, one sentence for each kind."""
        return readers.notes_of(self._reader)

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads and decodes: [N] int64 to [N, height, width, num_channels] uint8."""
        shape = (self.height, self.width, self.num_channels)
        if not self._native:
            result = tf.numpy_function(self._decode_batch, [indices], tf.uint8)
            return tf.ensure_shape(result, (indices.shape[0], *shape))
        if self._reader.paths is not None:
            files, inputs = self._path_tensor(), indices
            read = lambda index: tf.io.read_file(files[index])  # noqa: E731
        else:
            inputs = tf.numpy_function(self._read_batch, [indices], tf.string)
            inputs = tf.ensure_shape(inputs, indices.shape)
            read = tf.identity

        def decode(item):
            # This kernel takes PNG as well; with this DCT it equals Pillow's.
            image = tf.io.decode_jpeg(
                read(item), self.num_channels, dct_method="INTEGER_ACCURATE"
            )
            return tf.ensure_shape(image, shape)

        return tf.map_fn(decode, inputs, tf.uint8, parallel_iterations=16)

    def images(self, indices) -> np.ndarray:
        """Reads images: [N] integers to [N, height, width, num_channels] uint8."""
        return self._decode_batch(np.asarray(indices, np.int64).reshape(-1))

    def content_digest(self) -> bytes:
        """Returns a hash of the names and sizes of the files and the transform."""
        digest = hashlib.sha256(repr(self._conversion).encode())
        for name, size in zip(self._reader.names, self._reader.sizes, strict=True):
            digest.update(f"{name}\0{size}\n".encode())
        return digest.digest()

    def _path_tensor(self) -> tf.Tensor:
        if self._paths is None:
            with tf.init_scope(), tf.device("/CPU:0"):
                # Names that are no UTF-8 are bytes for TensorFlow.
                self._paths = tf.constant(list(map(os.fsencode, self._reader.paths)))
        return self._paths

    def _read_batch(self, indices: np.ndarray) -> np.ndarray:
        return np.array([self._reader.read(index) for index in indices], object)

    def _decode_batch(self, indices: np.ndarray) -> np.ndarray:
        result = np.empty(
            (len(indices), self.height, self.width, self.num_channels), np.uint8
        )
        for place, image in enumerate(self._pool.map(self._decode, indices)):
            result[place] = image
        return result

    def _decode(self, index: int) -> np.ndarray:
        conversion = self._conversion
        try:
            image = images.decode(
                self._reader.read(index), self.num_channels, conversion.background
            )
        except ValueError as error:
            name = self._reader.names[index]
            raise ValueError(f"{self.name}: {name} {error}.") from error
        return images.fit(
            image,
            self.height,
            self.width,
            conversion.transform,
            conversion.resize_filter,
            conversion.background,
        )


def scan(
    reader: readers.Reader,
    progress: Callable[[Iterable, int, str], Iterable] | None = None,
    count: int | None = None,
) -> list[images.Header | ValueError]:
    """Inspects every image in parallel.

    Args:
      reader: where they lie.
      progress: wraps an iterable, given (iterable, total, what is done).
      count: only the first ones; None inspects all.

    Returns:
      a header for each image, or what is wrong with it.
    """
    count = count or len(reader.names)

    def one(index):
        try:
            if reader.paths is not None:  # a header does not need the whole file
                return images.inspect(Path(reader.paths[index]))
            return images.inspect(reader.read(index))
        except ValueError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        results = pool.map(one, range(count))
        return list(progress(results, count, "inspecting") if progress else results)


def _uniform(reader, name, conversion) -> tuple[int, int, int, bool, tuple[int, int]]:
    """Returns how images come out, and the most frequent size before.

    Height, width, channels of the result and whether TensorFlow decodes them.
    """
    transform, resolution = conversion.transform, conversion.resolution
    images.check_names(transform, conversion.resize_filter)
    stated = manifests.of(reader)
    if (
        stated
        and transform == "none"
        and resolution in (None, stated["height"])
        and manifests.agrees(reader, stated)
    ):
        size = stated["height"], stated["width"]
        return *size, stated["num_channels"], True, size
    headers = scan(reader)
    _refuse_unreadable(reader.names, headers, name)
    channels = 1 if all(header.grey for header in headers) else 3
    sizes = Counter((header.height, header.width) for header in headers)
    (height, width), count = sizes.most_common(1)[0]
    plain = all(header.plain for header in headers)
    if transform != "none":
        side = resolution or largest_power_of_two(min(min(size) for size in sizes))
        same = set(sizes) == {(side, side)}
        return side, side, channels, plain and same, (height, width)
    if len(sizes) > 1:
        other = next(
            i for i, h in enumerate(headers) if (h.height, h.width) != (height, width)
        )
        raise ValueError(
            f"{name}: images differ in size: {count} are {height}x{width}, but "
            f"{reader.names[other]} is {headers[other].height}x{headers[other].width} "
            f"(and {len(headers) - count - 1} more differ): give transform= in gin "
            "(data.Conversion.transform), or, for every command, convert them with "
            "python -m dglgan_tf.prepare --transform=center-crop "
            f"--resolution={largest_power_of_two(min(min(size) for size in sizes))}."
        )
    if resolution not in (None, height):
        raise ValueError(
            f"{name}: images are {height}x{width}, but resolution={resolution} is "
            f"asked for: give transform= one of {', '.join(images.TRANSFORMS[1:])}."
        )
    return height, width, channels, plain, (height, width)


def of_size(reader: readers.Reader, size: int | None) -> readers.Reader:
    """Returns a reader of the stored size that suits, where each image has several."""
    return reader.of_size(size) if hasattr(reader, "of_size") else reader


def largest_power_of_two(size: int) -> int:
    """Returns the largest power of two that is not above `size`."""
    return 1 << (size.bit_length() - 1)


def _refuse_unreadable(names: list[str], headers: list, name: str) -> None:
    bad = [i for i, header in enumerate(headers) if isinstance(header, ValueError)]
    if bad:
        raise ValueError(
            f"{name}: {names[bad[0]]} {headers[bad[0]]}; {len(bad)} of {len(names)} "
            "images are bad: remove them, or let python -m dglgan_tf.prepare leave "
            "them out and list them."
        )
