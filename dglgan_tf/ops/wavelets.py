"""Orthogonal wavelet filters (Daubechies' symlets), as NumPy constants.

A scaling filter h sums to sqrt(2) and is orthogonal to its own even shifts.
"""

import numpy as np

# Least asymmetric wavelets of Daubechies, "Ten Lectures on Wavelets", table 6.3.
SYM2 = np.array(
    [(1 + 3**0.5), (3 + 3**0.5), (3 - 3**0.5), (1 - 3**0.5)], np.float64
) / (4 * 2**0.5)
SYM6 = np.array(
    [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ],
    np.float64,
)


def octave_bands(scaling: np.ndarray, levels: int = 3) -> np.ndarray:
    """Returns zero-phase filters that split a signal into octaves and sum to it.

    With L(z) = h(z) h(1/z) / 2 (low pass) and U(z) = 1 - L(z) (high pass), the bands
    are L(z) L(z^2) ... L(z^2^(levels-1)), then U at each level, the finest last.

    Args:
      scaling: [taps] float64, the orthogonal scaling filter h.
      levels: number of splits.

    Returns:
      [levels + 1, taps] float64, odd length, centred; lowest frequencies first. The
      bands sum to the unit impulse.
    """
    low = np.convolve(scaling, scaling[::-1]) / 2
    high = -low
    high[len(low) // 2] += 1.0
    rest, bands = np.ones(1), []
    for level in range(levels):
        step = 2**level
        bands.append(np.convolve(rest, _stretch(high, step)))
        rest = np.convolve(rest, _stretch(low, step))
    bands.append(rest)
    taps = max(len(band) for band in bands)
    centred = [np.pad(band, (taps - len(band)) // 2) for band in bands]
    return np.stack(centred[::-1])


def _stretch(filter_, step):
    stretched = np.zeros((len(filter_) - 1) * step + 1)
    stretched[::step] = filter_
    return stretched
