"""The three resizers against clean-fid's and torch-fidelity's output."""

import json

import numpy as np
import pytest

from dglgan_tf.metrics import resize

KEYS = {
    "clean": ("clean", 1e-3),
    "legacy_pytorch": ("legacy_pytorch", 5e-3),
    "legacy_tensorflow": ("legacy_tensorflow_f32", 1e-3),
}


@pytest.mark.parametrize("mode", resize.MODES)
def test_resized_images_equal_the_packages(reference, mode):
    key, tolerance = KEYS[mode]
    cases = json.loads((reference / "metrics/resize_expected.json").read_text())
    checked = 0
    with np.load(reference / "metrics/resize.npz") as file:
        for name in cases["cases"]:
            found = resize.resize(file[f"{name}_img"][None], 299, mode)
            found = found.numpy()[0].astype(np.float64)
            wanted = cases["cases"][name]["outputs"][key]
            np.testing.assert_allclose(
                found.mean((0, 1)), wanted["mean"], atol=tolerance
            )
            np.testing.assert_allclose(found.std((0, 1)), wanted["std"], atol=tolerance)
            for crop in [k for k in file.files if k.startswith(f"{name}_{key}_crop_")]:
                y, x = map(int, crop.rsplit("_", 2)[1:])
                np.testing.assert_allclose(
                    found[y : y + 16, x : x + 16], file[crop], atol=tolerance, rtol=0
                )
                checked += 1
    assert checked >= 11 * 2


@pytest.mark.parametrize("mode", resize.MODES)
def test_a_constant_image_stays_constant_and_equal_size_is_untouched(mode):
    flat = np.full((1, 7, 9, 1), 200, np.uint8)
    found = resize.resize(flat, 13, mode).numpy()
    np.testing.assert_allclose(found, 200, rtol=1e-6)
    random = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), np.uint8)
    np.testing.assert_array_equal(resize.resize(random, 6, mode).numpy(), random)


def test_shrinking_antialiases_only_in_clean_mode():
    """Stripes of one pixel average out where the filter is stretched."""
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    spread = {m: resize.resize(stripes, 16, m).numpy().std() for m in resize.MODES}
    assert spread["clean"] < 10
    assert resize.resize(stripes, 16, "legacy_tensorflow").numpy().min() == 255


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match="resize='box' must be one of legacy_tens"):
        resize.resize(np.zeros((1, 2, 2, 1), np.uint8), 4, "box")
