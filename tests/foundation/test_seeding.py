"""Seeds, latents and classes."""

import numpy as np
import pytest

from dglgan_tf.foundation import seeding


def test_seeds_are_numbers_and_ranges():
    assert seeding.parse_seeds("0-3") == [0, 1, 2, 3]
    assert seeding.parse_seeds("1,5, 7-9") == [1, 5, 7, 8, 9]
    assert seeding.parse_seeds("4294967295") == [4294967295]


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1,,2", "4294967296", "1.5"])
def test_bad_seeds_are_named(text):
    with pytest.raises(ValueError, match="seeds="):
        seeding.parse_seeds(text)


def test_latents_are_those_of_nvidia_s_tools():
    z = seeding.latents([7, 3, 7], 5)
    assert z.dtype == np.float32 and z.shape == (3, 5)
    expected = np.random.RandomState(3).randn(1, 5).astype(np.float32)
    np.testing.assert_array_equal(z[1:2], expected)
    np.testing.assert_array_equal(z[0], z[2])
    # first value of RandomState(0), known to every user of NumPy
    assert seeding.latents([0], 1)[0, 0] == np.float32(1.764052345967664)


def test_random_labels_depend_on_the_seed_alone_and_cover_the_classes():
    all_labels = seeding.random_labels(range(200), 10)
    assert set(all_labels) == set(range(10))
    np.testing.assert_array_equal(
        seeding.random_labels([5, 99], 10), all_labels[[5, 99]]
    )


def test_classes_by_number_range_and_name():
    names = ["T-shirt", "Trouser", "Ankle boot"]
    assert seeding.parse_classes("2", 3) == [2]
    assert seeding.parse_classes("0-1,2", 3) == [0, 1, 2]
    assert seeding.parse_classes("all", 3) == [0, 1, 2]
    assert seeding.parse_classes("ankle boot, t-shirt", 3, names) == [2, 0]


@pytest.mark.parametrize(
    "text,classes,message",
    [
        ("3", 3, "out of range: the network has the classes 0 to 2"),
        ("2-1", 3, "out of range"),
        ("boot", 3, r"'boot' is unknown \(known: coat, dress, bag\)"),
        ("0", 0, "no classes"),
    ],
)
def test_bad_classes_are_named(text, classes, message):
    names = ["coat", "dress", "bag"][:classes]
    with pytest.raises(ValueError, match=message):
        seeding.parse_classes(text, classes, names)
