"""From a source to batches whose order depends on the image counter alone.

Image number k of a training run (counted over all hosts and epochs) is
`permutation(seed, k // N)[k % N]`. Nothing else is remembered, so a run that stopped
after k images continues with `start_image=k`, bit for bit, whatever the batch size or
the number of hosts was.
"""

from collections.abc import Callable, Iterator

import gin
import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import base

_ORDER, _FLIP = 0, 1  # separate random streams of one epoch


@gin.configurable(module="data")
def make_dataset(
    source: base.Source,
    batch_size: int,
    resolution: int | None = None,
    num_channels: int | None = None,
    num_classes: int | None = None,
    mirror: bool = False,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    start_image: int = 0,
    repeat: bool = True,
    shuffle: bool = True,
    prefetch: int = 4,
    map_fn: Callable | None = None,
) -> tf.data.Dataset:
    """Makes the training input. Context: *host*.

    Every epoch is a full pass in its own order; batches run across its end. Auto-shard
    is off: with `experimental_distribute_dataset` a host's replicas split each batch;
    hosts pass their `shard` through `distribute_datasets_from_function`.

    Args:
      source: images and labels.
      batch_size: images in a global batch, over all hosts.
      resolution: must equal the source's; None accepts it.
      num_channels: 3 repeats grey images thrice; None keeps the source's.
      num_classes: of the model, see `check_classes`; None does not check.
      mirror: flips each image left to right with probability 1/2.
      seed: of order and flips.
      shard: (index, count): global batch k is the same for every count, and each host
        gets its consecutive share of it.
      start_image: images already consumed, over all hosts.
      repeat: False stops at the end of the epoch of `start_image` and drops what does
        not fill a batch.
      shuffle: False keeps the stored order.
      prefetch: batches prepared ahead.
      map_fn: applied to each element; deterministic if resume is to be exact.

    Returns:
      dataset of {'images': float32 [B, H, W, C] in [-1, 1], 'labels': int32 [B]} with
      B = batch_size / count.
    """
    channels = _check(
        source, batch_size, resolution, num_channels, shard, start_image, repeat
    )
    check_classes(source, num_classes or 0)
    positions = _positions(source, seed, start_image, repeat, shuffle, mirror)
    dataset = positions.batch(batch_size, drop_remainder=True)
    index, count = shard
    share = batch_size // count
    if count > 1:
        part = slice(index * share, (index + 1) * share)
        dataset = dataset.map(lambda i, flip: (i[part], flip[part]))
    shape = (share, source.resolution, source.resolution, channels)
    load = _loader(source, shape, mirror)
    parallel = None if source.in_memory else tf.data.AUTOTUNE
    dataset = dataset.map(load, num_parallel_calls=parallel)
    if map_fn is not None:
        dataset = dataset.map(map_fn, num_parallel_calls=parallel)
    return _prefetched(dataset, prefetch)


def _prefetched(dataset, batches):
    if batches < 0:
        raise ValueError(f"make_dataset.prefetch={batches} must be at least 0.")
    return dataset.prefetch(batches).with_options(_options())


def _loader(
    source: base.Source, shape: tuple[int, int, int, int], mirror: bool
) -> Callable:
    """Returns f(indices [B] int64, flips [B] bool) -> {'images', 'labels'}."""
    labels = tf.constant(source.labels)

    def load(indices, flips):
        images = source.fetch(indices)
        if mirror:
            flipped = tf.reverse(images, axis=[2])
            images = tf.where(flips[:, None, None, None], flipped, images)
        if shape[3] != source.num_channels:
            images = tf.repeat(images, shape[3], axis=3)
        images = tf.ensure_shape(to_float(images), shape)
        return {"images": images, "labels": tf.gather(labels, indices)}

    return load


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return options


def _positions(source, seed, start_image, repeat, shuffle, mirror) -> tf.data.Dataset:
    """Returns a dataset of (index int64 [], flip bool []) from `start_image` on."""
    size = source.num_examples
    first_epoch, offset = divmod(start_image, size)
    last_epoch = np.iinfo(np.int64).max if repeat else first_epoch + 1

    def one_epoch(epoch):
        order = _order(seed, epoch, size) if shuffle else tf.range(size, dtype=tf.int64)
        flips = _flips(seed, epoch, size) if mirror else tf.zeros([size], tf.bool)
        start = tf.where(epoch == first_epoch, tf.cast(offset, tf.int64), 0)
        return tf.data.Dataset.from_tensor_slices((order[start:], flips[start:]))

    return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch)


def _epoch_seed(seed: int, epoch: tf.Tensor, stream: int) -> tf.Tensor:
    epoch = tf.cast(epoch, tf.int64)
    return tf.stack([tf.constant(seed, tf.int64), epoch * 2 + stream])


