"""The whole matrix of splits, too long for every run: `python -m pytest -m proof`.

N replicas with M parts each must equal N * M parts on one replica, with and without
XLA, with gradient descent. `test_phase.py` holds the short form.
"""

import functools

import pytest
from support import tiny_training as tiny

from dglgan_tf.losses import adversarial
from dglgan_tf.training import scores

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

SPLITS = [(replicas, parts) for replicas in (1, 2, 4) for parts in (1, 2, 4)]
# StyleGAN2: four images in a part, the group of its standard deviation layer. BigGAN:
# its normalisation amplifies rounding, the more the fewer images it sees.
BATCH = {"toy": 32, "biggan": 256, "stylegan2": 64}
# In graph mode and under XLA; a wrong scale would show above 0.1.
TOLERANCE = {"toy": (5e-6, 5e-4), "biggan": (5e-5, 2e-3), "stylegan2": (5e-6, 5e-4)}
FAMILIES = {
    "toy": (
        lambda: tiny.toy(num_classes=3),
        {"r1_gamma": 1.0, "r2_gamma": 0.5, "update_teachers": True},
        {},
    ),
    "biggan": (
        tiny.biggan_pair,
        {
            "d_loss": adversarial.d_hinge,
            "g_loss": adversarial.g_hinge,
            "d_scores": scores.scores_joint,
        },
        {"d_first": True, "ema_statistics": True},
    ),
    "stylegan2": (
        lambda: tiny.stylegan2_pair(resolution=8),
        {"r1_gamma": 1.0, "path_length_weight": 2.0},
        {},
    ),
}


def run(family, devices, parts, jit):
    """Returns ([metrics], values) after two guided steps."""
    pair, goal, options = FAMILIES[family]
    train = tiny.make(
        pair(),
        devices,
        tiny.goal(**goal, guidance_weight=0.5),
        teachers=1,
        batch_size=BATCH[family],
        g_microbatches=parts,
        d_microbatches=parts,
        jit=jit,
        **options,
    )
    metrics = tiny.steps(train, 2, tiny.iterator(train, batches=4))
    assert set(train.trace_counts().values()) == {1}
    return metrics, tiny.everything(train)


@functools.lru_cache(maxsize=1)
def parts_on_one(family, device, parts):
    return run(family, [device], parts, jit=False)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("split", sorted(SPLITS, key=lambda s: s[0] * s[1]), ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_replicas_equal_parts(logical_devices, family, split, jit):
    replicas, parts = split
    if replicas == 1 and not jit:
        pytest.skip("this is what the others are compared with")
    metrics, values = parts_on_one(family, logical_devices[0], replicas * parts)
    others, found = run(family, logical_devices[:replicas], parts, jit)
    tolerance = TOLERANCE[family][jit]
    tiny.assert_close(values, found, tolerance)
    for one, other in zip(metrics, others, strict=True):
        assert one == pytest.approx(other, rel=max(5e-4, tolerance), abs=1e-4)
    if family == "toy":  # nothing there depends on the split
        whole = parts_on_one(family, logical_devices[0], 1)[1]
        tiny.assert_close(whole, found, 5e-6)
