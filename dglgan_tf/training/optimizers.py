"""Optimizers as choices in gin, with the correction for lazy regularization.

Each factory returns a new optimizer; its state is the caller's to checkpoint. Where a
network's regularizer runs every k-th step as a step of its own, pass
`reg_interval_steps=k`: learning rate and betas are corrected here and nowhere else
(StyleGAN2, 1912.04958, appendix B).

Where epsilon stands: Keras and TensorFlow 1 compute m / (sqrt(v) + epsilon) with the
bias correction in the learning rate; PyTorch computes m / (sqrt(v / (1 - beta_2^t)) +
epsilon). They differ only while t is small and sqrt(v) is near epsilon: Keras's
epsilon equals PyTorch's epsilon * sqrt(1 - beta_2^t). StyleGAN2's reference is the
first form; BigGAN-PyTorch's is the second, which is a listed deviation.
"""

from collections.abc import Sequence

import gin

from dglgan_tf import compat
from dglgan_tf.compat import keras, tf

# The momentum-like arguments that lazy regularization raises to the power c.
_BETA_NAMES = ("beta_1", "beta_2", "beta", "momentum")


def lazy_correction(
    learning_rate: float, betas: Sequence[float], reg_interval_steps: int
) -> tuple[float, tuple[float, ...]]:
    """Returns learning rate and betas for k + 1 optimizer steps in place of k.

    With c = k / (k + 1): learning_rate * c and beta^c. The regularizer's own loss is
    multiplied by k elsewhere.

    Args:
      learning_rate: of plain training.
      betas: decay factors of plain training.
      reg_interval_steps: k, every how many steps the regularizer runs; 0 = no such
        regularizer, nothing changes.
    """
    if reg_interval_steps < 0 or int(reg_interval_steps) != reg_interval_steps:
        raise ValueError(
            f"reg_interval_steps={reg_interval_steps} must be a whole number of "
            "steps, or 0 where nothing is regularized lazily"
        )
    if not reg_interval_steps:
        return learning_rate, tuple(betas)
    share = reg_interval_steps / (reg_interval_steps + 1)
    return learning_rate * share, tuple(beta**share for beta in betas)


@gin.configurable
def adam(
    learning_rate: float = 0.002,
    beta_1: float = 0.0,
    beta_2: float = 0.99,
    epsilon: float = 1e-8,
    reg_interval_steps: int = 0,
) -> keras.optimizers.Optimizer:
    """Returns Adam (defaults of StyleGAN2).

    Args:
      learning_rate: step size before the lazy correction.
      beta_1: decay of the mean gradient.
      beta_2: decay of the mean squared gradient.
      epsilon: added to sqrt(v) (see the module's text).
      reg_interval_steps: see `lazy_correction`.
    """
    _in_range(learning_rate, {"beta_1": beta_1, "beta_2": beta_2})
    rate, betas = lazy_correction(learning_rate, (beta_1, beta_2), reg_interval_steps)
    return _Adam(rate, *betas, epsilon=epsilon, jit_compile=False)


class _Adam(keras.optimizers.Adam):
    """Adam of Keras by one fused operation for each variable.

    The same formula; Keras writes it as some twenty operations, which take three
    times as long on small variables.
    """

    def update_step(self, gradient, variable):
        """Moves one variable; replica or update context."""
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        index = self._index_dict[self._var_key(variable)]
        betas = [tf.cast(beta, dtype) for beta in (self.beta_1, self.beta_2)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(betas[0], step),
            beta2_power=tf.pow(betas[1], step),
            lr=tf.cast(self.learning_rate, dtype),
            beta1=betas[0],
            beta2=betas[1],
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.convert_to_tensor(gradient),
        )


@gin.configurable
def sgd(
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    reg_interval_steps: int = 0,
) -> keras.optimizers.Optimizer:
    """Returns gradient descent; linear in the gradient, so it hides no scaling fault.

    Args:
      learning_rate: step size before the lazy correction.
      momentum: decay of the velocity.
      reg_interval_steps: see `lazy_correction`.
    """
    _in_range(learning_rate, {"momentum": momentum})
    rate, (momentum,) = lazy_correction(learning_rate, (momentum,), reg_interval_steps)
    return keras.optimizers.SGD(rate, momentum=momentum, jit_compile=False)


