"""Freezing part of a discriminator (FreezeD, Mo et al., 2002.10964)."""

from dglgan_tf.networks import base


def freeze_first_blocks(discriminator: base.Discriminator, count: int) -> None:
    """Freezes the blocks next to the image, which fine-tuning should keep.

    Call it before the optimizer is built: the discriminator's `trainable_variables`
    no longer hold what was frozen.

    Args:
      discriminator: its `blocks` are a list, or a dict, from the image inwards.
      count: how many blocks; 0 thaws all.

    Raises:
      ValueError: where there are no blocks, or fewer than `count`.
    """
    blocks = getattr(discriminator, "blocks", None)
    if blocks is None:
        raise ValueError(
            f"{type(discriminator).__name__} has no attribute `blocks`, so it is not "
            "known which layers are next to the image"
        )
    blocks = list(blocks.values() if hasattr(blocks, "values") else blocks)
    if not 0 <= count <= len(blocks):
        raise ValueError(
            f"count={count} must be between 0 and {len(blocks)}, the discriminator's "
            "number of blocks"
        )
    for index, block in enumerate(blocks):
        block.trainable = index >= count
