"""A restored training continues bit for bit; what does not fit is refused."""

import errno
import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.foundation import atomic
from dglgan_tf.networks import files
from dglgan_tf.training import checkpoint, ema, optimizers


def trainer(devices, **options):
    """Everything that a checkpoint must hold: Adam, slots, an updated teacher."""
    goal = tiny.goal(
        r1_gamma=1.0,
        r1_interval_steps=3,
        path_length_weight=2.0,
        path_length_interval_steps=2,
        update_teachers=True,
    )
    defaults = {
        "g_optimizer": functools.partial(optimizers.adam, 0.01),
        "d_optimizer": functools.partial(optimizers.adam, 0.02),
        "ema_decay": functools.partial(ema.fixed, decay=0.7, start_steps=2),
        "ema_statistics": True,
        "d_steps": 2,
        "d_batch_size": 4,
        "d_microbatches": 2,
        "g_microbatches": 4,
    }
    return tiny.make(
        tiny.toy(num_classes=3, bend=0.3),
        devices[:1],
        goal,
        teachers=1,
        **{**defaults, **options},
    )


@pytest.fixture(scope="module")
def saved(logical_devices, tmp_path_factory):
    """(path after two steps, metrics and values after five uninterrupted ones)."""
    path = tmp_path_factory.mktemp("checkpoint") / "state.safetensors"
    train = trainer(logical_devices)
    source = tiny.iterator(train)
    tiny.steps(train, 2, source)
    train.state.counters.seconds = 12.5
    checkpoint.save(train.state, path, {"note": "x"})
    metrics = tiny.steps(train, 3, source)
    return path, metrics, tiny.everything(train)


@pytest.mark.slow
def test_restored_training_equals_the_uninterrupted_one(logical_devices, saved):
    path, metrics, values = saved
    train = trainer(logical_devices)
    for network in train.state.networks.by_role().values():
        tiny.fill(network, seed=99)
    info = checkpoint.restore(train.state, path)
    counters = train.state.counters
    assert info == {"note": "x"}
    assert (counters.step, counters.images, counters.reals) == (2, 16, 16)
    assert counters.seconds == 12.5
    consumed = counters.reals // train.reals_per_step
    again = tiny.steps(train, 3, tiny.iterator(train, first=consumed))
    assert again == metrics
    for name, value in tiny.everything(train).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


def test_the_same_file_serves_as_networks(saved):
    header = files.read_header(saved[0])
    assert set(header["networks"]) == {"generator", "generator_ema", "discriminator"}
    assert header["counters"]["step"] == 2


def test_other_networks_are_named(logical_devices, saved):
    train = trainer(logical_devices)
    train.state.networks.generator = tiny.Linear(z_dim=5, num_classes=3, bend=0.3)
    with pytest.raises(ValueError, match=r"Linear\.z_dim was 3 and is 5; set it back"):
        checkpoint.restore(train.state, saved[0])


def test_another_optimizer_is_refused(logical_devices, saved):
    train = trainer(
        logical_devices,
        g_optimizer=functools.partial(optimizers.sgd, 0.1, 0.9),
    )
    with pytest.raises(ValueError, match=r"has no optimizer/g/\d+ of shape|holds opt"):
        checkpoint.restore(train.state, saved[0])


def test_a_file_without_counters_is_no_training(logical_devices, tmp_path):
    train = trainer(logical_devices)
    path = tmp_path / "networks.safetensors"
    files.save_networks(path, train.state.networks.by_role())
    with pytest.raises(ValueError, match="holds networks, not the state of a training"):
        checkpoint.restore(train.state, path)


def test_a_full_disk_leaves_the_old_file(logical_devices, saved, tmp_path, monkeypatch):
    train = trainer(logical_devices)
    path = tmp_path / "state.safetensors"
    checkpoint.save(train.state, path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    train.state.counters.step = 7
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(train.state, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]
