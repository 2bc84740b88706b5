"""The contract between a network family and everything else.

The trainer, the samplers, the exporters and the metrics know only these two classes.
Weights are created in the constructor (all shapes follow from its arguments), so a
network has its exact parameter count before its first call, and building one inside
`weightless.weightless()` costs neither memory nor time.
"""

import dataclasses
import inspect

import numpy as np

from dglgan_tf.compat import keras, tf


class Network(keras.Model):
    """What generators and discriminators share: images, classes, configuration.

    Attributes:
      resolution: height and width of the images, a power of two.
      num_channels: image channels, 1 or 3.
      num_classes: number of classes; 0 = unconditional.
    """

    resolution: int
    num_channels: int
    num_classes: int

    @property
    def synchronized(self) -> bool:
        """Whether a training-mode call reduces over replicas (rules out XLA there)."""
        return False

    def __call__(self, inputs, *args, **kwargs):
        """Calls the network: (z, labels), (images, labels), or both in one list.

        `predict([z, labels])` of Keras gives its parts as one argument.
        """
        if isinstance(inputs, (list, tuple)):
            return super().__call__(*inputs, *args, **kwargs)
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape=None):
        """Makes nothing: the constructor has made the weights."""
        del input_shape
        self.built = True

    def fit(self, *args, **kwargs):
        """Raises NotImplementedError: one network of a pair is not fitted alone."""
        del args, kwargs
        raise NotImplementedError(
            f"a {type(self).__name__} is trained against other networks, not by fit: "
            "call api.guide(student, [teacher_discriminator], images), or train a "
            "gin file with python -m dglgan_tf.train"
        )

    def _set_options(self, config) -> None:
        """Sets one attribute for each field of a configuration."""
        for field in dataclasses.fields(config):
            setattr(self, field.name, getattr(config, field.name))

    def get_config(self) -> dict:
        """Returns the constructor's arguments, plain values fit for JSON.

        They are read from the attributes of those names, as they are now.
        """
        names = inspect.signature(type(self).__init__).parameters
        return {n: _plain(getattr(self, n)) for n in names if n not in _NOT_CONFIG}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """Builds a network from `get_config()`; the weights are new."""
        del custom_objects
        return cls(**config)

    def onehot(self, labels) -> tf.Tensor:
        """Returns labels as float32 [N, num_classes].

        Args:
          labels: [N] int classes, or [N, num_classes] float, taken as they are.
        """
        labels = tf.convert_to_tensor(labels)
        if labels.dtype.is_integer:
            return tf.one_hot(labels, self.num_classes)
        return tf.cast(labels, tf.float32)


class Generator(Network):
    """Latents and labels to images.

    Attributes:
      z_dim: length of a latent vector.
    """

    z_dim: int

    def call(self, z, labels=None, training=False, seed=None):
        """Generates images.

        Args:
          z: [N, z_dim] float32 latents, standard normal.
          labels: [N] int classes or [N, num_classes] float; None when num_classes = 0.
          training: True uses batch statistics, moves statistics (see
            `dglgan_tf.layers.updates`) and turns on what only training does (style
            mixing, random noise).
          seed: [2] int32 for everything random inside the network; needed where
            there is any (StyleGAN2 in training or with random noise).

        Returns:
          images: [N, resolution, resolution, num_channels] float32, nominally [-1, 1].
        """
        raise NotImplementedError

    def call_frozen(self, z, labels=None, seed=None):
        """Generates what a training call draws from the same latents, moving nothing.

        Styles are mixed and noise is drawn as in training, so that a student called
        with the same seed is compared on equal terms; moments and spectral vectors are
        the stored ones.

        Args:
          z: [N, z_dim] float32.
          labels: [N] int or [N, num_classes] float; None when num_classes = 0.
          seed: [2] int32, as in `call`.

        Returns:
          images: [N, resolution, resolution, num_channels] float32.
        """
        del seed
        return self(z, labels, training=False)


class Discriminator(Network):
    """Images and labels to logits."""

    def group_in(self, batch: int) -> int:
        """Returns how many of a batch's images are scored together; it must divide it.

        1 = each image alone, as most families do.
        """
        del batch
        return 1

    def call(self, images, labels=None, training=False):
        """Scores images.

        Args:
          images: [N, resolution, resolution, num_channels] float32 in [-1, 1].
          labels: [N] int classes or [N, num_classes] float; None when num_classes = 0.
          training: True moves statistics (spectral-norm vectors); the images' scores
            follow the same formula either way.

        Returns:
          logits: [N] float32, unbounded; larger means more real.
        """
        raise NotImplementedError


_NOT_CONFIG = ("self", "name", "kwargs")


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def named_variables(layer, prefix: str = "") -> dict[str, tf.Variable]:
    """Returns the variables of a layer by attribute path.

    Args:
      layer: a Keras layer or model whose sub-layers and weights are public attributes
        (single, or in lists and dicts).
      prefix: put before every name.

    Returns:
      {'blocks/0/conv1/kernel': variable, ...}: stable names, whatever Keras calls the
      variables; each variable once, under its first path in alphabetical order of
      attributes.
    """
    found: dict[str, tf.Variable] = {}
    _walk(layer, prefix, found, set())
    return found


def _walk(node, path, found, seen):
    if isinstance(node, tf.Variable) or hasattr(node, "_distribute_strategy"):
        if hasattr(node, "assign") and id(node) not in seen:
            seen.add(id(node))
            found[path] = node
            return
    if isinstance(node, keras.layers.Layer):
        if id(node) in seen:
            return
        seen.add(id(node))
        items = ((k, v) for k, v in vars(node).items() if not k.startswith("_"))
    elif isinstance(node, (list, tuple)):
        items = ((str(i), v) for i, v in enumerate(node))
    elif isinstance(node, dict):
        items = ((str(k), v) for k, v in node.items())
    else:
        return
    for key, value in sorted(items, key=lambda item: _natural(item[0])):
        _walk(value, f"{path}/{key}" if path else key, found, seen)


def _natural(key: str):
    return (0, int(key), "") if key.isdigit() else (1, 0, key)


def halves(generator: Generator):
    """Returns what comes before and after the style vectors of a generator.

    Returns:
      codes: (z [N, z_dim], labels [N] or None) -> style vectors [N, num_ws, w_dim];
        z itself where there are none.
      images: (codes, labels) -> [N, H, W, C] float32 with the stored noise, in
        inference mode.
    """
    if hasattr(generator, "synthesize"):
        return generator.map, lambda w, labels: generator.synthesize(w, noise="const")
    return (
        lambda z, labels: z,
        lambda z, labels: generator(z, labels, training=False),
    )


def count_parameters(network: Network) -> int:
    """Returns the number of trainable parameters."""
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)
