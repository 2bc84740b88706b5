"""Augmentation of the data itself by keras-cv and tensorflow-addons, chosen in gin.

For `make_dataset.map_fn`. What is drawn here depends on how far the input pipeline has
run, so a resumed training sees other draws: a continuation is exact without it only.
What a discriminator sees is augmented elsewhere (`training.augmentation.augment`).
"""

import math
from collections.abc import Callable

import gin

from dglgan_tf import compat
from dglgan_tf.compat import tf


@gin.configurable(module="data")
def keras_cv_layers(layers: dict[str, dict]) -> Callable[[dict], dict]:
    """Makes a map function of keras-cv's preprocessing layers, in this order.

    Args:
      layers: {class name: constructor arguments}, for instance
        {'RandomTranslation': {'height_factor': 0.1, 'width_factor': 0.1}}. Images are
        [-1, 1]: a layer with `value_range` wants [-1, 1] there.

    Returns:
      element {'images': [N, H, W, C], ...} -> element with other images.

    Raises:
      ImportError: keras-cv is missing.
      ValueError: keras-cv has no such layer, or not these arguments.
    """
    module = compat.keras_cv().layers
    chain = []
    for name, arguments in layers.items():
        kind = getattr(module, name, None)
        if not name.startswith("Random") or kind is None:
            known = [n for n in dir(module) if n.startswith("Random")]
            raise ValueError(
                f"keras_cv_layers.layers names {name!r}: choose among "
                f"{', '.join(known)}"
            )
        try:
            chain.append(kind(**arguments))
        except TypeError as error:
            raise ValueError(f"keras_cv_layers.layers[{name!r}]: {error}") from error

    def augment(element):
        images = element["images"]
        shape = images.shape
        for layer in chain:
            images = tf.cast(layer(images, training=True), tf.float32)
        return element | {"images": tf.ensure_shape(images, shape)}

    return augment


@gin.configurable(module="data")
def addons_rotation(
    degrees: float = 5.0, fill_value: float = -1.0, seed: int = 0
) -> Callable[[dict], dict]:
    """Makes a map function that rotates images by tensorflow-addons.

    Args:
      degrees: angles are uniform in [-degrees, degrees].
      fill_value: of what comes in at the corners, -1 (black) to 1.
      seed: of the angles.

    Returns:
      element {'images': [N, H, W, C], ...} -> element with other images.

    Raises:
      ImportError: tensorflow-addons is missing.
      ValueError: a negative angle.
    """
    if degrees < 0:
        raise ValueError(f"addons_rotation.degrees={degrees} must be 0 or more")
    rotate = compat.tensorflow_addons().image.rotate
    largest = degrees * math.pi / 180

    def augment(element):
        images = element["images"]
        angles = tf.random.uniform([images.shape[0]], -largest, largest, seed=seed)
        turned = rotate(
            images,
            angles,
            interpolation="bilinear",
            fill_mode="constant",
            fill_value=fill_value,
        )
        return element | {"images": tf.ensure_shape(turned, images.shape)}

    return augment