@gin.configurable
def adamw(
    learning_rate: float = 0.002,
    beta_1: float = 0.0,
    beta_2: float = 0.99,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-4,
    reg_interval_steps: int = 0,
) -> keras.optimizers.Optimizer:
    """Returns Adam with decoupled weight decay (1711.05101), of Keras.

    Args:
      learning_rate: step size before the lazy correction.
      beta_1: decay of the mean gradient.
      beta_2: decay of the mean squared gradient.
      epsilon: added to sqrt(v).
      weight_decay: w -= learning_rate * weight_decay * w each step.
      reg_interval_steps: see `lazy_correction`.
    """
    _in_range(learning_rate, {"beta_1": beta_1, "beta_2": beta_2})
    rate, betas = lazy_correction(learning_rate, (beta_1, beta_2), reg_interval_steps)
    return keras.optimizers.AdamW(
        rate, weight_decay, *betas, epsilon=epsilon, jit_compile=False
    )


@gin.configurable
def addons(
    name: str,
    learning_rate: float = 0.002,
    options: dict | None = None,
    reg_interval_steps: int = 0,
):
    """Returns an optimizer of tensorflow-addons by its class name.

    Args:
      name: for instance 'LAMB', 'AdaBelief', 'RectifiedAdam', 'NovoGrad', 'Yogi'.
      learning_rate: step size before the lazy correction.
      options: further constructor arguments; betas and momentum named here are
        corrected for lazy regularization too.
      reg_interval_steps: see `lazy_correction`.

    Raises:
      ImportError: where tensorflow-addons is missing, saying what to do.
    """
    module = compat.tensorflow_addons().optimizers
    kind = getattr(module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, _legacy_optimizer())):
        raise ValueError(
            f"name={name!r} is no optimizer of tensorflow-addons: choose one of "
            f"{', '.join(_addons_names(module))}"
        )
    options = dict(options or {})
    betas = {key: options[key] for key in _BETA_NAMES if key in options}
    _in_range(learning_rate, betas)
    rate, corrected = lazy_correction(
        learning_rate, tuple(betas.values()), reg_interval_steps
    )
    options.update(zip(betas, corrected, strict=True))
    return kind(learning_rate=rate, **options)


def build(optimizer, variables: Sequence[tf.Variable]) -> None:
    """Creates the optimizer's state now, so that it can be restored before a step.

    Works for optimizers of Keras and for the older kind that tensorflow-addons has.

    Args:
      optimizer: made by a factory above, under the strategy's scope.
      variables: what it will update, in a fixed order.
    """
    if isinstance(optimizer, _legacy_optimizer()):
        optimizer.iterations  # noqa: B018 (created when first read)
        optimizer._create_all_weights(list(variables))
    else:
        optimizer.build(list(variables))


def state(optimizer) -> list[tf.Variable]:
    """Returns the optimizer's own variables, the step counter among them."""
    if isinstance(optimizer, _legacy_optimizer()):
        return list(optimizer.variables())
    return list(optimizer.variables)


def learning_rate(optimizer) -> float:
    """Returns the learning rate as it is now (eager)."""
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def _legacy_optimizer():
    return keras.optimizers.legacy.Optimizer


def _addons_names(module):
    found = ((key, getattr(module, key)) for key in dir(module))
    kind = _legacy_optimizer()
    return sorted(k for k, v in found if isinstance(v, type) and issubclass(v, kind))


def _in_range(learning_rate, betas):
    if learning_rate <= 0:
        raise ValueError(f"learning_rate={learning_rate} must be positive")
    for name, beta in betas.items():
        if not 0 <= beta < 1:
            raise ValueError(f"{name}={beta} must be at least 0 and less than 1")
