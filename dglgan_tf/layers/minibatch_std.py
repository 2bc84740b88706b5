"""Minibatch standard deviation (Karras et al. 2018, grouped as in StyleGAN2)."""

from dglgan_tf.compat import keras, tf


class MinibatchStd(keras.layers.Layer):
    """Appends channels that tell how much a group of samples varies.

    Groups are strided: of N samples in groups of G, sample i is in group i mod (N/G).

    Args:
      group_size: samples in a group (at most the batch); None = the whole batch.
      num_channels: channels appended; the input's channels are split among them.
    """

    def __init__(self, group_size: int | None, num_channels: int, name=None):
        super().__init__(name=name)
        self.group_size = group_size
        self.num_channels = num_channels
        self.built = True

    def call(self, x):
        """[N, H, W, C] -> [N, H, W, C + num_channels]."""
        batch, height, width, channels = x.shape
        group = self._group(x)
        split = [self.num_channels, channels // self.num_channels]
        y = tf.reshape(x, [group, -1, height * width, *split])
        y = tf.square(y - tf.reduce_mean(y, axis=0, keepdims=True))
        y = tf.sqrt(tf.reduce_mean(y, axis=0) + 1e-8)
        y = tf.reduce_mean(y, axis=[1, 3])
        y = tf.tile(y, [group, 1])[:, None, None, :]
        y = tf.tile(y, [1, height, width, 1])
        y = tf.ensure_shape(y, [batch, height, width, self.num_channels])
        return tf.concat([x, y], axis=3)

    def _group(self, x):
        batch = x.shape[0]
        if batch is None:
            count = tf.shape(x)[0]
            if self.group_size is None:
                return count
            return tf.minimum(self.group_size, count)
        group = batch if self.group_size is None else min(self.group_size, batch)
        if batch % group:
            raise ValueError(
                f"batch of {batch} must be a multiple of the minibatch-std group "
                f"({group}): pad the batch, or change mbstd_group_size"
            )
        return group
