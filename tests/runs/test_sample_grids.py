"""Grids of a training: the same latents and reals every time, in the model's form."""

import types

import numpy as np
import pytest
from PIL import Image

from dglgan_tf.compat import tf
from dglgan_tf.data import sources
from dglgan_tf.foundation import batches
from dglgan_tf.runs import sample_grids


class Painter:
    """A generator whose images have the grey level of the class."""

    z_dim, num_classes, num_channels, resolution = 3, 2, 3, 4

    def __init__(self):
        self.seen = []

    def __call__(self, z, labels, training):
        assert training is False
        self.seen.append(z)
        grey = tf.cast(labels, tf.float32) * 2.0 - 1.0
        return tf.ones([z.shape[0], 4, 4, 3]) * grey[:, None, None, None]


@pytest.fixture
def made(tmp_path):
    """Grids of grey data under an RGB model, and the folder they go to."""
    painter = Painter()
    networks = types.SimpleNamespace(generator=painter, generator_ema=painter)
    parts = types.SimpleNamespace(
        source=sources.synthetic(8, 4, num_channels=1, num_classes=2), networks=networks
    )
    summary = tf.summary.create_noop_writer()
    return sample_grids.Pictures(parts, tmp_path, summary, seed=5), tmp_path


def test_reals_take_the_channels_of_the_model(made):
    batch = made[0].real_batch(6)
    assert batch["images"].shape == (6, 4, 4, 3) and batch["labels"].shape == (6,)
    values = np.asarray(batch["images"])
    assert values.min() >= -1 and values.max() == 1
    np.testing.assert_array_equal(values[..., 0], values[..., 2])
    made[0].reals()
    assert Image.open(made[1] / "reals.png").size == (32, 32)


def test_fakes_go_through_the_classes_in_turn(made):
    made[0].fakes(12_345)
    grid = np.asarray(Image.open(made[1] / "fakes000012.png"))
    assert grid.shape == (32, 32, 3)
    np.testing.assert_array_equal(grid[::4, ::4, 0], np.tile([0, 255], [8, 4]))


def test_large_pictures_are_fewer_a_grid():
    sides = (32, 128, 256, 512, 1024, 2048)
    found = [sample_grids.layout(side) for side in sides]
    assert found == [(8, 8), (8, 8), (8, 8), (4, 8), (2, 4), (1, 2)]


def test_a_grid_is_drawn_a_few_at_a_time(made, monkeypatch):
    grids, folder = made
    grids.fakes(0)
    before = (folder / "fakes000000.png").read_bytes()
    monkeypatch.setattr(batches, "PIXELS", 5 * 4**2)
    parts, summary = grids._parts, tf.summary.create_noop_writer()
    painter = parts.networks.generator_ema
    sample_grids.Pictures(parts, folder, summary, seed=5).fakes(0)
    assert painter.seen[-1].shape[0] == 5
    assert (folder / "fakes000000.png").read_bytes() == before
