"""One tiny network of each family for all tests of this folder."""

import pytest
from support import deploy_networks

from dglgan_tf.gallery import view
from dglgan_tf.networks import files


@pytest.fixture(scope="package")
def networks():
    """{family: network}: conditional BigGAN of three classes, plain StyleGAN2."""
    return {
        "biggan": deploy_networks.biggan_generator(),
        "stylegan2": deploy_networks.stylegan2_generator(0, 1),
    }


@pytest.fixture(scope="package")
def views(networks):
    """{family: View}, traced once."""
    return {name: view.View(network, batch=4) for name, network in networks.items()}


@pytest.fixture(scope="package")
def stored(networks, tmp_path_factory):
    """{family: file}."""
    folder = tmp_path_factory.mktemp("networks")
    info = {"class_names": ["coat", "bag", "boot"]}
    for name, network in networks.items():
        path = folder / f"{name}.safetensors"
        files.save_networks(path, {"generator_ema": network}, info)
    return {name: folder / f"{name}.safetensors" for name in networks}
