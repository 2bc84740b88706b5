"""EfficientNet-Lite0 recognises what is in known photographs."""

import importlib.metadata
import os

import numpy as np
import PIL.Image
import pytest

from dglgan_tf.metrics import efficientnet_lite0, extractors

# ImageNet classes
EGYPTIAN_CAT, ESPRESSO, MOPED = 285, 967, 665


def photograph(name):
    """Reads an image that ships in the scikit-image package, without importing it."""
    try:
        files = importlib.metadata.files("scikit-image")
    except importlib.metadata.PackageNotFoundError:
        message = "scikit-image (extra `dev`) is not installed: no known photographs"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    path = next(f for f in files if f.match(f"skimage/data/{name}")).locate()
    return np.asarray(PIL.Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def extractor():
    return extractors.efficientnet_lite0_extractor(batch_size=2)


@pytest.mark.parametrize(
    ("name", "wanted", "probability"),
    (
        ("chelsea.png", EGYPTIAN_CAT, 0.3),
        ("coffee.png", ESPRESSO, 0.8),
        ("motorcycle_left.png", MOPED, 0.3),
    ),
)
def test_known_photographs_have_their_class(extractor, name, wanted, probability):
    features, logits = extractor(photograph(name)[None])
    p = np.exp(logits[0] - logits[0].max())
    p /= p.sum()
    assert p.argmax() == wanted
    assert p[wanted] > probability
    assert features.shape == (1, 1280) and features.min() >= 0


def test_batches_padding_and_grey_images_agree(extractor):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (3, 40, 40, 1), np.uint8)
    together, _ = extractor(grey)
    alone = np.concatenate([extractor(one[None])[0] for one in grey])
    colour, _ = extractor(np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together, colour, rtol=1e-4, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_parameters_before_folding_are_the_published_number():
    """4,652,008 of the published network less two per norm, plus folded biases."""
    network = efficientnet_lite0.load()
    folded = sum(int(np.prod(w.shape)) for w in network.weights)
    norms = sum(
        layer.bias.shape[0]
        for layer in network._flatten_layers()
        if hasattr(layer, "kernel") and layer is not network.classifier
    )
    assert folded + norms == 4_652_008


def test_wrong_input_is_refused(extractor):
    with pytest.raises(ValueError, match="uint8"):
        extractor(np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="1 or 3 channels"):
        extractor(np.zeros((1, 8, 8, 4), np.uint8))
    with pytest.raises(ValueError, match="extractor='inception2' is not known"):
        extractors.build("inception2")


def test_a_weight_file_of_another_network_is_named(tmp_path):
    network = efficientnet_lite0.EfficientNetLite0()
    with pytest.raises(ValueError, match="not a weight file of EfficientNet-Lite0"):
        network.load({"conv1.weight": np.zeros((64, 3, 7, 7))}, "resnet.pth")
