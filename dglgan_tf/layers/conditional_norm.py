"""BatchNorm for generators: plain or conditional; local, shared or standing moments.

A training-mode call normalises by the moments of its batch (all lanes of it, see
`devices.lane_exchange`) and hands the moved running
moments to `dglgan_tf.layers.updates`; any other call uses the stored ones.
"""

import contextlib

from dglgan_tf.compat import keras, tf
from dglgan_tf.devices import lane_exchange
from dglgan_tf.foundation import scope
from dglgan_tf.layers import spectral_norm, updates

_RATE = scope.Scope("layers.conditional_norm")
STATISTICS = ("local", "sync")


@contextlib.contextmanager
def averaging(rate):
    """Inside the block, `rate` replaces the momentum of the running moments.

    Args:
      rate: weight of the batch's moments, a number or a [] tensor; 1/k in the k-th
        call makes the stored moments the plain mean over the calls.
    """
    with _RATE.set_to(rate):
        yield


class BatchStatistics(keras.layers.Layer):
    """Running moments of a channel, and the scale and shift that normalise by them.

    Args:
      channels: number of channels.
      eps: added to the variance.
      momentum: weight of the batch's moments in the running ones.
      statistics: 'local' (this replica's batch) or 'sync' (all replicas' batches;
        replica context, not under XLA with several replicas).
      unbiased: whether the running variance is the unbiased estimate.
    """

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        statistics: str = "local",
        unbiased: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if statistics not in STATISTICS:
            raise ValueError(f"statistics={statistics!r} must be one of {STATISTICS}")
        self.eps, self.momentum = eps, momentum
        self.statistics, self.unbiased = statistics, unbiased
        self.mean = self._moment("mean", channels, "zeros")
        self.variance = self._moment("variance", channels, "ones")
        self.built = True

    def _moment(self, name, channels, initializer):
        return self.add_weight(
            name=name,
            shape=[channels],
            initializer=initializer,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def call(self, x, training=False, truncation=1.0):
        """Returns the moments to normalise x [N, H, W, C] by: two tensors [C]."""
        del truncation
        if not training:
            return tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.variance)
        mean, variance, count = self._batch_moments(tf.cast(x, tf.float32))
        running = variance
        if self.unbiased:
            running *= count / tf.maximum(count - 1, 1)
        rate = _RATE.get()
        rate = self.momentum if rate is None else rate
        for variable, value in ((self.mean, mean), (self.variance, running)):
            moved = (1 - rate) * updates.current(variable) + rate * value
            updates.record(variable, moved, average=True)
        return mean, variance

    def _batch_moments(self, x):
        """Mean and biased variance [C], and how many values they are made of."""
        count = tf.cast(tf.size(x) / x.shape[-1], tf.float32) * lane_exchange.size()
        context = tf.distribute.get_replica_context()
        alone = context is None or context.num_replicas_in_sync == 1
        if self.statistics == "local" or alone:
            return *_pooled(*_moments(x)), count
        axes = tf.range(tf.rank(x) - 1)
        sums = [tf.reduce_mean(x, axes), tf.reduce_mean(x**2, axes)]
        mean, square = context.all_reduce(tf.distribute.ReduceOp.MEAN, sums)
        count *= context.num_replicas_in_sync
        return mean, tf.maximum(square - mean**2, 0.0), count


class TruncationStatistics(keras.layers.Layer):
    """Stored moments for a row of truncations between 0 and 1; inference only.

    Args:
      channels: number of channels.
      rows: number of truncations, 0 and 1 included.
      eps: added to the variance.
    """

    def __init__(self, channels: int, rows: int, eps: float = 1e-4, **kwargs):
        super().__init__(**kwargs)
        self.eps, self.rows = eps, rows
        shape = [rows, channels]
        self.means = self.add_weight(
            name="means", shape=shape, initializer="zeros", trainable=False
        )
        self.variances = self.add_weight(
            name="variances", shape=shape, initializer="ones", trainable=False
        )
        self.built = True

    def call(self, x, training=False, truncation=1.0):
        """Returns the moments [C] and [C] of a truncation, a number or [] tensor.

        Between two rows the published code gives each row the other's share; so does
        this, because the networks are used with it.
        """
        del x
        if training:
            raise ValueError(
                "training=True, but the stored moments of this network belong to "
                "truncations (n_stats > 0): train a network with n_stats=0"
            )
        lower, share = self._position(truncation)
        return [
            table[lower] * share
            + table[tf.minimum(lower + 1, self.rows - 1)] * (1 - share)
            for table in (self.means, self.variances)
        ]

    def _position(self, truncation):
        """Row index and its share; on a row (within 1e-4 of one) the share is 1."""
        position = tf.cast(truncation, tf.float32) * (self.rows - 1)
        nearest = tf.round(position)
        on_row = tf.abs(position - nearest) < 1e-4
        lower = tf.where(on_row, nearest, tf.floor(position))
        share = tf.where(on_row, tf.ones_like(position), position - lower)
        return tf.cast(tf.clip_by_value(lower, 0, self.rows - 1), tf.int32), share


