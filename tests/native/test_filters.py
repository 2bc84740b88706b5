"""Native filter passes: against the definition, and TensorFlow's to two derivatives."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.native import filters, library
from dglgan_tf.ops import resample

FIR = resample.setup_filter([1, 2, 4, 1])  # not symmetric
LONG = np.outer([3, -1, 4, 1, -5, 9, 2], [2, 7, 1, 8, 2, 8, 1]) / 100
SHAPE = (3, 6, 10, 48)

pytestmark = pytest.mark.usefixtures("native_code")


def _random(*shape):
    values = np.random.default_rng(0).standard_normal(shape)
    return tf.constant(values, tf.float32)


def _definition(x, taps, before, sides, up, down):
    """The sum of the docstring, in double precision."""
    x = np.asarray(x, np.float64)
    y = np.zeros((len(x), *sides, x.shape[3]))
    for place in np.ndindex(*sides):
        for tap in np.ndindex(*taps.shape):
            at = [p * down + t - before for p, t in zip(place, tap, strict=True)]
            inside = all(0 <= a < up * n for a, n in zip(at, x.shape[1:3], strict=True))
            if inside and not any(a % up for a in at):
                y[:, place[0], place[1]] += taps[tap] * x[:, at[0] // up, at[1] // up]
    return y


@pytest.mark.parametrize(
    "before, sides, up, down",  # of 6 x 10 pixels
    [
        (2, (7, 11), 1, 1),
        (-1, (4, 8), 1, 1),
        (1, (3, 5), 1, 2),
        (2, (12, 20), 2, 1),
        (1, (9, 15), 3, 2),
    ],
)
@pytest.mark.parametrize("channels, taps", [(16, FIR), (48, FIR), (144, LONG)])
def test_equals_the_definition(before, sides, up, down, channels, taps):
    x = _random(*SHAPE[:3], channels)
    y = filters.resample(x, taps, before, sides, up, down)
    expected = _definition(x, taps, before, sides, up, down)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=2e-6)


PASSES = {
    "up": lambda x: resample.upsample2(x, FIR),
    "down": lambda x: resample.downsample2(x, FIR),
    "pad": lambda x: resample._fir(x, FIR, 2, 2),
    "crop": lambda x: resample._fir(x, FIR, -1, 0),
}


def _derivatives(function, x):
    """Result, gradient, gradient of a penalty on that, operations of the graph."""

    def run(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = function(x)
                loss = tf.reduce_sum(y**3)
            gradient = inner.gradient(loss, x)
            penalty = tf.reduce_sum(gradient**2)
        return y, gradient, outer.gradient(penalty, x)

    traced = tf.function(run, autograph=False).get_concrete_function(x)
    return traced(x), {operation.type for operation in traced.graph.get_operations()}


@pytest.mark.parametrize("name", PASSES)
def test_two_derivatives_equal_tensorflows(name):
    x = _random(*SHAPE)
    theirs, plain = _derivatives(PASSES[name], x)
    with library.use():
        ours, types = _derivatives(PASSES[name], x)
    assert "DglganFilter" in types and "DglganFilter" not in plain
    assert not any(kind.startswith("Depthwise") for kind in types)
    for found, expected in zip(ours, theirs, strict=True):
        assert found.shape == expected.shape
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < 2e-6


def test_what_suits():
    assert not filters.suit(tf.TensorSpec([2, 8, 8, 16]), FIR)  # nobody asked
    with library.use():
        assert filters.suit(tf.TensorSpec([None, 8, 8, 16]), FIR)
        assert not filters.suit(tf.TensorSpec([2, 8, 8, 3]), FIR)
        assert not filters.suit(tf.TensorSpec([2, None, 8, 16]), FIR)
        assert not filters.suit(tf.TensorSpec([2, 8, 8, 16], tf.float16), FIR)
        assert not filters.suit(tf.TensorSpec([2, 8, 8, 16]), np.ones([17, 17]))
        assert not filters.suit(tf.TensorSpec([2, 8, 8, 16]), np.eye(2))


def test_separate():
    column, row = filters.separate(np.outer([1, 2, 4], [3, -1]) / 7)
    np.testing.assert_allclose(np.outer(column, row), [[3, -1], [6, -2], [12, -4]]
                               / np.float64(7))  # fmt: skip
    assert filters.separate(np.eye(2)) is None


@pytest.mark.parametrize(
    "x, taps", [([2, 8, 8, 3], [2, 4]), ([2, 8, 8, 16], [4, 4]), ([8, 8, 16], [2, 4])]
)
def test_the_operation_refuses_what_it_cannot(x, taps):
    with pytest.raises(tf.errors.InvalidArgumentError, match="C a multiple of 16"):
        library.library().dglgan_filter(
            x=tf.ones(x), taps=tf.ones(taps), before=1, up=1, down=1, height=8, width=8
        )
