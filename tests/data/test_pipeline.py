"""Order, resume, sharding and mirroring of the input pipeline."""

import itertools

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.data import base, pipeline, sources

GOLDEN_ORDER = [3, 0, 6, 1, 5, 2, 7, 4, 5, 2, 6, 1, 7, 3, 4, 0]


def _numbered(size=23, num_classes=3):
    """Images whose first pixel is their index, asymmetric left to right."""
    images = np.zeros((size, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(size)
    images[:, 0, 7, 0] = 255
    return base.ArraySource(images, np.arange(size) % num_classes)


def _indices(batch):
    """Recovers (index, flipped) from a batch of numbered images."""
    images = np.round((batch["images"].numpy() + 1) * 127.5).astype(int)
    flipped = images[:, 0, 0, 0] == 255
    return np.where(flipped, images[:, 0, 7, 0], images[:, 0, 0, 0]), flipped


def _take(source, num_batches, **arguments):
    dataset = pipeline.make_dataset(source, **arguments)
    return list(itertools.islice(dataset, num_batches))


def _stream(source, num_batches, **arguments):
    pairs = [_indices(batch) for batch in _take(source, num_batches, **arguments)]
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def test_every_epoch_is_a_full_pass_in_its_own_order():
    order, flipped = _stream(_numbered(), 23, batch_size=4, seed=5)
    epochs = order[: 23 * 4].reshape(4, 23)
    for epoch in epochs:
        assert sorted(epoch) == list(range(23))
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert not flipped.any()


def test_order_is_fixed_by_seed_and_epoch():
    """Golden order: a change would make every old checkpoint resume elsewhere."""
    order, _ = _stream(_numbered(8), 4, batch_size=4, seed=1)
    assert order.tolist() == GOLDEN_ORDER
    other, _ = _stream(_numbered(8), 4, batch_size=4, seed=2)
    assert order.tolist() != other.tolist()


@pytest.mark.parametrize("start", [0, 3, 8, 23, 40, 46, 47])
def test_start_image_continues_exactly(start):
    whole = _stream(_numbered(), 40, batch_size=3, seed=7, mirror=True)
    rest = _stream(
        _numbered(), 10, batch_size=4, seed=7, mirror=True, start_image=start
    )
    for complete, continued in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(complete[start : start + 40], continued)


@pytest.mark.parametrize("count", [2, 4])
def test_shards_are_slices_of_the_same_global_batch(count):
    arguments = {"batch_size": 8, "seed": 3, "mirror": True, "start_image": 5}
    whole = _take(_numbered(), 6, **arguments)
    parts = [
        _take(_numbered(), 6, shard=(index, count), **arguments)
        for index in range(count)
    ]
    for k, batch in enumerate(whole):
        for key in ("images", "labels"):
            joined = np.concatenate([part[k][key].numpy() for part in parts])
            np.testing.assert_array_equal(batch[key].numpy(), joined)


def test_mirror_flips_half_and_differs_between_epochs():
    _, flipped = _stream(_numbered(200), 40, batch_size=50, seed=0, mirror=True)
    assert abs(flipped.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(flipped))
    order, flipped = _stream(_numbered(200), 8, batch_size=50, seed=0, mirror=True)
    first, second = (flipped[e * 200 :][:200] for e in range(2))
    first, second = first[np.argsort(order[:200])], second[np.argsort(order[200:])]
    assert 0.3 < (first != second).mean() < 0.7


def test_batches_have_static_shapes_ranges_and_types():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(4, 0)
    source = base.ArraySource(images, [0, 1, 0, 1])
    dataset = pipeline.make_dataset(source, 4, resolution=16, num_channels=3)
    assert dataset.element_spec == {
        "images": tf.TensorSpec([4, 16, 16, 3], tf.float32),
        "labels": tf.TensorSpec([4], tf.int32),
    }
    batch = next(iter(dataset))
    expected = np.arange(256, dtype=np.float64).reshape(16, 16) / 127.5 - 1
    for channel in range(3):
        got = batch["images"].numpy()[2, :, :, channel]
        np.testing.assert_allclose(got, expected, atol=1e-7)


def test_labels_stay_with_their_images():
    source = _numbered(23, 5)
    for batch in _take(source, 12, batch_size=5, mirror=True):
        order, _ = _indices(batch)
        np.testing.assert_array_equal(batch["labels"].numpy(), order % 5)


def test_one_pass_drops_the_remainder():
    dataset = pipeline.make_dataset(_numbered(), 5, repeat=False, start_image=3)
    order = np.concatenate([_indices(batch)[0] for batch in dataset])
    whole, _ = _stream(_numbered(), 5, batch_size=5)
    np.testing.assert_array_equal(order, whole[3:23])


def test_stored_order_and_map_fn():
    def darken(batch):
        return {**batch, "images": batch["images"] * 0.5}

    source = _numbered(8)
    plain = _take(source, 1, batch_size=4, shuffle=False)[0]
    dark = _take(source, 1, batch_size=4, shuffle=False, map_fn=darken)[0]
    assert _indices(plain)[0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(dark["images"], plain["images"] * 0.5)


def test_distributed_dataset_splits_the_batch_between_replicas():
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    dataset = pipeline.make_dataset(_numbered(), 6, seed=1, mirror=True)
    iterator = iter(strategy.experimental_distribute_dataset(dataset))
    for batch in itertools.islice(dataset, 9):
        values = next(iterator)
        for key in ("images", "labels"):
            parts = [part.numpy() for part in values[key].values]
            assert [len(part) for part in parts] == [3, 3]
            np.testing.assert_array_equal(np.concatenate(parts), batch[key].numpy())


def test_image_batches_is_finite_and_ordered():
    source = _numbered()
    batches = list(pipeline.image_batches(source, 10))
    assert [len(images) for images, _ in batches] == [10, 10, 3]
    images = np.concatenate([images for images, _ in batches])
    assert images.dtype == np.uint8
    assert images[:, 0, 0, 0].tolist() == list(range(23))
    chosen = list(pipeline.image_batches(source, 10, num_images=15, seed=4))
    taken = np.concatenate([images[:, 0, 0, 0] for images, _ in chosen])
    assert len(set(taken.tolist())) == 15 and taken.tolist() != sorted(taken)
    labels = np.concatenate([labels for _, labels in chosen])
    np.testing.assert_array_equal(labels, taken % 3)
    order, _ = _stream(source, 3, batch_size=5, seed=4)
    np.testing.assert_array_equal(taken, order)


def test_real_batch_starts_over_when_asked_for_more():
    images, labels = pipeline.real_batch(_numbered(4), 6, seed=None, num_channels=3)
    assert images.shape == (6, 8, 8, 3)
    assert images[:, 0, 0, 2].tolist() == [0, 1, 2, 3, 0, 1]
    assert labels.tolist() == [0, 1, 2, 0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 6, "shard": (0, 4)}, "multiple of the number of hosts"),
        ({"batch_size": 6, "shard": (2, 2)}, "index < count"),
        ({"batch_size": 6, "start_image": -1}, "start_image=-1"),
        ({"batch_size": 6, "resolution": 32}, "resolution=32"),
        ({"batch_size": 6, "num_channels": 2}, "num_channels=2"),
        ({"batch_size": 24, "repeat": False}, "gives no batch"),
        ({"batch_size": 6, "num_classes": 4}, "has 3 classes"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        pipeline.make_dataset(_numbered(), **arguments)


def test_conditional_models_need_labels_of_several_classes():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    unlabelled = base.ArraySource(images)
    single = base.ArraySource(images, [1, 1, 1, 1], ["cat", "dog"])
    with pytest.raises(ValueError, match="has no labels"):
        pipeline.make_dataset(unlabelled, 2, num_classes=10)
    with pytest.raises(ValueError, match="every image is of class 1"):
        pipeline.make_dataset(single, 2, num_classes=2)
    assert pipeline.make_dataset(unlabelled, 2, num_classes=0) is not None


def test_source_size_beyond_one_fetch_and_iteration():
    source = sources.synthetic(num_examples=150, resolution=8)
    images, labels = zip(*source, strict=True)
    assert len(images) == 150 and images[149].shape == (8, 8, 3)
    np.testing.assert_array_equal(labels, np.arange(150) % 10)
