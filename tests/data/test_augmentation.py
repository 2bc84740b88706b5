"""Data augmentation by keras-cv and tensorflow-addons, where they are installed."""

import numpy as np
import pytest

from dglgan_tf import compat
from dglgan_tf.compat import tf
from dglgan_tf.data import augmentation, pipeline, sources


def _installed(load):
    try:
        return load()
    except ImportError as error:
        pytest.skip(str(error))


def _batch(map_fn):
    dataset = pipeline.make_dataset(sources.embedded(), 8, shuffle=False, map_fn=map_fn)
    return next(iter(dataset))


@pytest.mark.slow
def test_keras_cv_moves_the_images_by_what_was_asked():
    _installed(compat.keras_cv)
    shifted = augmentation.keras_cv_layers(
        {
            "RandomTranslation": {
                "height_factor": (0.125, 0.125),
                "width_factor": 0.0,
                "fill_mode": "constant",
                "fill_value": -1.0,
            }
        }
    )
    before, after = _batch(None), _batch(shifted)
    # An eighth of 32 pixels down: the rows move by four, black comes in.
    np.testing.assert_allclose(
        after["images"][:, 4:], before["images"][:, :-4], atol=1e-5
    )
    np.testing.assert_allclose(after["images"][:, :4], -1.0, atol=1e-5)
    np.testing.assert_array_equal(after["labels"], before["labels"])


def test_unknown_layers_are_named():
    _installed(compat.keras_cv)
    with pytest.raises(ValueError, match="RandomFlop.*RandomFlip"):
        augmentation.keras_cv_layers({"RandomFlop": {}})
    with pytest.raises(ValueError, match="RandomFlip.*wide"):
        augmentation.keras_cv_layers({"RandomFlip": {"wide": 1}})


def test_rotation_keeps_the_centre_and_moves_the_rest():
    _installed(compat.tensorflow_addons)
    turn = augmentation.addons_rotation(degrees=30.0)
    image = np.full([1, 9, 9, 1], -1.0, np.float32)
    image[0, 4] = 1.0  # a horizontal bar
    found = turn({"images": tf.constant(image)})["images"].numpy()
    assert found[0, 4, 4, 0] == pytest.approx(1.0, abs=1e-4)
    assert np.abs(found - image).max() > 0.5
    still = augmentation.addons_rotation(degrees=0.0)
    kept = still({"images": tf.constant(image)})["images"].numpy()
    np.testing.assert_allclose(kept, image, atol=1e-5)
    with pytest.raises(ValueError, match="degrees=-1"):
        augmentation.addons_rotation(degrees=-1.0)
