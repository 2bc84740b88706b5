"""From gradients of microbatches to one optimizer step: means, finiteness, updates.

All reductions of a training are here, in this order: examples of a microbatch (in its
loss), microbatches, replicas. Context: *replica*, outside XLA.
"""

import itertools

from dglgan_tf.compat import keras, tf


def over_microbatches(gradient, microbatches, lanes: int, together: int = 1):
    """Returns the means of gradients, metrics and proposed state values.

    A microbatch waits for the gradients of the one that had its lane before: nothing
    else would keep them, and the memory of their activations, apart.

    Args:
      gradient: `gradient.Gradient`.
      microbatches: iterable of its arguments.
      lanes: how many of them are computed at once.
      together: how many are one call: as many as the lanes, or 1.
    """
    total, done, found = None, [], []
    for group in _groups(microbatches, together):
        before = done[-lanes:][:together] if len(done) >= lanes else []
        with tf.control_dependencies(tf.nest.flatten(before)):
            results = gradient(*group)
        for gradients, *rest in results:
            total = gradients if total is None else _add(total, gradients)
            done.append(gradients or rest)  # of a phase that only looks
            found.append(rest)
    metrics, values = tf.nest.map_structure(_mean, *found)
    return _scale(total, 1.0 / len(done)), metrics, values


def _groups(items, size):
    """Yields lists of `size` items, the last one perhaps shorter."""
    items = iter(items)
    while group := list(itertools.islice(items, size)):
        yield group


def _add(left, right):
    return tf.nest.map_structure(tf.add, left, right)


def _mean(*parts):
    """Mean over microbatches, in their order.

    TensorFlow joins a chain of sums to one operation that begins with whichever input
    it may overwrite: with a reader beside it, as these have, the last bit would depend
    on which of the two comes first.
    """
    return tf.reduce_mean(tf.stack(parts), axis=0) if len(parts) > 1 else parts[0]


def _scale(total, factor):
    return tf.nest.map_structure(lambda x: x * factor if factor != 1.0 else x, total)


def over_replicas(gradients, loss, values, proposed, replicas: int, context):
    """Returns the means of what differs between replicas, in one collective.

    Args:
      gradients, loss: of a replica.
      values: proposed state values, one for each of `proposed`.
      proposed: `updates.Update`s; those with `average` differ between replicas.
      replicas: how many.
      context: the replica context.
    """
    if replicas == 1:
        return gradients, loss, values
    moved = [v for u, v in zip(proposed, values, strict=True) if u.average]
    reduced = context.all_reduce(
        tf.distribute.ReduceOp.MEAN, [*gradients, loss, *moved]
    )
    gradients, (loss, *moved) = reduced[: len(gradients)], reduced[len(gradients) :]
    moved = iter(moved)
    values = [
        next(moved) if update.average else value
        for update, value in zip(proposed, values, strict=True)
    ]
    return gradients, loss, values


def all_finite(tensors):
    """Returns ([] bool, [] float32: 0, or 1 + the position of the first bad tensor)."""
    # A sum is finite only where every term is: one reduction for each tensor.
    sums = tf.stack([tf.reduce_sum(tensor) for tensor in tensors])
    bad = tf.logical_not(tf.math.is_finite(sums))
    finite = tf.logical_not(tf.reduce_any(bad))
    first = tf.cast(tf.argmax(tf.cast(bad, tf.int32)) + 1, tf.float32)
    return finite, tf.where(finite, 0.0, first)


def apply(optimizer, variables, gradients, finite) -> None:
    """Moves variables by reduced gradients; by zeros unless `finite`."""
    if not variables:
        return
    gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
    pairs = list(zip(gradients, variables, strict=True))
    # Already reduced: the optimizer must not sum over replicas once more.
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
    else:
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)


def assign(proposed, values, finite) -> None:
    """Sets what the forward passes proposed; leaves it unless `finite`."""
    for update, value in zip(proposed, values, strict=True):
        update.variable.assign(tf.where(finite, value, update.variable))
