"""Five ways to convolve: against sums in double precision, to the second derivative."""

import subprocess
import sys

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.native import convolutions, library
from dglgan_tf.ops import fold, resample

SIDES = {
    convolutions.SAME: [(8, 12), (2, 4)],
    convolutions.UP: [(5, 7), (3, 3)],
    convolutions.DOWN: [(8, 12), (6, 4)],
    convolutions.HALVE: [(9, 13), (5, 9)],
    convolutions.DOUBLE: [(4, 6), (2, 4)],
}
CASES = [(way, sides) for way, both in SIDES.items() for sides in both]
# Largest error over largest value; seen here: 1.6e-6, and 1.6e-6 for TensorFlow's own.
TOLERANCE = 4e-6

pytestmark = pytest.mark.usefixtures("native_code")


def _direct(x, kernel, way):
    """The definition, in double precision: [N, H, W, C] and [3, 3, C, out]."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    if way is convolutions.UP:
        x = x.repeat(2, axis=1).repeat(2, axis=2)
    if way is convolutions.DOUBLE:  # zeros between the inputs
        wide = np.zeros((len(x), *(2 * n - 1 for n in x.shape[1:3]), x.shape[3]))
        wide[:, ::2, ::2] = x
        x = wide
    edge = {convolutions.HALVE: 0, convolutions.DOUBLE: 2}.get(way, 1)
    x = np.pad(x, [(0, 0), (edge, edge), (edge, edge), (0, 0)])
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    y = sum(
        x[:, i : i + rows, j : j + columns] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    if way is convolutions.HALVE:
        return y[:, ::2, ::2]
    if way is convolutions.DOWN:
        return y[:, ::2, ::2] + y[:, 1::2, ::2] + y[:, ::2, 1::2] + y[:, 1::2, 1::2]
    return y


def _plain(x, kernel, way):
    """The same by TensorFlow's operations."""
    if way is convolutions.UP:
        return fold.upsample_convolve(x, kernel)[0]
    if way is convolutions.DOWN:
        return 4 * fold.convolve_downsample(x, kernel)[0]
    if way is convolutions.HALVE:
        return tf.nn.conv2d(x, kernel, 2, "VALID")
    if way is convolutions.DOUBLE:
        return resample._conv_doubled(x, kernel)
    return fold.convolve(x, kernel)[0]


