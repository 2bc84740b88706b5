"""What a Keras user tries on a network: summary, predict, save, load, fit."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support import deploy_networks

from dglgan_tf import api
from dglgan_tf.compat import keras, tf
from dglgan_tf.networks import base, biggan


def _discriminator():
    return biggan.BigGANDiscriminator(32, num_channels=1, num_classes=3, ch=2)


MAKERS = {
    "biggan": deploy_networks.biggan_generator,
    "stylegan2": deploy_networks.stylegan2_generator,
    "discriminator": _discriminator,
}


def _inputs(network):
    random = np.random.RandomState(0)
    shape = [3, getattr(network, "z_dim", 0)]
    if isinstance(network, base.Discriminator):
        shape = [3, network.resolution, network.resolution, network.num_channels]
    first = random.randn(*shape).astype(np.float32)
    if not network.num_classes:
        return first, [first]
    labels = np.arange(3, dtype=np.int32) % network.num_classes
    return [first, labels], [first, labels]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_a_keras_model_does(kind, tmp_path):
    network = MAKERS[kind]()
    lines = []
    network.summary(print_fn=lines.append)  # at once: its weights are there
    assert f"params: {base.count_parameters(network)} (" in "\n".join(lines)
    given, parts = _inputs(network)
    wanted = network(*map(tf.constant, parts)).numpy()
    np.testing.assert_allclose(network.predict(given, verbose=0), wanted, atol=2e-5)
    network.save(tmp_path / "x.keras")
    loaded = keras.models.load_model(tmp_path / "x.keras")
    assert loaded.get_config() == network.get_config()
    network.save_weights(tmp_path / "x.weights.h5")
    other = type(network).from_config(network.get_config())
    before = other(*map(tf.constant, parts)).numpy()
    other.load_weights(tmp_path / "x.weights.h5")
    assert np.abs(before - wanted).max() > 1e-4  # it was another one
    for same in (loaded, other):
        found = same(*map(tf.constant, parts)).numpy()
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(NotImplementedError, match=r"call api\.guide\(student"):
        network.fit(given)


def test_load_keeps_the_keras_model():
    network = api.load("bundled/fashion_biggan_student").network
    assert isinstance(network, keras.Model) and network.built


def test_networks_are_models_of_tf_keras_where_that_is_keras_2():
    code = (
        "import tensorflow as tf\nfrom dglgan_tf.networks import base, stylegan2\n"
        "assert issubclass(base.Network, tf.keras.Model)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
