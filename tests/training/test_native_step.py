"""A training step by the native convolutions equals one by TensorFlow's."""

import dataclasses

import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial
from dglgan_tf.native import library
from dglgan_tf.networks import biggan, stylegan2
from dglgan_tf.training import phase, scores

STYLE = {"resolution": 8, "num_channels": 1, "channel_max": 16}
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
            "d_scores": scores.scores_joint,
        },
        {"batch_size": 32, "lanes": 2, "d_first": True, "ema_statistics": True},
        3e-4,  # its normalisation amplifies rounding; 1.7e-4 was seen
    ),
}


def _run(pair, goal, options, device):
    """One guided step of all phases; what it left, and the operations of its graphs."""
    train = tiny.make(
        pair, [device], tiny.goal(**goal, guidance_weight=0.5), teachers=1, **options
    )
    metrics = tiny.steps(train, 1)
    types = {name: set() for name in train.trace_counts()}
    for (name, _), step in train._steps.items():
        definition = step._list_all_concrete_functions()[0].graph.as_graph_def()
        nodes = [*definition.node]
        for function in definition.library.function:
            nodes += function.node_def
        types[name] = {node.op for node in nodes if node.op.startswith("Dglgan")}
    return metrics[0], tiny.everything(train), types


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["stylegan2", pytest.param("biggan", marks=pytest.mark.proof)]
)
def test_a_step_is_the_same(native_code, monkeypatch, logical_devices, family):
    pair, goal, options, tolerance = FAMILIES[family]
    metrics, values, types = _run(pair, goal, options, logical_devices[0])
    expected = {"DglganConvolution", "DglganKernelGradient"}
    expected |= {"DglganFilter"} if family == "stylegan2" else set()
    assert all(found == expected for found in types.values()), types
    monkeypatch.setattr(library.threads, "single", lambda: False)
    others, plain, none = _run(pair, goal, options, logical_devices[0])
    assert not any(none.values())
    tiny.assert_close(plain, values, tolerance)
    assert metrics == pytest.approx(others, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_xla_computes_without_them(native_code, logical_devices, jit):
    train = tiny.make(tiny.toy(), logical_devices[:1], tiny.goal())
    seen = []

    def loss(batch):
        seen.append(library.active())
        return train.phases[0].loss_fn(batch)

    item = dataclasses.replace(train.phases[0], loss_fn=loss)
    step = phase.compile_phase(item, train.strategy, train._latents, jit)
    step({}, tf.constant([1, 2], tf.int32), {"guidance_weight": tf.constant(0.0)})
    assert set(seen) == {not jit}
