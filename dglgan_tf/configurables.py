"""Everything that gin files may name, registered in one place by importing it."""

import inspect

import gin

from dglgan_tf import comparison, experiment, monitor, recipe  # noqa: F401
from dglgan_tf.data import augmentation, pipeline, sources  # noqa: F401
from dglgan_tf.losses import adversarial, guidance
from dglgan_tf.metrics import evaluator  # noqa: F401
from dglgan_tf.networks import biggan, biggan_deep, stylegan2  # noqa: F401
from dglgan_tf.training import ema, objective, optimizers, trainer  # noqa: F401

_BY_REFERENCE = (
    adversarial.d_hinge,
    adversarial.g_hinge,
    adversarial.d_logistic,
    adversarial.g_logistic,
    adversarial.d_wgan,
    adversarial.g_wgan,
    adversarial.d_relativistic,
    adversarial.g_relativistic,
    guidance.sum_teachers,
    guidance.dynamic_teachers,
    objective.scores_joint,
    objective.scores_separate,
)
for _function in _BY_REFERENCE:
    # An empty allowlist would allow everything.
    _arguments = list(inspect.signature(_function).parameters)
    gin.external_configurable(_function, module="losses", denylist=_arguments)

_SCHEDULES = (
    guidance.linear_warmup,
    guidance.linear_decay,
    guidance.cosine_decay,
    guidance.exponential_decay,
)
for _function in _SCHEDULES:
    gin.external_configurable(_function, module="guidance")
