"""Small networks whose every part has a say in the image."""

import numpy as np

from dglgan_tf.networks import base, biggan, stylegan2

BIGGAN = {"resolution": 32, "ch": 8, "z_dim": 16, "shared_dim": 8, "attention": (16,)}
STYLEGAN2 = {"resolution": 16, "channel_base": 128, "channel_max": 16, "z_dim": 12}
STYLEGAN2 |= {"w_dim": 12, "mapping_layers": 2}


def biggan_generator(num_classes=3, num_channels=1):
    """A BigGAN with moments and gains off their initial values."""
    network = biggan.BigGANGenerator(
        num_classes=num_classes, num_channels=num_channels, **BIGGAN
    )
    return stirred(network)


def stylegan2_generator(num_classes=0, num_channels=3, **config):
    """A StyleGAN2 with noise, biases and mean style off their initial values."""
    network = stylegan2.StyleGAN2Generator(
        num_classes=num_classes, num_channels=num_channels, **STYLEGAN2, **config
    )
    return stirred(network)


def stirred(network):
    """Moves moments, gains, biases and noise off their initial values."""
    random = np.random.RandomState(7)
    for name, variable in base.named_variables(network).items():
        noise = np.float32(random.standard_normal(variable.shape))
        if name.endswith("variance"):
            variable.assign(0.5 + 0.1 * np.abs(noise))
        elif name.endswith(("bias", "strength", "mean", "w_avg", "gamma")):
            variable.assign(0.3 * noise)
    return network
