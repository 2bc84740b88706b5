"""Seeds, latents and classes."""

import itertools
import sys

import numpy as np
import pytest

from dglgan_tf.foundation import seeding


def test_seeds_are_numbers_and_ranges():
    assert seeding.parse_seeds("0-3") == [0, 1, 2, 3]
    assert seeding.parse_seeds("1,5, 7-9") == [1, 5, 7, 8, 9]
    assert seeding.parse_seeds("4294967295") == [4294967295]


def test_seeds_of_any_length_take_no_memory():
    seeds = seeding.parse_seeds("0-4294967295,5,7-9")
    assert len(seeds) == 2**32 + 4 and sys.getsizeof(seeds) < 1000
    assert seeds[2**31] == 2**31 and seeds[-4] == 5 and seeds[-1] == 9
    assert list(itertools.islice(seeds, 3)) == [0, 1, 2]
    assert list(seeds[2**32 - 2 : 2**32 + 2]) == [2**32 - 2, 2**32 - 1, 5, 7]
    assert len(seeds * 3) == 3 * len(seeds) and (seeds * 3)[len(seeds) + 7] == 7
    with pytest.raises(IndexError):
        seeds[len(seeds)]


def test_classes_of_any_number_of_seeds_take_no_memory():
    seeds = seeding.parse_seeds("0-4294967295")
    labels = seeding.labels_of(seeds, 10)
    assert len(labels) == 2**32
    assert labels[2**31] == seeding.random_labels([2**31], 10)[0]
    thrice = seeding.repeated([7, 8], 2**32)
    assert [thrice[0], thrice[2**32 - 1], thrice[2**32], thrice[-1]] == [7, 7, 8, 8]
    with pytest.raises(IndexError):
        thrice[2**33]
    assert list(seeding.repeated([4, 5], 2)) == [4, 4, 5, 5]


def test_numbers_are_a_sequence():
    numbers = seeding.parse_seeds("4-6,1,1")
    assert (
        numbers == [4, 5, 6, 1, 1]
        and numbers != [4, 5, 6, 1]
        and numbers[::2] == (4, 6, 1)
    )
    assert numbers[-3:] == [6, 1, 1] and numbers[3:1] == [] and tuple(numbers)[1] == 5
    np.testing.assert_array_equal(np.asarray(numbers, np.uint32), [4, 5, 6, 1, 1])
    assert 6 in numbers and numbers.index(1) == 3 and not seeding.Numbers([])
    np.testing.assert_array_equal(
        seeding.latents(numbers, 2), seeding.latents([4, 5, 6, 1, 1], 2)
    )


@pytest.mark.parametrize(
    "text",
    ["", "a", "3-1", "-1", "1,,2", "4294967296", "1.5", "9" * 6000, "0-" + "9" * 19],
)
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


NUMBERED = sorted(str(k) for k in range(12))  # 0, 1, 10, 11, 2, ... as folders sort


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (NUMBERED, "9-11", [11, 2, 3]),
        (NUMBERED, "9,10,11", [11, 2, 3]),
        (NUMBERED, "10", [2]),
        ([f"{k:03d}" for k in range(1, 6)], "3-5", [2, 3, 4]),
        ([f"{k:03d}" for k in range(1, 6)], "005", [4]),
        (["cat", "2", "dog"], "0-2", [0, 1, 1]),
        (["cat", "2", "dog"], "0,1,2", [0, 1, 1]),
        (["9-11", "x"], "9-11,1", [0, 1]),
        (["a,b", "c", "a"], "a,b,c,a", [0, 1, 2]),
        (["it's", "k=v", "[x] *"], "[X] *,k=v,it's", [2, 1, 0]),
        (["new\nline", "x"], "new\\nline", [0]),
        (["new\nline", "x"], "new\nline", [0]),
        (["\xe9", "x"], "e\u0301", [0]),
        (["e\u0301", "x"], "\xe9", [0]),
        (["all", "x"], "all", [0, 1]),
    ],
)
def test_classes_named_by_numbers_and_odd_names(names, text, expected):
    assert seeding.parse_classes(text, len(names), names) == expected


def test_a_range_of_classes_means_its_numbers():
    for names in (NUMBERED, [f"{k:02d}" for k in range(12)], ["a", *"123456789", "z"]):
        for first in range(1, 9):
            listed = ",".join(map(str, range(first, first + 2)))
            assert seeding.parse_classes(
                f"{first}-{first + 1}", len(names), names
            ) == seeding.parse_classes(listed, len(names), names)


@pytest.mark.parametrize(
    "text,classes,message",
    [
        ("3", 3, "out of range: the network has the classes 0 to 2"),
        ("2-1", 3, "out of range"),
        ("boot", 3, r"'boot' is unknown \(known: coat, dress, bag\)"),
        ("0", 0, "no classes"),
        ("0-99999999999", 3, "out of range"),
        ("0-999999999999999999999", 3, "is unknown"),
        ("0,,1", 3, "'' is unknown"),
    ],
)
def test_bad_classes_are_named(text, classes, message):
    names = ["coat", "dress", "bag"][:classes]
    with pytest.raises(ValueError, match=message):
        seeding.parse_classes(text, classes, names)


def test_numbers_that_name_no_class_are_refused():
    with pytest.raises(ValueError, match="classes named by numbers, 1, 2, 3"):
        seeding.parse_classes("0", 3, ["1", "2", "3"])
    with pytest.raises(ValueError, match="classes named by numbers, 1, 2, 3"):
        seeding.parse_classes("2-4", 3, ["1", "2", "3"])
    many = [f"name {k}" for k in range(500)]
    with pytest.raises(ValueError, match=r"name 19, ... \(500 in all\)"):
        seeding.parse_classes("cat", 500, many)
