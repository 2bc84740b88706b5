"""Layers under torch.nn.utils.spectral_norm against numpy: SVD and power iteration.

torch keeps a weight [out, in, kh, kw] and the singular vectors of the matrix
[out, in * kh * kw]: u [out] and v [in * kh * kw]. In evaluation it divides by
u^T W v as stored.
"""

import numpy as np
import pytest

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import mapping
from dglgan_tf.converters.biggan import torch_spectral
from dglgan_tf.layers import spectral_norm

INPUTS, OUTPUTS = 5, 4


def _arrays(shape, steps: int) -> dict:
    """Returns what torch stores after power steps from a random u."""
    random = np.random.RandomState(3)
    weight = random.randn(*shape)
    matrix = weight.reshape(shape[0], -1)
    u = random.randn(shape[0])
    for _ in range(steps):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    arrays = {"weight_orig": weight, "weight_u": u, "weight_v": v}
    arrays["bias"] = random.randn(shape[0])
    return {f"layer.{n}": a.astype(np.float32) for n, a in arrays.items()}


def _filled(layer, entries, arrays):
    held = mapping.apply(entries, arrays)
    for name in ("kernel", "u", "v", "bias"):
        getattr(layer, name).assign(held[f"ours/{name}"])
    return layer


def _convolved(images, weight):
    """Correlates [N, H, W, in] with [out, in, k, k], zero padding."""
    size = weight.shape[2]
    pad = size // 2
    padded = np.pad(images, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    height, width = images.shape[1:3]
    result = 0
    for i in range(size):
        for j in range(size):
            part = padded[:, i : i + height, j : j + width]
            result = result + part @ weight[:, :, i, j].T
    return result


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("steps, share", [(1, 0.999), (200, None)])
def test_convolution(size, steps, share):
    """After one step sigma is short of the largest value; after many it is that."""
    arrays = _arrays((OUTPUTS, INPUTS, size, size), steps)
    entries = torch_spectral.convolution("layer", "ours", INPUTS, size)
    layer = spectral_norm.SpectralConv2D(INPUTS, OUTPUTS, size, stored=True)
    _filled(layer, entries, arrays)
    weight = arrays["layer.weight_orig"].astype(np.float64)
    matrix = weight.reshape(OUTPUTS, -1)
    expected = arrays["layer.weight_u"] @ matrix @ arrays["layer.weight_v"]
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    assert float(layer.sigma()) == pytest.approx(expected, rel=1e-6)
    if share is None:
        assert expected == pytest.approx(largest, rel=1e-6)
    else:
        assert expected < share * largest
    images = np.random.RandomState(0).randn(2, 6, 5, INPUTS).astype(np.float32)
    reference = _convolved(images, weight / expected) + arrays["layer.bias"]
    np.testing.assert_allclose(layer(images), reference, atol=2e-6)


def test_dense_layer():
    arrays = _arrays((OUTPUTS, INPUTS), 2)
    entries = torch_spectral.spectral("layer", "ours", mapping.TRANSPOSE)
    layer = spectral_norm.SpectralDense(INPUTS, OUTPUTS, stored=True)
    _filled(layer, entries, arrays)
    weight = arrays["layer.weight_orig"].astype(np.float64)
    sigma = arrays["layer.weight_u"] @ weight @ arrays["layer.weight_v"]
    x = np.random.RandomState(0).randn(3, INPUTS).astype(np.float32)
    reference = x @ (weight / sigma).T + arrays["layer.bias"]
    np.testing.assert_allclose(layer(x), reference, atol=2e-6)


def test_a_step_here_is_torchs_step():
    """A training-mode call moves u and v as torch's next power step does."""
    shape = (OUTPUTS, INPUTS, 3, 3)
    entries = torch_spectral.convolution("layer", "ours", INPUTS, 3)
    layer = spectral_norm.SpectralConv2D(INPUTS, OUTPUTS, 3, stored=True)
    _filled(layer, entries, _arrays(shape, 1))
    layer.sigma(training=True)
    after = mapping.apply(entries, _arrays(shape, 2))
    np.testing.assert_allclose(layer.u, after["ours/u"], atol=1e-6)
    np.testing.assert_allclose(layer.v, after["ours/v"], atol=1e-6)


def test_there_and_back():
    arrays = _arrays((OUTPUTS, INPUTS, 3, 3), 1)
    entries = torch_spectral.convolution("layer", "ours", INPUTS, 3)
    again = mapping.invert(entries, mapping.apply(entries, arrays))
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_what_does_not_fit_is_refused():
    arrays = _arrays((OUTPUTS, INPUTS, 3, 3), 1)
    arrays["layer.weight_v"] = arrays["layer.weight_v"][:-1]
    entries = torch_spectral.convolution("layer", "ours", INPUTS, 3)
    with pytest.raises(CheckpointError, match="44 elements instead of 45"):
        mapping.apply(entries, arrays)
    with pytest.raises(CheckpointError, match="no array layer.weight of rank 4"):
        torch_spectral.shape(arrays, "layer.weight", 4)
    assert torch_spectral.shape(arrays, "layer.weight_orig", 4) == (4, 5, 3, 3)