class BatchNorm(keras.layers.Layer):
    """BatchNorm with a learned gain and bias for each channel.

    Args:
      channels: number of channels.
      moments: `BatchStatistics` or `TruncationStatistics` of as many channels.
    """

    def __init__(self, channels: int, moments, **kwargs):
        super().__init__(**kwargs)
        self.moments = moments
        self.gain = self.add_weight(name="gain", shape=[channels], initializer="ones")
        self.bias = self.add_weight(name="bias", shape=[channels], initializer="zeros")
        self.built = True

    def call(self, x, condition=None, training=False, truncation=1.0):
        """Normalises x [N, H, W, C]; the condition is not used."""
        del condition
        stored = self.moments(x, training=training, truncation=truncation)
        return _normalize(x, stored, self.moments.eps, self.gain, self.bias)


class ConditionalBatchNorm(keras.layers.Layer):
    """BatchNorm whose gain (1 + ...) and bias are functions of a condition.

    Args:
      moments: `BatchStatistics` or `TruncationStatistics`.
      gain: layer that maps the condition [N, D] to [N, channels], 1 is added to it.
      bias: layer that maps the condition to [N, channels].
    """

    def __init__(self, moments, gain, bias, **kwargs):
        super().__init__(**kwargs)
        self.moments = moments
        self.gain = gain
        self.bias = bias
        self.built = True

    def call(self, x, condition, training=False, truncation=1.0):
        """Normalises x [N, H, W, C] for the condition [N, D]."""
        gain = 1 + self.gain(condition, training=training)[:, None, None, :]
        bias = self.bias(condition, training=training)[:, None, None, :]
        stored = self.moments(x, training=training, truncation=truncation)
        return _normalize(x, stored, self.moments.eps, gain, bias)


def linear(moments, length: int, channels: int, spectral: dict):
    """Returns a norm whose gain and bias are linear in the condition [N, length].

    Args:
      moments: `BatchStatistics` or `TruncationStatistics`.
      length: length of the condition.
      channels: number of channels.
      spectral: arguments of the two `SpectralDense` layers.
    """
    gain, bias = (
        spectral_norm.SpectralDense(length, channels, use_bias=False, **spectral)
        for _ in range(2)
    )
    return ConditionalBatchNorm(moments, gain, bias)


@tf.custom_gradient
def _moments(x):
    """Mean and biased variance [C] of x [N, H, W, C].

    The gradient takes two passes. The mean is computed once more in it, since it is
    part of the second gradient (of which `tf.nn.moments` loses it).
    """
    axes = [0, 1, 2]

    def gradient(to_mean, to_variance):
        count = tf.cast(tf.size(x) / x.shape[-1], x.dtype)
        slope = 2 * to_variance / count
        return x * slope + (to_mean / count - slope * tf.reduce_mean(x, axes))

    return tf.nn.moments(x, axes), gradient


def _pooled(mean, variance):
    """Returns the moments over all lanes of those of this one."""
    if lane_exchange.size() == 1:
        return mean, variance
    means, variances = tf.unstack(
        lane_exchange.all_gather(tf.stack([mean, variance])), axis=1
    )
    mean = tf.reduce_mean(means, axis=0)
    return mean, tf.reduce_mean(variances + (means - mean) ** 2, axis=0)


def _normalize(x, moments, eps, gain, bias):
    """One multiplication and one addition over the activation; float32 moments."""
    mean, variance = moments
    scale = gain * tf.math.rsqrt(variance + eps)
    shift = bias - mean * scale
    return x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype)


def batch_statistics(network: keras.layers.Layer) -> list[BatchStatistics]:
    """Returns the running moments of a network."""
    return [m for m in network.submodules if isinstance(m, BatchStatistics)]


def accumulate_statistics(generator, batches) -> int:
    """Replaces the running moments by plain means over training-mode passes.

    The standing statistics of BigGAN: the moments stored so far are forgotten; nothing
    else of the generator moves. Host or cross-replica context, eager.

    Args:
      generator: called as `generator(z, labels, training=True)`.
      batches: yields (z [N, z_dim] float32, labels [N] int or None), N constant.

    Returns:
      The number of passes.

    Raises:
      ValueError: `batches` is empty.
    """
    moments = batch_statistics(generator)
    variables = [v for m in moments for v in (m.mean, m.variance)]

    @tf.function
    def passed(z, labels, rate):
        with updates.collect() as moved, averaging(rate):
            generator(z, labels, training=True)
        values = {id(update.variable): update.value for update in moved}
        return [values[id(variable)] for variable in variables]

    passes = 0
    for z, labels in batches:
        passes += 1
        values = passed(z, labels, tf.constant(1 / passes))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    if not passes:
        raise ValueError("batches is empty: give at least one batch of latents")
    return passes
