"""A training step by the native convolutions equals one by TensorFlow's."""

import pytest
import tiny_training as tiny

from dglgan_tf.losses import adversarial
from dglgan_tf.networks import biggan, stylegan2
from dglgan_tf.ops import native
from dglgan_tf.training import objective

STYLE = {"resolution": 16, "num_channels": 1, "channel_max": 16}
BIG = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 4}
FAMILIES = {
    "stylegan2": (
        (
            lambda: stylegan2.StyleGAN2Generator(
                **STYLE, z_dim=6, w_dim=6, mapping_layers=2
            ),
            lambda: stylegan2.StyleGAN2Discriminator(**STYLE),
        ),
        {"r1_gamma": 1.0, "path_length_weight": 2.0},
        {"batch_size": 8, "lanes": 2},
        2e-5,
    ),
    "biggan": (
        (
            lambda: biggan.BigGANGenerator(**BIG, z_dim=8, shared_dim=4),
            lambda: biggan.BigGANDiscriminator(**BIG),
        ),
        {
            "d_loss": adversarial.d_hinge,
            "g_loss": adversarial.g_hinge,
            "d_scores": objective.scores_joint,
        },
        {"batch_size": 32, "lanes": 2, "d_first": True, "ema_statistics": True},
        1e-4,  # its normalisation amplifies rounding
    ),
}


def _run(pair, goal, options, device):
    """One guided step of all phases; what it left, and the operations of its graphs."""
    train = tiny.make(
        pair, [device], tiny.goal(**goal, guidance_weight=0.5), teachers=1, **options
    )
    metrics = tiny.steps(train, 1)
    types = {name: set() for name in train.trace_counts()}
    for name, step in train._steps.items():
        definition = step._list_all_concrete_functions()[0].graph.as_graph_def()
        nodes = [*definition.node]
        for function in definition.library.function:
            nodes += function.node_def
        types[name] = {node.op for node in nodes if node.op.startswith("Dglgan")}
    return metrics[0], tiny.everything(train), types


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_is_the_same(native_code, monkeypatch, logical_devices, family):
    pair, goal, options, tolerance = FAMILIES[family]
    metrics, values, types = _run(pair, goal, options, logical_devices[0])
    both = {"DglganConvolution", "DglganKernelGradient"}
    assert all(found == both for found in types.values()), types
    monkeypatch.setattr(native.threads, "single", lambda: False)
    others, expected, none = _run(pair, goal, options, logical_devices[0])
    assert not any(none.values())
    tiny.assert_close(expected, values, tolerance)
    assert metrics == pytest.approx(others, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_xla_computes_without_them(native_code, logical_devices):
    pair = FAMILIES["biggan"][0]
    options = {"batch_size": 4, "jit": True}
    _, _, types = _run(pair, {}, options, logical_devices[0])
    assert set(types) == {"g", "d"} and not any(types.values())
