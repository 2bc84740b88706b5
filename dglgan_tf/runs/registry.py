"""Everything that gin files may name, registered in one place.

Importing a module registers its configurables. Losses take no configuration of their
own: gin files may name them, not bind them.
"""

import functools
import inspect

import gin

from dglgan_tf.data import augmentation, pipeline, sources  # noqa: F401
from dglgan_tf.devices import strategies  # noqa: F401
from dglgan_tf.losses import (
    adversarial,
    distillation,
    guidance,
    schedules,
    smoothing,
)
from dglgan_tf.metrics import evaluator, perceptual  # noqa: F401
from dglgan_tf.networks import biggan, biggan_deep, stylegan2  # noqa: F401
from dglgan_tf.runs import (  # noqa: F401
    comparison,
    initial_weights,
    plan,
    recipe,
    schedule,
    scoring,
)
from dglgan_tf.training import (  # noqa: F401
    ema,
    loss_scale,
    objective,
    optimizers,
    scores,
    settings,
)
from dglgan_tf.training.augmentation import ada, adaptive, augment  # noqa: F401
from dglgan_tf.training.sparsity import masks  # noqa: F401
from dglgan_tf.training.terms import of_discriminator, of_generator  # noqa: F401

_BY_REFERENCE = (
    adversarial.d_hinge,
    adversarial.g_hinge,
    adversarial.d_logistic,
    adversarial.g_logistic,
    adversarial.d_wgan,
    adversarial.g_wgan,
    adversarial.d_relativistic,
    adversarial.g_relativistic,
    smoothing.d_logistic_smooth,
    smoothing.d_hinge_smooth,
    smoothing.d_hinge_piecewise,
    smoothing.g_logistic_rejected,
    smoothing.g_logistic_accepted,
    distillation.logit_alignment,
    distillation.logit_divergence,
    distillation.d_teacher_samples_logistic,
    distillation.d_teacher_samples_hinge,
    guidance.sum_teachers,
    guidance.dynamic_teachers,
    scores.scores_joint,
    scores.scores_separate,
)
_SCHEDULES = (
    schedules.linear_warmup,
    schedules.linear_decay,
    schedules.cosine_decay,
    schedules.exponential_decay,
)


@functools.cache
def register() -> None:
    """Registers what the imported modules do not register themselves; once."""
    for function in _BY_REFERENCE:
        # An empty allowlist would allow everything.
        arguments = list(inspect.signature(function).parameters)
        gin.external_configurable(function, module="losses", denylist=arguments)
    for function in _SCHEDULES:
        gin.external_configurable(function, module="guidance")
    gin.external_configurable(perceptual.efficientnet_lite0_taps, module="losses")
