"""Which scores a loss takes: the names of its arguments say so.

A loss is a function of scores by name. For a generator: `fake_logits`, and where it
compares or listens also `real_logits` or `teacher_fake`. For a discriminator:
`real_logits`, `fake_logits`, and where it listens `teacher_real` and `teacher_fake`.
What a loss does not name is never computed for it.
"""

import inspect
from collections.abc import Callable

from dglgan_tf.compat import tf


def needs(loss: Callable, *names: str) -> bool:
    """Returns whether a loss takes one of these arguments."""
    return not set(names).isdisjoint(inspect.signature(loss).parameters)


def call(loss: Callable, **scores) -> tf.Tensor:
    """Calls a loss with those scores that it names.

    Args:
      loss: a function of `losses.adversarial` or `losses.smoothing`, or one's own.
      **scores: {name: [N] tensor, or None where it was not computed}.

    Returns:
      [N] float32.

    Raises:
      ValueError: the loss needs scores that there are not.
    """
    given = {name: value for name, value in scores.items() if needs(loss, name)}
    absent = [name for name, value in given.items() if value is None]
    if absent:
        raise ValueError(
            f"{loss.__name__} needs {absent[0]}, one [N] tensor of scores for each "
            "discriminator that it is taken of"
        )
    return loss(**given)
