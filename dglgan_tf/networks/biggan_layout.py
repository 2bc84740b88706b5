"""What the BigGAN networks share: widths, block plans, the projection head."""

import dataclasses
import functools

from dglgan_tf.compat import tf
from dglgan_tf.layers import precision, recompute

# First the width of the 4x4 image, then of each block's output, in multiples of ch.
GENERATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
# Width of each block's output; in BigGAN-deep of the first convolution, then of each
# stage's output.
DISCRIMINATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}


@dataclasses.dataclass(frozen=True)
class BlockLayout:
    """One block of a discriminator.

    Attributes:
      widths: channels of input, between the two convolutions, and of the output.
      first: the block on the image: no ReLU before its first convolution.
      down: whether 2x2 averaging halves the resolution.
      attention: whether self-attention follows.
    """

    widths: tuple
    first: bool
    down: bool
    attention: bool

    @property
    def shortcut(self) -> bool:
        """Whether the shortcut has a convolution."""
        return self.down or self.widths[0] != self.widths[2]


def discriminator_sizes(resolution: int) -> list[int]:
    """Returns the resolution that each block of a discriminator puts out."""
    if resolution == 32:
        return [16, 8, 8, 8]
    count = len(DISCRIMINATOR_WIDTHS[resolution])
    return [max(4, resolution >> (i + 1)) for i in range(count)]


def discriminator_blocks(
    resolution: int,
    num_channels: int,
    ch: int,
    wide: bool = True,
    attention=(),
    attention_blocks=None,
    channels=None,
    hidden_channels=None,
) -> list[BlockLayout]:
    """Returns the blocks of a discriminator; see `BigGANDiscriminatorConfig`."""
    table = widths("discriminator", DISCRIMINATOR_WIDTHS, resolution, ch)
    outputs = override("channels", channels, table)
    inputs = [num_channels, *outputs[:-1]]
    hidden = override("hidden_channels", hidden_channels, outputs if wide else inputs)
    sizes = discriminator_sizes(resolution)
    check_attention(attention, sizes, resolution)
    attended = attention_blocks
    if attended is None:
        attended = [sizes.index(size) for size in attention]
    if any(not 0 <= i < len(sizes) for i in attended):
        raise ValueError(
            f"attention_blocks={list(attended)} must be indices of {len(sizes)} blocks"
        )
    before = [resolution, *sizes[:-1]]
    return [
        BlockLayout(block, i == 0, before[i] > sizes[i], i in attended)
        for i, block in enumerate(zip(inputs, hidden, outputs, strict=True))
    ]


def widths(what: str, table: dict, resolution: int, ch: int) -> list[int]:
    """Returns the widths of a resolution, multiples of ch.

    Args:
      what: 'generator' or 'discriminator', for the message.
      table: {resolution: multiples of ch}.

    Raises:
      ValueError: a resolution that the table lacks, or ch below 1.
    """
    if resolution not in table:
        raise ValueError(
            f"resolution={resolution} of a BigGAN {what} must be one of {sorted(table)}"
        )
    if int(ch) != ch or ch < 1:
        raise ValueError(f"ch={ch} must be a positive whole number")
    return [multiple * ch for multiple in table[resolution]]


def override(name: str, given, default) -> list[int]:
    """Returns the given widths, checked, or the default where `given` is None.

    Raises:
      ValueError: another number of widths, or one that is no positive whole number.
    """
    if given is None:
        return list(default)
    if len(given) != len(default) or any(int(w) != w or w < 1 for w in given):
        raise ValueError(
            f"{name}={list(given)} must be {len(default)} positive whole numbers"
        )
    return [int(width) for width in given]


def check_attention(attention, sizes, resolution: int) -> None:
    """Raises ValueError for attention at a resolution that no block puts out."""
    wrong = [size for size in attention if size not in sizes]
    if wrong:
        raise ValueError(
            f"attention={list(attention)}: no block puts out {wrong} at "
            f"resolution={resolution}; choose from {sorted(set(sizes))} or leave it out"
        )


def run_block(block, x, dtype: str, *others, training: bool, recomputed: bool):
    """Returns block(x, *others), computed in a type; a reduced one is clamped.

    Args:
      block: a layer with a `training` argument.
      x: [N, H, W, C] features.
      dtype: what x is cast to.
      others: further tensors that the block takes, [N, D].
      training: handed on.
      recomputed: whether the block runs again in the backward pass.

    Returns:
      [N, H', W', C'] of that type.
    """
    if x.dtype != dtype:
        x = tf.cast(x, dtype)
    call = functools.partial(block, training=training)
    x = recompute.run(call, x, *others) if recomputed else call(x, *others)
    if not precision.is_reduced(dtype):
        return x
    return tf.clip_by_value(x, -precision.CLAMP, precision.CLAMP)


def require_labels(labels, network):
    """Returns the labels, [N] or [N, num_classes]; ValueError where they are None."""
    if labels is None:
        raise ValueError(
            f"labels=None for a {type(network).__name__} with num_classes="
            f"{network.num_classes}: give [N] classes or [N, num_classes] weights"
        )
    return labels


def project(discriminator, features, labels=None, training=False):
    """Returns the logits of summed features: a linear map plus the projection.

    Args:
      discriminator: with `linear`, `embedding` (or None) and `onehot`.
      features: [N, C] float32.
      labels: [N] int or [N, num_classes] float32; not used without an embedding.
      training: whether spectral vectors move.

    Returns:
      logits: [N] float32.
    """
    logits = discriminator.linear(features, training=training)[:, 0]
    if discriminator.embedding is None:
        return logits
    onehot = discriminator.onehot(require_labels(labels, discriminator))
    embedded = discriminator.embedding(onehot, training=training)
    return logits + tf.reduce_sum(embedded * features, axis=1)
