"""Seeds derived from seeds, equal in graph mode and under XLA."""

from dglgan_tf.compat import tf


def fold(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Returns a new seed for the use `number` of a seed.

    From a seed with a negative word `tf.random.stateless_*` draws other numbers with
    XLA than without it (TensorFlow 2.21, CPU), and folding makes such seeds: the sign
    bits are cleared, before and after.

    Args:
      seed: [2] int32.
      number: tells the uses apart.

    Returns:
      [2] int32, not negative.
    """
    bits = tf.constant(0x7FFFFFFF)
    seed = tf.bitwise.bitwise_and(tf.cast(seed, tf.int32), bits)
    folded = tf.random.experimental.stateless_fold_in(seed, number, alg="philox")
    return tf.bitwise.bitwise_and(folded, bits)
