"""Wavelet constants: the identities that define them."""

import numpy as np
import pytest

from dglgan_tf.ops import wavelets


@pytest.mark.parametrize("name, moments", [("SYM2", 2), ("SYM6", 6)])
def test_scaling_filters_are_orthogonal_with_vanishing_moments(name, moments):
    taps = getattr(wavelets, name)
    assert taps.sum() == pytest.approx(2**0.5, abs=1e-9)
    for shift in range(len(taps) // 2):
        product = np.dot(taps[: len(taps) - 2 * shift], taps[2 * shift :])
        assert product == pytest.approx(float(shift == 0), abs=1e-9)
    signs = (-1.0) ** np.arange(len(taps))
    positions = np.linspace(-1, 1, len(taps))
    for moment in range(moments):
        assert np.sum(signs * taps * positions**moment) == pytest.approx(0, abs=1e-8)


def test_octave_bands_sum_to_the_impulse_and_cover_their_octaves():
    bands = wavelets.octave_bands(wavelets.SYM2)
    impulse = np.zeros(bands.shape[1])
    impulse[bands.shape[1] // 2] = 1.0
    np.testing.assert_allclose(bands.sum(0), impulse, atol=1e-12)
    np.testing.assert_allclose(bands, bands[:, ::-1], atol=1e-12)
    spectrum = np.abs(np.fft.rfft(bands, 1024))
    centres = [0, 3 * 512 // 16, 3 * 512 // 8, 512]  # middle of each octave; Nyquist
    assert [int(spectrum[:, c].argmax()) for c in centres] == [0, 1, 2, 3]
