"""Draws are functions of seed, step and phase, whatever the split."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.training import draws

SEED = tf.constant([3, 4], tf.int32)


def test_parts_make_up_the_whole():
    latents = draws.Latents(5, num_classes=7)
    whole = draws.fakes(latents, SEED, 12, 0, 12)
    parts = [draws.fakes(latents, SEED, 12, start, 3) for start in (0, 3, 6, 9)]
    for name, value in whole.items():
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(value, joined)
    assert whole["z"].shape == (12, 5) and whole["fake_labels"].dtype == tf.int32


def test_latents_are_standard_normal_and_labels_uniform():
    drawn = draws.fakes(draws.Latents(4, num_classes=5), SEED, 20_000, 0, 20_000)
    z = drawn["z"].numpy()
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    shares = np.bincount(drawn["fake_labels"], minlength=5) / 20_000
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
    assert abs(np.corrcoef(z[:, 0], drawn["fake_labels"])[0, 1]) < 0.03


def test_class_weights_are_the_frequencies():
    latents = draws.Latents(1, num_classes=3, class_weights=(1.0, 0.0, 3.0))
    labels = draws.fakes(latents, SEED, 20_000, 0, 20_000)["fake_labels"]
    shares = np.bincount(labels, minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=0.02)


def test_unconditional_networks_get_no_labels():
    assert list(draws.fakes(draws.Latents(2, 0), SEED, 4, 0, 4)) == ["z"]


def test_seeds_differ_by_run_step_phase_and_repeat():
    seeds = {
        tuple(draws.step_seed(run, step, phase, repeat))
        for run in (0, 1)
        for step in (0, 1, 2**31)
        for phase in ("g", "d", "g_reg")
        for repeat in (0, 1)
    }
    assert len(seeds) == 2 * 3 * 3 * 2
    again = draws.step_seed(1, 2, "g", 0)
    np.testing.assert_array_equal(again, draws.step_seed(1, 2, "g", 0))
    assert again.dtype == np.int32 and again.shape == (2,)


def test_folded_seeds_differ_and_repeat():
    one, two = draws.fold(SEED, 1), draws.fold(SEED, 2)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, draws.fold(SEED, 1))
