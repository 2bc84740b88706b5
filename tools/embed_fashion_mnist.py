"""Rebuilds the embedded images from the complete Fashion-MNIST, byte for byte.

The first 1,000 training images of each class, in their original order:

    python tools/embed_fashion_mnist.py [--folder=/usr/share/datasets/fashion-mnist]
"""

from pathlib import Path

import numpy as np
from absl import app, flags

from dglgan_tf.data import idx, sources

_FOLDER = flags.DEFINE_string(
    "folder", str(sources.FASHION_MNIST_FOLDER), "Folder of the complete idx files."
)
_OUT = flags.DEFINE_string(
    "out", str(sources.EMBEDDED_FOLDER), "Folder that receives the two files."
)
PER_CLASS = 1000


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Returns the indices of the first `per_class` images of each class, sorted."""
    firsts = [np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)]
    return np.sort(np.concatenate(firsts))


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unknown argument {arguments[1]}")
    images, labels = idx.read_split(Path(_FOLDER.value), "train")
    chosen = choose(labels, PER_CLASS)
    out = Path(_OUT.value)
    idx.write(out / "train-images-idx3-ubyte.gz", images[chosen])
    idx.write(out / "train-labels-idx1-ubyte.gz", labels[chosen])
    print(f"{len(chosen)} images in {out}")


if __name__ == "__main__":
    app.run(main)
