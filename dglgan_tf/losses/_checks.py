"""Argument checks shared by the losses: they run while tracing and cost no step."""

from dglgan_tf.compat import tf


def logits(name: str, value) -> tf.Tensor:
    """Returns logits as float32 [N].

    Args:
      name: the argument's name, for the message.
      value: [N] tensor of any float type.

    Raises:
      ValueError: where the rank is not 1.
    """
    value = tf.cast(tf.convert_to_tensor(value), tf.float32)
    if value.shape.rank != 1:
        raise ValueError(
            f"{name} has shape {value.shape} but must be [N], one logit for each "
            f"image: squeeze a trailing axis of size 1 before the loss."
        )
    return value


def pair(first_name: str, first, second_name: str, second):
    """Returns two logits vectors as float32 [N] of one length.

    Raises:
      ValueError: where a rank is not 1, or both lengths are known and differ.
    """
    first, second = logits(first_name, first), logits(second_name, second)
    if not first.shape.is_compatible_with(second.shape):
        raise ValueError(
            f"{first_name} has shape {first.shape} and {second_name} has shape "
            f"{second.shape}, but they must have the same length: score as many "
            "images with each."
        )
    return first, second


def same_shape(first_name: str, first, second_name: str, second):
    """Returns two float32 tensors of one shape (any rank).

    Raises:
      ValueError: where the known parts of the shapes differ.
    """
    first = tf.cast(tf.convert_to_tensor(first), tf.float32)
    second = tf.cast(tf.convert_to_tensor(second), tf.float32)
    if not first.shape.is_compatible_with(second.shape):
        raise ValueError(
            f"{first_name} has shape {first.shape} and {second_name} has shape "
            f"{second.shape}, but the shapes must be equal."
        )
    return first, second


def mean_but_first(value: tf.Tensor) -> tf.Tensor:
    """Returns [N]: the mean over all axes but the first."""
    return tf.reduce_mean(value, axis=list(range(1, value.shape.rank)))


def sum_but_first(value: tf.Tensor) -> tf.Tensor:
    """Returns [N]: the sum over all axes but the first."""
    return tf.reduce_sum(value, axis=list(range(1, value.shape.rank)))
