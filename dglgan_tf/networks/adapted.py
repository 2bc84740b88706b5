"""Keras models of one's own behind the contract of `networks.base`.

Plain Keras layers are fine. BatchNorm moves its moments itself, once for each
microbatch, so that with gradient accumulation they follow the microbatches.
"""

from dglgan_tf.compat import keras
from dglgan_tf.networks import base


class AdaptedGenerator(base.Generator):
    """A Keras model z -> images, or [z, onehot labels] -> images, as a generator.

    Args:
      model: with fixed shapes: inputs [z_dim] (and [num_classes]), output [R, R, C] in
        [-1, 1].

    Raises:
      ValueError: other shapes.
    """

    def __init__(self, model: keras.Model, name: str | None = None):
        super().__init__(name=name)
        first, self.num_classes = _inputs(model, 1)
        height, width, self.num_channels = _image_shape(model.output_shape[1:])
        self.resolution = _square(height, width)
        self.z_dim = int(first[0])
        self.model, self.parts = model, list(model.layers)
        self.built = True

    def call(self, z, labels=None, training=False, seed=None):
        """See `base.Generator.call`: z [N, z_dim] to images [N, R, R, C].

        `seed` is not used.
        """
        del seed
        return self.model(_given(self, z, labels), training=training)

    def copy(self) -> "AdaptedGenerator":
        """Returns another one with the same weights."""
        return AdaptedGenerator(_cloned(self.model))


class AdaptedDiscriminator(base.Discriminator):
    """A Keras model images -> logits [N, 1] (or [images, onehot]) as a discriminator.

    Args:
      model: with fixed shapes: inputs [R, R, C] (and [num_classes]), output [1].

    Raises:
      ValueError: other shapes.
    """

    def __init__(self, model: keras.Model, name: str | None = None):
        super().__init__(name=name)
        first, self.num_classes = _inputs(model, 3)
        height, width, self.num_channels = _image_shape(first)
        self.resolution = _square(height, width)
        if tuple(model.output_shape[1:]) != (1,):
            raise ValueError(
                f"the discriminator's output is {model.output_shape}: it must be one "
                "logit, [N, 1]"
            )
        self.model, self.parts = model, list(model.layers)
        self.built = True

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator.call`: images [N, R, R, C] to logits [N]."""
        return self.model(_given(self, images, labels), training=training)[:, 0]

    def copy(self) -> "AdaptedDiscriminator":
        """Returns another one with the same weights."""
        return AdaptedDiscriminator(_cloned(self.model))


def _inputs(model, rank):
    """Returns the first input's shape without the batch, and the number of classes."""
    shapes = model.input_shape
    shapes = shapes if isinstance(shapes, list) else [shapes]
    first = shapes[0][1:]
    wrong = len(first) != rank or any(
        size is None for shape in shapes for size in shape[1:]
    )
    if wrong or len(shapes) > 2 or any(len(shape) != 2 for shape in shapes[1:]):
        raise ValueError(
            f"the model's inputs are {shapes}: a generator takes [z_dim], a "
            "discriminator [R, R, C], both may take one-hot labels [num_classes] second"
        )
    return first, int(shapes[1][1]) if len(shapes) == 2 else 0


def _image_shape(shape):
    if len(shape) != 3 or any(size is None for size in shape):
        raise ValueError(f"images are {list(shape)}: they must be [R, R, C], all known")
    return (int(size) for size in shape)


def _square(height, width) -> int:
    if height != width:
        raise ValueError(f"images are {height}x{width}: they must be square")
    return height


def _given(network, first, labels):
    if not network.num_classes:
        return first
    if labels is None:
        raise ValueError("labels=None for a conditional model: give [N] classes")
    return [first, network.onehot(labels)]


def _cloned(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
