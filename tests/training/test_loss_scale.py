"""The dynamic loss scale: no change of numbers, growth, retreat, checkpoint."""

import numpy as np
import pytest
from support import tiny_training

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial
from dglgan_tf.training import checkpoint, loss_scale


@tf.custom_gradient
def brittle(x):
    """The identity, whose gradient overflows where the one above is large."""
    return x, lambda above: tf.where(tf.abs(above) > 1.0, above * np.inf, above)


def brittle_logistic(real_logits, fake_logits):
    return brittle(adversarial.d_logistic(real_logits, fake_logits))


def make(logical_devices, **options):
    goal = tiny_training.goal(d_loss=brittle_logistic)
    return tiny_training.make(tiny_training.toy(), logical_devices[:1], goal, **options)


@pytest.mark.slow
def test_scale_changes_no_number_grows_and_retreats(logical_devices, tmp_path):
    plain = make(logical_devices)
    scaled = make(logical_devices, loss_scale=loss_scale.LossScale(2.0, growth_steps=2))
    ours, theirs = tiny_training.steps(scaled, 6), tiny_training.steps(plain, 6)
    # A batch of 8: the gradient of each example is scale / 8, too large from 16 on.
    assert [m["d/loss_scale"] for m in ours] == [2, 2, 4, 4, 8, 8]
    assert not any(m["d/rescaled"] or m["d/skipped"] for m in ours)
    before = tiny_training.everything(scaled)
    for name, value in tiny_training.everything(plain).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert all(a["d/loss"] == b["d/loss"] for a, b in zip(ours, theirs, strict=True))
    path = tmp_path / "network-snapshot-000000.safetensors"
    checkpoint.save(scaled.state, path)
    (retreat,) = tiny_training.steps(scaled, 1, tiny_training.iterator(scaled, 6))
    assert (retreat["d/loss_scale"], retreat["d/rescaled"]) == (16, 1)
    assert retreat["d/skipped"] == 0  # no fault that the guard should count
    assert scaled.state.slots["loss_scale_d"].numpy() == 8
    slope = tiny_training.everything(scaled)["discriminator/slope"]
    np.testing.assert_array_equal(slope, before["discriminator/slope"])
    assert scaled.state.slots["loss_scale_g"].numpy() == 16
    checkpoint.restore(scaled.state, path)
    assert scaled.state.slots["loss_scale_d"].numpy() == 16


def test_values_out_of_range_are_named():
    with pytest.raises(ValueError, match="LossScale.initial=0.5"):
        loss_scale.LossScale(0.5)
