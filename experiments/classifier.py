"""A small in-domain classifier: which share of conditional samples is recognised."""

from pathlib import Path

import numpy as np

from dglgan_tf.compat import keras
from dglgan_tf.data import pipeline, sources

EPOCHS = 4


def load(path: Path, data: str) -> keras.Model:
    """Returns the classifier of a data set, trained once and kept at `path`.

    Args:
      path: of its weights (.npz).
      data: the real images, a name of `dglgan_tf.data.sources.open_source`.
    """
    source = sources.open_source(data)
    keras.utils.set_random_seed(0)
    size = source.resolution
    model = _network(size, source.images([0]).shape[-1], source.num_classes)
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            model.set_weights([stored[name] for name in sorted(stored.files)])
        return model
    pixels, labels = _read(source)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(_scaled(pixels), labels, batch_size=128, epochs=EPOCHS, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half.npz")
    weights = {f"w{i:02d}": w for i, w in enumerate(model.get_weights())}
    np.savez(half, **weights)
    half.replace(path)
    return model


def recognised(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of images whose class the classifier names.

    Args:
      model: of `load`.
      images: [N, H, W, C] uint8.
      labels: [N] the classes asked for.
    """
    found = model.predict(_scaled(images), batch_size=256, verbose=0).argmax(axis=1)
    return float(np.mean(found == labels))


def _scaled(images):
    return images.astype(np.float32) / 127.5 - 1.0


def _read(source):
    pairs = list(pipeline.image_batches(source, 256, seed=0))
    pixels, labels = zip(*pairs, strict=True)
    return np.concatenate(pixels), np.concatenate(labels)


def _network(size, channels, num_classes):
    layers = keras.layers
    blocks = [keras.Input([size, size, channels])]
    for width in (32, 64, 128):
        blocks += [
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
        ]
    blocks += [layers.Flatten(), layers.Dropout(0.3)]
    blocks += [layers.Dense(num_classes, activation="softmax")]
    return keras.Sequential(blocks)


def held_out_accuracy(model: keras.Model, data: str) -> float:
    """Returns the accuracy on the data's test split, which it was not trained on.

    Args:
      model: of `load`.
      data: a name of `dglgan_tf.data.sources.open_source`.
    """
    pixels, labels = _read(sources.open_source(data, split="test"))
    return recognised(model, pixels, labels)
