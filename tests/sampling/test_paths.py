"""Paths: closed forms."""

import numpy as np
import pytest

from dglgan_tf.sampling import paths


def test_slerp_of_right_angles_is_sine_and_cosine():
    first, second = np.eye(5)[0], np.eye(5)[1]
    for share in (0.0, 0.2, 0.5, 1.0):
        angle = share * np.pi / 2
        expected = np.cos(angle) * first + np.sin(angle) * second
        np.testing.assert_allclose(
            paths.slerp(first, second, share), expected, atol=1e-7
        )


def test_slerp_keeps_length_and_turns_evenly():
    random = np.random.RandomState(0)
    first, second = random.randn(2, 64)
    first, second = (v * 3 / np.linalg.norm(v) for v in (first, second))
    path = paths.slerp(first, second, np.linspace(0, 1, 6))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 3.0, rtol=1e-6)
    steps = (path[1:] * path[:-1]).sum(1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5)
    np.testing.assert_allclose(path[[0, -1]], [first, second], rtol=1e-6)


def test_parallel_and_zero_vectors_go_straight():
    line = paths.slerp([1.0, 2.0], [2.0, 4.0], 0.25)
    np.testing.assert_allclose(line, [1.25, 2.5], rtol=1e-6)
    assert np.isfinite(paths.slerp([0.0, 0.0], [1.0, 0.0], 0.5)).all()


def test_rows_are_interpolated_one_by_one():
    random = np.random.RandomState(0)
    first, second = random.randn(2, 3, 8)
    rows = [paths.slerp(a, b, 0.3) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(paths.slerp(first, second, 0.3), rows, rtol=1e-6)


def test_a_loop_ends_one_step_before_its_start():
    corners = [np.array([0.0]), np.array([1.0]), np.array([3.0])]
    loop = paths.through(corners, 2, paths.lerp)[:, 0]
    np.testing.assert_allclose(loop, [0, 0.5, 1, 2, 3, 1.5])
    line = paths.through(corners, 2, paths.lerp, loop=False)[:, 0]
    np.testing.assert_allclose(line, [0, 0.5, 1, 2, 3])
    with pytest.raises(ValueError, match="two points"):
        paths.through(corners[:1], 2)
