"""Resampling against direct NumPy loops, in both forms."""

import numpy as np
import pytest
from reference import stylegan2 as direct

from dglgan_tf.compat import tf
from dglgan_tf.ops import resample

FILTERS = {
    "usual": [1, 3, 3, 1],
    "asymmetric": [1, 2, 4, 1],
    "box": [1, 1],
    "odd": [1, 2, 1],
    "six": [1, 2, 5, 4, 2, 1],
    "matrix": [[0, 1, 0, 2], [1, 3, 1, 0], [0, 0, 4, 1], [2, 0, 1, 1]],
}


def _arrays(channels=5, out=3):
    random = np.random.RandomState(0)
    x = random.randn(2, 6, 8, channels)
    return x.astype(np.float32), random.randn(3, 3, channels, out).astype(np.float32)


def _expected(function, x, *arguments):
    arguments = [np.asarray(a, np.float64) for a in arguments]
    return np.stack([function(sample.astype(np.float64), *arguments) for sample in x])


@pytest.mark.parametrize("form", resample.FORMS)
@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_operation_equals_its_definition(form, name, channels):
    fir = resample.setup_filter(FILTERS[name])
    x, kernel = _arrays(channels)
    with resample.use_form(form):
        pairs = [
            (resample.upsample2(x, fir), _expected(direct.upsample, x, fir)),
            (resample.downsample2(x, fir), _expected(direct.downsample, x, fir)),
            (
                resample.up_conv(x, kernel, fir),
                _expected(direct.up_conv, x, kernel, fir),
            ),
            (
                resample.down_conv(x, kernel, fir),
                _expected(direct.down_conv, x, kernel, fir),
            ),
        ]
    for found, expected in pairs:
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_identity_filter_is_zero_insertion_shifted_by_one():
    fir = resample.setup_filter([1])
    x, _ = _arrays()
    up = resample.upsample2(tf.constant(x), fir).numpy()
    np.testing.assert_allclose(up[:, 1::2, 1::2], 4 * x, rtol=1e-6)
    np.testing.assert_allclose(resample.downsample2(x, fir), x[:, ::2, ::2])


def test_constant_image_stays_constant_inside():
    fir = resample.setup_filter([1, 3, 3, 1])
    ones = tf.ones([1, 8, 8, 3])
    up = resample.upsample2(ones, fir)[:, 2:-2, 2:-2].numpy()
    np.testing.assert_allclose(up, 1, rtol=1e-6)
    down = resample.downsample2(ones, fir)[:, 1:-1, 1:-1].numpy()
    np.testing.assert_allclose(down, 1, rtol=1e-6)


def test_batch_size_may_be_unknown():
    fir = resample.setup_filter([1, 3, 3, 1])
    x, kernel = _arrays()

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 8, 5])])
    def run(x):
        return resample.upsample2(resample.up_conv(x, kernel, fir), fir)

    expected = resample.upsample2(resample.up_conv(x, kernel, fir), fir)
    np.testing.assert_allclose(run(x), expected, atol=1e-6)


def test_form_is_restored_and_checked():
    with pytest.raises(ValueError, match="form='loops'"):
        with resample.use_form("loops"):
            pass
    x = tf.ones([1, 4, 4, 8])
    graph = tf.Graph()
    with graph.as_default(), resample.use_form("slices"):
        resample.downsample2(tf.ones([1, 4, 4, 8]), resample.setup_filter([1, 1]))
    kinds = {operation.type for operation in graph.get_operations()}
    assert "StridedSlice" in kinds and "DepthwiseConv2dNative" not in kinds
    assert resample.downsample2(x, resample.setup_filter([1, 1])).shape == (1, 2, 2, 8)


@pytest.mark.parametrize("taps", [[], [1, -1], [[1, 2]], [[[1]]]])
def test_bad_filters_are_refused(taps):
    with pytest.raises(ValueError, match="resample_filter"):
        resample.setup_filter(taps)


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("channels", [3, 5])
def test_gradients_of_both_orders_are_those_of_the_slices(name, channels):
    fir = resample.setup_filter(FILTERS[name])
    x, kernel = _arrays(channels)
    operations = {
        "upsample": lambda a: resample.upsample2(a, fir),
        "up_conv": lambda a: resample.up_conv(a, kernel, fir),
        "down_conv": lambda a: resample.down_conv(a, kernel, fir),
    }
    for what, operation in operations.items():
        found = {}
        for form in resample.FORMS:
            with resample.use_form(form):
                found[form] = _gradients(operation, tf.constant(x))
        for left, right in zip(found["slices"], found["depthwise"], strict=True):
            np.testing.assert_allclose(left, right, 1e-4, 1e-4, err_msg=what)


def _gradients(operation, x):
    """First gradient of sum(y^3), and the gradient of that one's square."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_mean(operation(x) ** 3)
        first = inner.gradient(total, x)
        square = tf.reduce_sum(first**2)
    return first.numpy(), outer.gradient(square, x).numpy()
