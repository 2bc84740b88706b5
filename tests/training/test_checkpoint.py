"""A restored training continues bit for bit; what does not fit is refused."""

import errno
import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.foundation import atomic, run_directory
from dglgan_tf.networks import file_headers, files
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


@pytest.fixture
def run(logical_devices, tmp_path):
    """(a trainer, a run with snapshots after 1000 and 2000 images)."""
    train = trainer(logical_devices)
    directory = run_directory.RunDirectory(tmp_path)
    for step in (1, 2):
        tiny.fill(train.state.networks.generator, seed=step)
        train.state.counters.images = 1000 * step
        checkpoint.save(train.state, directory.snapshot_path(1000 * step), {"n": step})
    return train, directory


def generator_of(train):
    return train.state.networks.generator.kernel.numpy()


def test_the_newest_snapshot_is_restored(run):
    train, directory = run
    tiny.fill(train.state.networks.generator, seed=9)
    found = checkpoint.restore_newest(train.state, directory)
    assert found == (directory.snapshot_path(2000), {"n": 2}, "")
    assert train.state.counters.images == 2000
    empty = run_directory.RunDirectory(directory.path / "none")
    assert checkpoint.restore_newest(train.state, empty) == (None, {}, "")


def damages(content):
    """(what was done, the file's bytes afterwards), one of each kind."""
    length = 8 + int.from_bytes(content[:8], "little")
    step = content.index(b'"step') if b'"step' in content else content.index(b"step")
    digit = next(i for i in range(step, length) if content[i : i + 1].isdigit())
    yield "empty", b""
    yield "half", content[: len(content) // 2]
    yield "longer", content + b"x"
    yield "a digit of the header", flipped(content, digit, 1)
    yield "the first weight", flipped(content, length, 1)
    yield "the last byte", flipped(content, len(content) - 1, 64)
    yield "the sign of a weight", flipped(content, length + 3, 128)
    yield "zeros at the end", content[:-64] + bytes(64)


def flipped(content, index, bits):
    return content[:index] + bytes([content[index] ^ bits]) + content[index + 1 :]


def test_a_damaged_snapshot_is_noticed_and_the_one_before_is_taken(run):
    train, directory = run
    newest, before = directory.snapshot_path(2000), directory.snapshot_path(1000)
    whole = newest.read_bytes()
    checkpoint.restore(train.state, before)
    expected = generator_of(train)
    kinds = 0
    for kind, content in damages(whole):
        newest.write_bytes(content)
        tiny.fill(train.state.networks.generator, seed=7)
        untouched = generator_of(train)
        with pytest.raises(file_headers.DamagedFile):
            checkpoint.restore(train.state, newest)
        np.testing.assert_array_equal(generator_of(train), untouched, err_msg=kind)
        found = checkpoint.restore_newest(train.state, directory)
        assert found.path == before and found.info == {"n": 1}, kind
        assert newest.name in found.said and "continuing from" in found.said
        assert train.state.counters.images == 1000
        np.testing.assert_array_equal(generator_of(train), expected, err_msg=kind)
        kinds += 1
    assert kinds == 8
    before.write_bytes(b"")
    with pytest.raises(ValueError, match="has no other snapshot that can be restored"):
        checkpoint.restore_newest(train.state, directory)


def test_every_byte_of_a_snapshot_counts(run):
    """Whichever byte of the weights is flipped, it is noticed; 60 of them are tried."""
    train, directory = run
    path = directory.snapshot_path(1000)
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for index in np.linspace(start, len(whole) - 1, 60).astype(int):
        path.write_bytes(flipped(whole, int(index), 1 << (int(index) % 8)))
        with pytest.raises(file_headers.DamagedFile):
            checkpoint.restore(train.state, path)


def test_older_files_without_checksums_still_load(run):
    import json

    import safetensors.numpy

    train, directory = run
    path = directory.snapshot_path(1000)
    header, tensors = files.read_header(path), files.read_tensors(path)
    metadata = {"dglgan_tf": json.dumps(header)}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))
    assert checkpoint.restore(train.state, path) == {"n": 1}


def test_another_configuration_is_no_damage(run, logical_devices):
    train = trainer(logical_devices)
    train.state.networks.generator = tiny.Linear(z_dim=5, num_classes=3, bend=0.3)
    with pytest.raises(ValueError, match=r"Linear\.z_dim was 3 and is 5; set it back"):
        checkpoint.restore_newest(train.state, run[1])
