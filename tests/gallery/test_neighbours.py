"""The nearest real images, against all distances at once."""

import numpy as np
import pytest

from dglgan_tf.gallery import neighbours


@pytest.fixture
def reals():
    return np.random.RandomState(0).randint(0, 256, (50, 6, 6, 1)).astype(np.uint8)


def test_a_training_image_is_its_own_neighbour(reals):
    batches = [(reals[i : i + 16], None) for i in range(0, 50, 16)]
    found = neighbours.find(reals[[3, 40]], batches, 3)
    assert found.indices[:, 0].tolist() == [3, 40]
    np.testing.assert_allclose(found.distances[:, 0], 0, atol=1e-5)
    np.testing.assert_array_equal(found.images[:, 0], reals[[3, 40]])


def test_neighbours_are_those_of_all_distances(reals):
    queries = 255 - reals[:4]

    def features(images):
        return neighbours.pixels(images)[:, ::2]

    found = neighbours.find(queries, [reals[:7], reals[7:]], 5, features)
    apart = features(queries)[:, None] - features(reals)[None]
    apart = np.sqrt((apart**2).sum(-1))
    order = np.argsort(apart, axis=1)[:, :5]
    np.testing.assert_array_equal(found.indices, order)
    expected = np.take_along_axis(apart, order, 1)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.images, reals[order])


def test_too_few_images_and_other_sizes_are_named(reals):
    with pytest.raises(ValueError, match="k=51 neighbours of 50"):
        neighbours.find(reals[:1], [reals], 51)
    with pytest.raises(ValueError, match="same size"):
        neighbours.find(reals[:1], [reals[:, :3]], 1)
