"""LPIPS: the formula, VGG16 on recipe weights, and the offline distance."""

import json

import numpy as np
import pytest
from support import metric_recipe as recipe

from dglgan_tf.compat import tf
from dglgan_tf.metrics import perceptual, vgg16


@pytest.fixture(scope="module")
def arrays(reference):
    with np.load(reference / "metrics/lpips.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def tensors(reference):
    listed = json.loads((reference / "metrics/lpips_expected.json").read_text())
    return recipe.state_dict(listed["keys"])


@pytest.fixture(scope="module")
def network(tensors):
    made = vgg16.VGG16()
    made.load(tensors)
    return made


def nhwc(x):
    return x.transpose(0, 2, 3, 1)


def test_formula_equals_the_package(arrays):
    found = [
        perceptual.per_tap(
            nhwc(arrays[f"map{i}_0"].astype(np.float64)),
            nhwc(arrays[f"map{i}_1"].astype(np.float64)),
            arrays[f"lin{i}"].astype(np.float64),
        ).numpy()
        for i in range(5)
    ]
    np.testing.assert_allclose(found, arrays["per_layer"], rtol=1e-6)
    np.testing.assert_allclose(sum(found), arrays["distance"], rtol=1e-6)


@pytest.mark.parametrize("lin", ("v01lin", "synlin"))
def test_lpips_equals_the_package(arrays, tensors, network, lin):
    weights = perceptual.heads(tensors)
    if lin == "v01lin":
        weights = perceptual.lpips_heads()
    taps = perceptual.lpips_taps(network)
    pair = [tf.cast(arrays[name], tf.float32) for name in ("img0", "img1")]
    maps = [taps(images) for images in pair]
    found = [
        perceptual.per_tap(*both, weight).numpy()
        for both, weight in zip(zip(*maps, strict=True), weights, strict=True)
    ]
    wanted = arrays[f"lpips_{lin}_per_layer"]
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
    distance = perceptual.Perceptual("vgg16_lpips", taps, weights, "")
    np.testing.assert_allclose(
        distance(arrays["img0"], arrays["img1"]),
        arrays[f"lpips_{lin}_distance"],
        rtol=1e-3,
    )


def test_taps_of_vgg16_equal_the_package(arrays, network):
    maps = perceptual.lpips_taps(network)(tf.cast(arrays["img0"], tf.float32))
    for statistic, key in ((np.mean, "vgg_tap_mean"), (np.std, "vgg_tap_std")):
        found = np.concatenate([statistic(m.numpy(), (1, 2)) for m in maps], axis=1)
        error = np.abs(found - arrays[key]).max() / arrays[key].max()
        assert error < 1e-3


@pytest.mark.parametrize("size", (None, 64, 32, 96))
def test_resized_lpips_equals_torch_fidelity(arrays, tensors, network, size):
    taps = perceptual.lpips_taps(network, size)
    distance = perceptual.Perceptual("x", taps, perceptual.heads(tensors), "")
    found = distance(arrays["img0"], arrays["img1"])
    wanted = arrays[f"torchfidelity_synlin_resize_{size}_f32"]
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_offline_distance_is_zero_for_equal_images_and_grows():
    rng = np.random.default_rng(0)
    image = np.cumsum(rng.normal(0, 8, (3, 32, 32, 1)), axis=2) + 128
    noise = rng.normal(0, 1, image.shape)
    distance = perceptual.build("efficientnet_lite0")
    same, near, far = (
        distance(image.clip(0, 255), (image + step * noise).clip(0, 255))
        for step in (0, 5, 30)
    )
    np.testing.assert_allclose(same, 0, atol=1e-6)
    assert (near > 0).all() and (far > near).all()


def test_hidden_layers_by_a_product_and_missing_weights(tensors):
    """The first hidden layer, read as a 7x7 convolution, flattens channels first."""
    network = vgg16.VGG16(hidden=8)
    rng = np.random.default_rng(0)
    full = dict(tensors)
    full["classifier.0.weight"] = rng.normal(0, 0.01, (8, 25088)).astype(np.float32)
    full["classifier.3.weight"] = np.eye(8, dtype=np.float32)
    full["classifier.0.bias"] = full["classifier.3.bias"] = np.ones(8, np.float32)
    network.load(full)
    image = rng.uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    scaled = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    pooled = tf.nn.max_pool2d(
        network.taps(scaled.astype(np.float32))[-1], 2, 2, "VALID"
    )
    flat = pooled.numpy().transpose(0, 3, 1, 2).reshape(1, -1)
    wanted = np.maximum(flat @ full["classifier.0.weight"].T + 1, 0) + 1
    found = network(image)["features"].numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="not a weight file of VGG16"):
        network.load(tensors, "headless.pth")
    with pytest.raises(ValueError, match="not part of this package"):
        perceptual.build("vgg16_lpips")
    with pytest.raises(ValueError, match="use one of vgg16_lpips, efficientnet_lite0"):
        perceptual.build("inception")


@pytest.mark.slow
def test_one_distance_takes_images_of_several_sizes():
    distance = perceptual.build("efficientnet_lite0")
    for size in (16, 32, 72):
        pair = np.random.default_rng(0).integers(0, 256, (2, 1, size, size, 3))
        assert distance(*pair.astype(np.uint8)) > 0
