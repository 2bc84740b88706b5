"""Fitting a discriminator to a generator that stays as it is."""

import numpy as np
from support import tiny_training

from dglgan_tf.networks import base


def _values(network):
    return {n: v.numpy() for n, v in base.named_variables(network).items()}


def test_only_the_discriminator_moves(logical_devices):
    train = tiny_training.make(
        tiny_training.toy(bend=0.1),
        logical_devices[:1],
        tiny_training.goal(r1_gamma=0.1, r1_interval_steps=2),
        batch_size=4,
        frozen_generator=True,
    )
    networks = train.state.networks
    before = {role: _values(n) for role, n in networks.by_role().items()}
    assert [p.name for p in train.phases] == ["d", "d_reg"]
    iterator = tiny_training.iterator(train)
    for _ in range(3):
        train.train_step(iterator)
    for role in ("generator", "generator_ema"):
        for name, value in _values(getattr(networks, role)).items():
            np.testing.assert_array_equal(value, before[role][name])
    moved = _values(networks.discriminator)
    assert any((moved[n] != before["discriminator"][n]).any() for n in moved)