def _order(seed: int, epoch: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the permutation of one epoch, [size] int64."""
    keys = tf.random.stateless_uniform(
        [size],
        _epoch_seed(seed, epoch, _ORDER),
        minval=None,
        maxval=None,
        dtype=tf.int64,
        alg="philox",
    )
    return tf.cast(tf.argsort(keys, stable=True), tf.int64)


def _flips(seed: int, epoch: tf.Tensor, size: int) -> tf.Tensor:
    """Returns which positions of one epoch are mirrored, [size] bool."""
    bits = tf.random.stateless_uniform(
        [size],
        _epoch_seed(seed, epoch, _FLIP),
        minval=0,
        maxval=2,
        dtype=tf.int32,
        alg="philox",
    )
    return bits > 0


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Maps uint8 images [..., H, W, C] to float32 in [-1, 1]: 0 to -1 and 255 to 1."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def image_batches(
    source: base.Source,
    batch_size: int,
    num_images: int | None = None,
    seed: int | None = None,
    num_channels: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Iterates once over real images, for metrics.

    Args:
      source: images and labels.
      batch_size: images at a time; the last batch may be smaller.
      num_images: stop after so many; None takes all.
      seed: None keeps the stored order; a number gives the order of that seed's first
        epoch, in which `num_images` are a random choice without repetition.
      num_channels: 3 repeats grey images thrice; None keeps the source's.

    Yields:
      images: [n, H, W, C] uint8.
      labels: [n] int32.
    """
    order = np.arange(source.num_examples)
    if seed is not None:
        order = _order(seed, tf.constant(0, tf.int64), source.num_examples).numpy()
    channels = _channels(source, num_channels)
    if num_images is not None and not 0 < num_images <= len(order):
        raise ValueError(
            f"num_images={num_images} must be from 1 to {len(order)}, the number of "
            f"images in {source.name}."
        )
    order = order[:num_images]
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        images = source.images(indices)
        if channels != source.num_channels:
            images = np.repeat(images, channels, axis=3)
        yield images, source.labels[indices]


def real_batch(
    source: base.Source, n: int, seed: int | None = 0, num_channels: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns n real images, for galleries.

    Args:
      source: images and labels.
      n: how many; beyond the number of images they start over.
      seed: of the choice; None takes the first ones.
      num_channels: 3 repeats grey images thrice; None keeps the source's.

    Returns:
      images: [n, H, W, C] uint8.
      labels: [n] int32.
    """
    taken = min(n, source.num_examples)
    images, labels = next(image_batches(source, taken, taken, seed, num_channels))
    again = np.arange(n) % taken
    return images[again], labels[again]


def check_classes(source: base.Source, num_classes: int) -> None:
    """Checks that the labels suit a model.

    Args:
      source: images and labels.
      num_classes: of the model; 0 is unconditional and always suits.

    Raises:
      ValueError: a conditional model on unlabelled data or on a single class, or
        another number of classes.
    """
    if num_classes == 0:
        return
    if source.num_classes == 0:
        raise ValueError(
            f"{source.name} has no labels, but the model is conditional "
            f"(num_classes={num_classes}): use class sub-folders, dataset.json or a "
            "CSV file of labels, or set num_classes=0."
        )
    if len(np.unique(source.labels)) == 1:
        raise ValueError(
            f"{source.name}: every image is of class {int(source.labels[0])}, but the "
            f"model is conditional (num_classes={num_classes}): check the labels, or "
            "set num_classes=0."
        )
    if source.num_classes != num_classes:
        raise ValueError(
            f"{source.name} has {source.num_classes} classes, but the model has "
            f"num_classes={num_classes}: set it to {source.num_classes}, or to 0 for "
            "an unconditional model."
        )


def _check(
    source, batch_size, resolution, num_channels, shard, start_image, repeat
) -> int:
    """Checks make_dataset's arguments and returns the number of channels."""
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1.")
    index, count = shard
    if count < 1 or not 0 <= index < count:
        raise ValueError(f"shard={shard} must be (index, count) with index < count.")
    if batch_size % count:
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of the number of hosts "
            f"({count})."
        )
    if start_image < 0:
        raise ValueError(f"start_image={start_image} must not be negative.")
    if resolution is not None and resolution != source.resolution:
        raise ValueError(
            f"{source.name}: images are {source.resolution}x{source.resolution}, but "
            f"resolution={resolution} is asked for; choose that resolution in the "
            "model or convert the images with python -m dglgan_tf.prepare."
        )
    if not repeat and batch_size > source.num_examples:
        raise ValueError(
            f"batch_size={batch_size} is larger than {source.name} "
            f"({source.num_examples} images), so that one pass gives no batch."
        )
    return _channels(source, num_channels)


def _channels(source: base.Source, num_channels: int | None) -> int:
    if num_channels in (None, source.num_channels):
        return source.num_channels
    if (source.num_channels, num_channels) != (1, 3):
        raise ValueError(
            f"{source.name}: images have {source.num_channels} channels, but "
            f"num_channels={num_channels} is asked for; only grey (1) becomes RGB (3) "
            "by itself, convert the images with python -m dglgan_tf.prepare."
        )
    return num_channels
