"""Gradient checkpointing: a block's activations are computed twice and not kept.

The forward pass keeps what enters a block; when a gradient is taken the block runs
once more and its inner activations are held only then (Chen et al. 2016, 1604.06174).
Gradients of any order are those of the plain block. A gradient of a gradient (R1, path
length) keeps the second run's activations, so there the peak hardly falls.
"""

from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates


def run(function: Callable, x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    """Returns function(x, *others), a tensor, without keeping what is inside.

    Whatever the function moves through `layers.updates` moves once: the second run
    starts from the same state and its updates are dropped. What is random inside must
    follow from seeds.

    Args:
      function: of these tensors, returns one; may read variables, assigns none.
      x: [N, ...] features, of a floating type.
      others: further tensors of any shape that gradients go to.

    Returns:
      [N, ...], what the function returns.
    """
    state = updates.snapshot()

    @tf.custom_gradient
    def forward(*tensors):
        y = function(*tensors)

        def gradient(upstream, variables=()):
            first = _after(upstream, tensors[0])
            inputs = [first, *tensors[1:]]
            with updates.replay(state), tf.GradientTape() as tape:
                tape.watch(inputs)
                again = function(*inputs)
            found = tape.gradient(
                again,
                [inputs, list(variables)],
                upstream,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return found if variables else found[0]

        return y, gradient

    return forward(x, *others)


def is_due(start: int | None, side: int) -> bool:
    """Whether blocks of this side length are recomputed; `start` None = none are."""
    return start is not None and side >= start


def check(start: int | None) -> int | None:
    """Returns it; ValueError unless it is None or a resolution."""
    if start is not None and (not isinstance(start, int) or start < 4):
        raise ValueError(
            f"recompute_from={start!r} must be None or the smallest resolution, 4 or "
            "larger, whose blocks are computed again in the backward pass"
        )
    return start


def _after(upstream, x):
    """Returns x, made to depend on the gradient that arrives.

    Without the dependence the second run would be found equal to the first, and
    merged with it (a control dependence is not seen by XLA).
    """
    sample = tf.reshape(tf.stop_gradient(upstream), [-1])[0]
    known = tf.cast(sample, tf.bool)
    zero = tf.where(tf.equal(known, known), 0.0, float("nan"))
    return x + tf.cast(zero, x.dtype)
