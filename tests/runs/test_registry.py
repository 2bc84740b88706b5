"""What gin files may name, and what of it they may bind."""

import re
from pathlib import Path

import gin
import pytest
from support import imports

from dglgan_tf.runs import registry

PACKAGE = Path(registry.__file__).parents[1]


def test_every_loss_can_be_named():
    for function in registry._BY_REFERENCE:
        reference = gin.config.parse_value(f"@{function.__name__}")
        assert reference.configurable.wrapped is function


@pytest.mark.parametrize("binding", ["d_hinge.real_logits = 1", "g_logistic.x = 2"])
def test_losses_take_no_configuration(binding):
    with pytest.raises(ValueError):
        gin.parse_config(binding)


@pytest.mark.parametrize(
    "name",
    ["train", "Trainer", "Schedule", "Objective", "compress", "Comparison",
     "Evaluation", "augment.diffaugment", "ada.augment", "prune.magnitude",
     "OutputL1", "LeCam", "DynamicSparsity", "LossScale", "ema.fixed", "linear_warmup",
     "StyleGAN2Generator", "BigGANDiscriminator", "BigGANDeepGenerator", "embedded"],
)  # fmt: skip
def test_what_users_write_is_known(name):
    assert gin.config.parse_value(f"@{name}")


def test_the_registry_reaches_every_module_with_configurables():
    """Whatever else a command or a test happened to import."""
    graph = imports.graph(PACKAGE, lazy=False)
    reached, pending = set(), ["runs.registry"]
    while pending:
        module = pending.pop()
        if module not in reached:
            reached.add(module)
            pending += graph[module]
    wanted = {
        imports.name(PACKAGE, path)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^@gin\.configurable", path.read_text(), re.M)
    }
    assert len(wanted) > 20
    assert not wanted - reached
