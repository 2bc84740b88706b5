"""Width rules and the mapping network's normalization."""

import numpy as np
import pytest

from dglgan_tf.networks import stylegan2_blocks as blocks


def test_widths_follow_the_published_table():
    full = [512, 512, 512, 512, 512, 256, 128, 64, 32]
    for fraction in (1, 2, 4, 8):
        found = blocks.block_widths(1024, 32768, 512, fraction, None)
        assert found == [width // fraction for width in full]


def test_explicit_widths_as_list_or_by_size():
    assert blocks.explicit_widths(16, {"16": 3, 4: 5, 8: 7}) == [5, 7, 3]
    assert blocks.explicit_widths(16, (5, 7, 3)) == [5, 7, 3]
    assert blocks.explicit_widths(16, None) is None
    assert blocks.block_widths(16, 1, 1, 1, [5, 7, 3]) == [5, 7, 3]


@pytest.mark.parametrize("resolution", [0, 2, 12, 1000])
def test_resolutions_are_powers_of_two(resolution):
    with pytest.raises(ValueError, match=f"resolution={resolution}"):
        blocks.resolutions(resolution)


def test_second_moment_is_one():
    x = np.array([[3.0, -4.0], [0.0, 0.0]], np.float32)
    found = blocks.normalize_second_moment(x).numpy()
    np.testing.assert_allclose(found[0], x[0] / np.sqrt(12.5), rtol=1e-6)
    np.testing.assert_array_equal(found[1], [0, 0])