def _random(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return tf.constant(values, tf.float32)


def _error(found, expected):
    expected = np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("way, sides", CASES)
@pytest.mark.parametrize("inputs, outputs", [(16, 80), (48, 16), (160, 32)])
def test_equals_the_definition(way, sides, inputs, outputs):
    x, kernel = _random(3, *sides, inputs), _random(3, 3, inputs, outputs, seed=1)
    y = convolutions.convolve(x, kernel, way, factor=0.25)
    assert _error(y, 0.25 * _direct(x, kernel, way)) < TOLERANCE


@pytest.mark.parametrize("way", convolutions.WAYS)
def test_no_accuracy_is_given_up(way):
    """At sizes of real layers the error stays near that of TensorFlow's convolution.

    TensorFlow's own is 0.3e-6 or 1.7e-6, by the algorithm that it takes on a processor.
    """
    side = 17 if way is convolutions.HALVE else 16
    x, kernel = _random(4, side, side, 128), _random(3, 3, 128, 128, seed=1)
    expected = _direct(x, kernel, way)
    ours = _error(convolutions.convolve(x, kernel, way), expected)
    theirs = _error(_plain(x, kernel, way), expected)
    assert ours < 4e-6 and ours < 8 * theirs, (ours, theirs)


def _derivatives(function, x, kernel):
    """Result, gradients, and those of a penalty on the gradients; one graph."""

    @tf.function(autograph=False)
    def run(x, kernel):
        with tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as inner:
                inner.watch([x, kernel])
                y = function(x, kernel)
                loss = tf.reduce_sum(0.7 * y**2 + y**3 / 30)
            gradients = inner.gradient(loss, [x, kernel])
            penalty = sum(tf.reduce_sum(g**2) for g in gradients)
        return y, *gradients, *outer.gradient(penalty, [x, kernel])

    return run(x, kernel)


@pytest.mark.parametrize("way, sides", CASES)
def test_two_derivatives_equal_tensorflows(way, sides):
    x, kernel = _random(3, *sides, 32), _random(3, 3, 32, 48, seed=1)
    ours = _derivatives(lambda x, k: convolutions.convolve(x, k, way, 0.5), x, kernel)
    theirs = _derivatives(lambda x, k: 0.5 * _plain(x, k, way), x, kernel)
    for found, expected in zip(ours, theirs, strict=True):
        assert _error(found, expected) < 5e-6


def test_results_do_not_depend_on_the_run():
    x, kernel = _random(4, 16, 16, 64), _random(3, 3, 64, 64, seed=1)
    first, second = (convolutions.convolve(x, kernel) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_unknown_batches_are_computed():
    kernel = _random(3, 3, 32, 32)
    spec = tf.TensorSpec([None, 8, 8, 32], tf.float32)

    @tf.function(autograph=False, input_signature=[spec])
    def run(x):
        y = convolutions.convolve(x, kernel, convolutions.DOUBLE)
        assert y.shape.as_list() == [None, 17, 17, 32]
        return y

    for count in (1, 3):
        x = _random(count, 8, 8, 32)
        assert _error(run(x), _direct(x, kernel, convolutions.DOUBLE)) < TOLERANCE


@pytest.mark.parametrize(
    "shape, kernel, way, expected",
    [
        ([8, 8, 8, 32], [3, 3, 32, 48], convolutions.SAME, True),
        ([8, 8, 8, 32], [1, 1, 32, 48], convolutions.SAME, False),
        ([8, 8, 8, 3], [3, 3, 3, 48], convolutions.SAME, False),
        ([8, 8, 8, 32], [3, 3, 32, 40], convolutions.SAME, False),
        ([8, 7, 8, 32], [3, 3, 32, 32], convolutions.SAME, False),
        ([8, 7, 8, 32], [3, 3, 32, 32], convolutions.UP, True),
        ([8, 7, 8, 32], [3, 3, 32, 32], convolutions.DOWN, False),
        ([8, 9, 9, 32], [3, 3, 32, 32], convolutions.HALVE, True),
        ([8, 7, 9, 32], [3, 3, 32, 32], convolutions.HALVE, False),
        ([1, 4, 4, 32], [3, 3, 32, 32], convolutions.SAME, False),  # four tiles
        ([8, 8, 8, 8192], [3, 3, 8192, 16], convolutions.SAME, False),
    ],
)
def test_what_suits(shape, kernel, way, expected):
    x, kernel = tf.TensorSpec(shape, tf.float32), tf.TensorSpec(kernel, tf.float32)
    assert not convolutions.suits(x, kernel, way)  # nobody asked for native code
    with library.use():
        assert convolutions.suits(x, kernel, way) == expected
        assert not convolutions.suits(tf.TensorSpec(shape, tf.float16), kernel, way)


@pytest.mark.parametrize(
    "way, sides, expected",
    [
        (convolutions.SAME, (8, 8), 4 * 64),  # for each pair of channels and image
        (convolutions.UP, (8, 8), 9 * 64),
        (convolutions.DOWN, (8, 8), 9 * 16),
        (convolutions.HALVE, (9, 9), 25 * 4),
        (convolutions.DOUBLE, (8, 8), 25 * 16),
    ],
)
def test_products(way, sides, expected):
    x = tf.TensorSpec([3, *sides, 32], tf.float32)
    assert convolutions.products(x, 48, way) == expected * 3 * 32 * 48


@pytest.mark.parametrize(
    "x, kernel",
    [
        ([2, 8, 8, 32], [3, 3, 48, 32]),
        ([2, 8, 8, 32], [5, 5, 32, 32]),
        ([2, 7, 8, 32], [3, 3, 32, 32]),
        ([2, 8, 8, 24], [3, 3, 24, 32]),
        ([8, 8, 32], [3, 3, 32, 32]),
    ],
)
def test_the_operation_refuses_what_it_cannot(x, kernel):
    operation = library.library().dglgan_convolution
    with pytest.raises(tf.errors.InvalidArgumentError, match="kernel must be|four dim"):
        operation(x=tf.ones(x), kernel=tf.ones(kernel), way=0, turned=False, factor=1.0)


def test_the_gradient_refuses_what_it_cannot():
    operation = library.library().dglgan_kernel_gradient
    with pytest.raises(tf.errors.InvalidArgumentError, match="convolution's output"):
        operation(x=tf.ones([2, 8, 8, 32]), gradient=tf.ones([2, 4, 8, 32]), way=0,
                  factor=1.0)  # fmt: skip


# As for a processor without AVX-512, and for one that is only known to be 64 bits.
OTHER_LEVEL = """
import sys
import numpy as np
from dglgan_tf.compat import tf
from dglgan_tf.native import library
library._level = lambda: sys.argv[1:]
assert library.library() is not None, library.absence()
sys.path.insert(0, "tests/native")
import test_convolutions as cases
for way, sides in cases.CASES:
    cases.test_two_derivatives_equal_tensorflows(way, sides)
    cases.test_equals_the_definition(way, sides, 48, 80)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-march=x86-64-v3"], []], ids=["avx2", "plain"])
def test_other_processors(flags, monkeypatch, tmp_path):
    if flags and not library._level():
        pytest.skip("this processor is not of the x86-64 family")
    monkeypatch.setenv("DGLGAN_CACHE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", OTHER_LEVEL, *flags],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("equal")
