"""Our StyleGAN2 networks as constructor arguments of NVIDIA's code, or a refusal."""

import numpy as np

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters.stylegan2 import common

_FRACTIONS = range(1, 65)


def ada_generator(network, form: str) -> dict:
    """Returns the arguments of stylegan2-ada-pytorch's generator.

    Raises:
      CheckpointError: that class has no such network.
    """
    widths = common.widths(network)
    require_mean(network, form)
    if network.num_classes and network.label_method != "embedding":
        raise CheckpointError(f"{form} cannot hold label concatenation")
    constant = int(network.constant.shape[2])
    if constant != widths[0]:
        raise CheckpointError(
            f"{form} cannot hold a 4x4 constant of {constant} channels before a "
            f"layer of {widths[0]}, as channels_fraction makes it: use the tf1 layout"
        )
    return {
        **_ada_images(network),
        "z_dim": network.z_dim,
        "w_dim": network.w_dim,
        "mapping_kwargs": {
            **_ada_mapping(network, network.w_dim),
            "w_avg_beta": network.w_avg_decay,
        },
        "synthesis_kwargs": {
            **_ada_widths(widths, form),
            "num_fp16_res": 0,
            "conv_clamp": network.conv_clamp,
            "architecture": network.architecture,
            "resample_filter": np.asarray(network.resample_filter).tolist(),
        },
    }


def ada_discriminator(network, form: str) -> dict:
    """Returns the arguments of stylegan2-ada-pytorch's discriminator.

    Raises:
      CheckpointError: that class has no such network.
    """
    widths = common.widths(network)
    dense = int(network.head.dense.kernel.shape[1])
    if network.num_classes and network.label_method != "projection":
        raise CheckpointError(f"{form} cannot hold one output for each class")
    if dense != widths[0]:
        raise CheckpointError(
            f"{form} cannot hold a dense layer of {dense} units after {widths[0]} "
            "channels: use the tf1 layout"
        )
    cmap = network.cmap_dim or widths[0]
    return {
        **_ada_images(network),
        **_ada_widths(widths, form),
        "architecture": network.architecture,
        "num_fp16_res": 0,
        "conv_clamp": network.conv_clamp,
        "cmap_dim": cmap if network.num_classes else None,
        "block_kwargs": {
            "resample_filter": np.asarray(network.resample_filter).tolist()
        },
        "mapping_kwargs": _ada_mapping(network, cmap) if network.num_classes else {},
        "epilogue_kwargs": {
            "mbstd_group_size": network.mbstd_group_size,
            "mbstd_num_channels": network.mbstd_num_channels,
        },
    }


def require_mean(network, form: str) -> None:
    """Refuses weights without the mean style vector, which the format always has.

    Raises:
      CheckpointError: with what to do.
    """
    if not network.w_avg_known:
        raise CheckpointError(
            f"{form} holds the mean style vector, which these weights came without: "
            "call estimate_w_avg() first"
        )


def _ada_images(network) -> dict:
    return {
        "c_dim": network.num_classes,
        "img_resolution": network.resolution,
        "img_channels": network.num_channels,
    }


def _ada_mapping(network, width) -> dict:
    return {
        "num_layers": network.mapping_layers,
        "embed_features": network.embed_width or width,
        "layer_features": network.mapping_width or width,
        "lr_multiplier": network.mapping_lr_multiplier,
    }


def _ada_widths(widths, form) -> dict:
    """Returns channel_base and channel_max that give these widths."""
    sizes = {4 << k: width for k, width in enumerate(widths)}
    base, top = max(w * side for side, w in sizes.items()), max(widths)
    if any(min(base // side, top) != w for side, w in sizes.items()):
        raise CheckpointError(
            f"{form} cannot hold widths {sizes}: it knows min(channel_base // R, "
            "channel_max) only"
        )
    return {"channel_base": base, "channel_max": top}


def tf1(network, form: str) -> dict:
    """Returns the static arguments of the TF1 code's G or D.

    Raises:
      CheckpointError: that code has no such network.
    """
    is_generator = isinstance(network, common.GENERATOR)
    method = "concatenation" if is_generator else "selection"
    if network.conv_clamp is not None:
        raise CheckpointError(f"{form} cannot hold conv_clamp={network.conv_clamp}")
    if network.num_classes and network.label_method != method:
        raise CheckpointError(
            f"{form} cannot hold labels by {network.label_method}, only by {method}"
        )
    if is_generator:
        require_mean(network, form)
    taps = np.asarray(network.resample_filter)
    if taps.ndim != 1:
        raise CheckpointError(f"{form} cannot hold a filter that is a matrix")
    arguments = {
        "num_channels": network.num_channels,
        "resolution": network.resolution,
        "label_size": network.num_classes,
        "architecture": network.architecture,
        "resample_kernel": taps.tolist(),
        **_tf1_widths(network, is_generator),
    }
    if not is_generator:
        arguments["mbstd_group_size"] = network.mbstd_group_size
        arguments["mbstd_num_features"] = network.mbstd_num_channels
        return arguments
    return {
        **arguments,
        "latent_size": network.z_dim,
        "dlatent_size": network.w_dim,
        "mapping_layers": network.mapping_layers,
        "mapping_fmaps": network.mapping_width or network.w_dim,
        "mapping_lrmul": network.mapping_lr_multiplier,
        "dlatent_avg_beta": network.w_avg_decay,
    }


def _tf1_widths(network, is_generator) -> dict:
    """Returns fmap_base, fmap_max and, for a narrowed network, channels_fraction.

    nf(stage) = min(fmap_base >> stage, fmap_max); everything is nf // fraction except
    the generator's 4x4 constant; the discriminator's dense layer continues to nf(0).
    """
    widths = common.widths(network)
    if is_generator:
        extra = int(network.constant.shape[2])
    else:
        extra = int(network.head.dense.kernel.shape[1])

    def rule(base, top, fraction):
        stages = [min(base >> (k + 1), top) for k in range(len(widths))]
        whole = stages[0] if is_generator else min(base, top) // fraction
        return [width // fraction for width in stages], whole

    for fraction in _FRACTIONS:
        top = fraction * max(widths)
        base = fraction * max(w << (k + 1) for k, w in enumerate(widths))
        for choice in ((base, top), (base, extra), (fraction * extra, top)):
            if rule(*choice, fraction) == (widths, extra):
                found = {"fmap_base": choice[0], "fmap_max": choice[1]}
                if fraction > 1:
                    found["channels_fraction"] = fraction
                return found
    return {}  # explicit widths: only the variables' shapes tell them
