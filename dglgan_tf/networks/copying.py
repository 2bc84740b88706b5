"""Weights from one network to another, and whether two networks belong together."""

from dglgan_tf.networks import base


def copy_weights(source: base.Network, target: base.Network) -> None:
    """Copies all variables of one network to another of the same configuration."""
    values = base.named_variables(source)
    for name, variable in base.named_variables(target).items():
        variable.assign(values[name])


def check_pair(generator: base.Generator, other: base.Network, name: str) -> None:
    """Says when a network is of other images or classes than a generator.

    Args:
      generator: whose resolution, channels and classes count.
      other: a discriminator or another generator.
      name: what the other one is, for the message.

    Raises:
      ValueError: they differ; names the first difference.
    """
    for field in ("resolution", "num_channels", "num_classes"):
        ours, theirs = getattr(generator, field), getattr(other, field)
        if ours != theirs:
            raise ValueError(
                f"{name} has {field}={theirs}, the generator has {field}={ours}: they "
                "must be equal"
            )
