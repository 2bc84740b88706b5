"""Discriminators beside a narrowed generator: narrower ones, and one where none is."""

from dglgan_tf.networks import biggan_layout, stylegan2_blocks

_STEP = 8  # widths that are multiples of it run best


def narrowed(entry: dict, share: float) -> dict:
    """Returns the arguments that give a discriminator a share of its widths.

    Args:
      entry: {'class', 'config'} of the wide one.
      share: of each width, above 0.
    """
    config = entry["config"]
    if entry["class"] == "BigGANDiscriminator":
        table = biggan_layout.widths(
            "discriminator",
            biggan_layout.DISCRIMINATOR_WIDTHS,
            config["resolution"],
            config["ch"],
        )
        whole = biggan_layout.override("channels", config.get("channels"), table)
        return {"channels": _scaled(whole, share), "hidden_channels": None}
    whole = stylegan2_blocks.block_widths(
        config["resolution"],
        config.get("channel_base", 32768),
        config.get("channel_max", 512),
        config.get("channels_fraction", 1),
        config.get("channels"),
    )
    return {"channels": _scaled(whole, share)}


def _scaled(widths, share):
    return [min(w, max(_STEP, round(w * share / _STEP) * _STEP)) for w in widths]


def beside(generator: dict) -> dict:
    """Returns class and configuration of a discriminator for a generator's images.

    Args:
      generator: {'class', 'config'} of a StyleGAN2 or BigGAN generator.
    """
    config = generator["config"]
    shared = ("resolution", "num_channels", "num_classes")
    if generator["class"] == "BigGANGenerator":
        shared = (*shared, "ch", "init")
    else:
        shared = (*shared, "channel_base", "channel_max", "channels_fraction")
    kind = generator["class"].replace("Generator", "Discriminator")
    return {"class": kind, "config": {n: config[n] for n in shared if n in config}}
