"""The sources that a gin file or a flag names.

Each function returns a `dglgan_tf.data.base.Source`; a mistake by the user raises
ValueError with one sentence that says what to do.
"""

from pathlib import Path

import gin
import numpy as np

from dglgan_tf.data import base, bounded, catalog, encoded, idx, origin, stored

EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_OTHERS = "; other sources are 'embedded', 'fashion_mnist' and 'tfds:NAME'"
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@gin.configurable(module="data")
@origin.recorded
def embedded(resolution: int | None = 32) -> base.Source:
    """Opens the images that ship with the package.

    10,000 training images of Fashion-MNIST, 1,000 of each class, 28x28 grey; see
    `embedded/README.md` for origin and licence.

    Args:
      resolution: pads with the black background to this size; None keeps 28x28.
    """
    images, labels = idx.read_split(EMBEDDED_FOLDER, "train")
    return base.ArraySource(
        images, labels, FASHION_MNIST_CLASSES, "embedded", resolution
    )


@gin.configurable(module="data")
@origin.recorded
def fashion_mnist(
    split: str = "train", folder: str | None = None, resolution: int | None = 32
) -> base.Source:
    """Opens the complete Fashion-MNIST.

    Args:
      split: 'train' (60,000), 'test' (10,000) or 'all' (both, in this order).
      folder: where the four idx files are; None looks where Debian's package
        `dataset-fashion-mnist` puts them.
      resolution: pads with the black background to this size; None keeps 28x28.
    """
    idx.check_split(split)  # said even where the files are missing
    place = Path(folder) if folder else FASHION_MNIST_FOLDER
    if not place.is_dir():
        raise ValueError(
            f"Fashion-MNIST is not in {place}: install Debian's or Ubuntu's package "
            "dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or give "
            "folder= with train-images-idx3-ubyte.gz and its three companions."
        )
    images, labels = _read_splits(place, split)
    return base.ArraySource(
        images, labels, FASHION_MNIST_CLASSES, f"fashion_mnist_{split}", resolution
    )


@gin.configurable(module="data")
@origin.recorded
def idx_files(
    folder: str,
    split: str = "train",
    resolution: int | None = None,
    class_names: tuple[str, ...] | None = None,
    background: int = 0,
) -> base.Source:
    """Opens idx files of the MNIST family.

    Args:
      folder: holds `train-images-idx3-ubyte(.gz)`, `train-labels-idx1-ubyte(.gz)`, and
        `t10k-...` for the test split.
      split: 'train', 'test' or 'all'.
      resolution: pads to this size; None keeps the size.
      class_names: one per class; None numbers them.
      background: grey level of the padding.
    """
    idx.check_split(split)
    place = _existing(folder)
    images, labels = _read_splits(place, split)
    return base.ArraySource(
        images, labels, class_names, place.name, resolution, background
    )


@gin.configurable(module="data")
@origin.recorded
def synthetic(
    num_examples: int = 256,
    resolution: int = 32,
    num_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> base.Source:
    """Makes images for tests: a bar per class on a coloured gradient with noise.

    Args:
      num_examples: number of images.
      resolution: height and width.
      num_channels: 1 or 3.
      num_classes: labels go round the classes in turn; 0 gives no labels.
      seed: of the noise and the colours.
    """
    least = {"num_examples": num_examples, "resolution": resolution}
    for name, value in least.items():
        if value < 1:
            raise ValueError(f"synthetic.{name}={value} must be at least 1.")
    if num_channels not in (1, 3) or num_classes < 0:
        raise ValueError(
            f"synthetic.num_channels={num_channels} must be 1 or 3, and "
            f"synthetic.num_classes={num_classes} must be at least 0."
        )
    random = np.random.RandomState(seed)
    labels = np.arange(num_examples) % max(num_classes, 1)
    ramp = np.linspace(0, 160, resolution)
    shape = (num_examples, resolution, resolution, num_channels)
    images = np.broadcast_to(ramp[:, None, None], shape) * random.rand(
        num_examples, 1, 1, num_channels
    )
    column = (labels * resolution) // max(num_classes, 1)
    images[np.arange(num_examples), :, column] = 255
    images = images + random.uniform(0, 16, shape)
    return base.ArraySource(
        np.clip(images, 0, 255).astype(np.uint8),
        labels if num_classes else None,
        [f"bar {c}" for c in range(num_classes)] if num_classes else None,
        "synthetic",
    )


@gin.configurable(module="data")
@origin.recorded
def subset(source: base.Source, max_images: int, seed: int | None = 0) -> base.Source:
    """Keeps some images, chosen at random but the same ones every time.

    Args:
      source: where they come from.
      max_images: how many.
      seed: of the choice; None takes the first ones.
    """
    if not 0 < max_images <= source.num_examples:
        raise ValueError(
            f"max_images={max_images} must be from 1 to {source.num_examples}, the "
            f"number of images in {source.name}."
        )
    order = np.arange(source.num_examples)
    if seed is not None:
        np.random.RandomState(seed).shuffle(order)
    return base.Subset(source, np.sort(order[:max_images]))


@gin.configurable(module="data")
@origin.recorded
def open_source(
    name: str,
    labels: str = "auto",
    split: str = "train",
    resolution: int | None = None,
    conversion: encoded.Conversion | None = None,
) -> base.Source:
    """Opens whatever a name or a path means; what `--data=` takes.

    Args:
      name: 'embedded', 'fashion_mnist', 'synthetic', 'tfds:NAME', or the path of a
        folder of images, a zip file, TFRecords (NVIDIA's or ours), an HDF5 file, LMDB
        databases, an ILSVRC tree or idx files.
      labels: for folders and zip files, see `dglgan_tf.data.stored.images`.
      split: for sources that have several.
      resolution: which one of NVIDIA's TFRecords; pads idx images. Other sizes are
        asked for by `Conversion`.
      conversion: of encoded images to the model's size and channels.
    """
    found = find(name, labels, split, resolution)
    if isinstance(found, base.Source):
        return found
    return encoded.EncodedSource(found, conversion)


def find(
    name: str, labels: str = "auto", split: str = "train", resolution: int | None = None
) -> base.Source | encoded.Listing:
    """Finds what `open_source` opens; encoded images are listed, not looked at."""
    known = {"embedded": embedded, "synthetic": synthetic}
    if name in known:
        return known[name]()
    if name == "fashion_mnist":
        return fashion_mnist(split)
    if name.startswith("tfds:"):
        return catalog.list_tfds(name.removeprefix("tfds:"), split)
    place = _existing(name)
    if place.is_dir() and idx.find(place, "train-images-idx3-ubyte"):
        return idx_files(name, split, resolution)
    return stored.find(place, labels, split, resolution)


def _read_splits(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    parts = ["train", "test"] if split == "all" else [split]
    pairs = [idx.read_split(folder, part) for part in parts]
    images, labels = zip(*pairs, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _existing(folder: str) -> Path:
    return bounded.existing(folder, _OTHERS)
