"""One tiny network of each family for all tests of this folder."""

import pytest
from support import deploy_networks

from dglgan_tf.networks import files


@pytest.fixture(scope="package")
def stored(tmp_path_factory):
    """{family: file}."""
    folder = tmp_path_factory.mktemp("networks")
    made = {
        "biggan": deploy_networks.biggan_generator(),
        "stylegan2": deploy_networks.stylegan2_generator(0, 1),
    }
    info = {"class_names": ["coat", "bag", "boot"]}
    for name, network in made.items():
        files.save_networks(
            folder / f"{name}.safetensors", {"generator_ema": network}, info
        )
    return {name: folder / f"{name}.safetensors" for name in made}
