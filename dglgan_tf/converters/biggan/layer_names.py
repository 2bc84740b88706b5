"""Names, shapes and configuration of BigGAN-PyTorch's state dicts."""

import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters.biggan import torch_spectral

_SYNC = "cross_replica"
_CONVOLUTIONS = (("conv1", "conv1"), ("conv2", "conv2"), ("conv_sc", "shortcut"))


def generator_entries(config: dict, style: str, sigmas=None) -> list:
    """Returns the mapping of a generator.

    Args:
      config: constructor arguments.
      style: how running moments are called: 'plain', 'mybn' or 'cross_replica'.
      sigmas: singular values to write into the log entries `sv0`, by target.
    """
    from dglgan_tf.networks import biggan_layout

    sigmas = sigmas or {}
    widths = biggan_layout.GENERATOR_WIDTHS[config["resolution"]]
    widths = config.get("channels") or [w * config["ch"] for w in widths]
    entries = []
    if config["shared_embedding"]:
        entries.append(m.Entry("shared.weight", "embedding/kernel"))
    rows = m.last_axis_from_chw(widths[0])
    entries += _spectral("linear", "linear", m.chain(m.TRANSPOSE, rows), sigmas, rows)
    for i in range(len(widths) - 1):
        source, target = f"blocks.{i}.0", f"blocks/{i}"
        for theirs, ours in _CONVOLUTIONS:
            entries += _spectral(
                f"{source}.{theirs}", f"{target}/{ours}", m.OIHW, sigmas
            )
        for k in (1, 2):
            entries += _norm(
                f"{source}.bn{k}",
                f"{target}/norm{k}",
                style,
                sigmas,
                not config["shared_embedding"],
            )
        if 8 << i in config["attention"]:
            entries += attention_entries(f"blocks.{i}.1", f"{target}/attention", sigmas)
    entries += [
        m.Entry("output_layer.0.gain", "output_norm/gain"),
        m.Entry("output_layer.0.bias", "output_norm/bias"),
        *_moments("output_layer.0", "output_norm/moments", style),
    ]
    return entries + _spectral("output_layer.2", "output_conv", m.OIHW, sigmas)


def discriminator_entries(config: dict, sigmas=None) -> list:
    """Returns the mapping of a discriminator; see `generator_entries`."""
    from dglgan_tf.networks import biggan_layout

    sigmas = sigmas or {}
    layout = biggan_layout.discriminator_blocks(**layout_arguments(config))
    entries = []
    for i, block in enumerate(layout):
        source, target = f"blocks.{i}.0", f"blocks/{i}"
        names = _CONVOLUTIONS if block.shortcut else _CONVOLUTIONS[:2]
        for theirs, ours in names:
            entries += _spectral(
                f"{source}.{theirs}", f"{target}/{ours}", m.OIHW, sigmas
            )
        if block.attention:
            entries += attention_entries(f"blocks.{i}.1", f"{target}/attention", sigmas)
    entries += _spectral("linear", "linear", m.TRANSPOSE, sigmas)
    if config["num_classes"]:
        entries += _spectral("embed", "embedding", m.IDENTITY, sigmas, bias=False)
    return entries


def _spectral(source, target, kernel, sigmas, rows=m.IDENTITY, bias=True) -> list:
    entries = [m.Entry(f"{source}.weight", f"{target}/kernel", kernel)]
    if bias:
        entries.append(m.Entry(f"{source}.bias", f"{target}/bias", rows))
    sigma = sigmas.get(target, np.zeros([1], np.float32))
    return entries + [
        m.Entry(f"{source}.u0", f"{target}/u", m.chain(m.FIRST, rows)),
        m.Fixed(f"{source}.sv0", sigma, checked=False, optional=True),
    ]


def _norm(source, target, style, sigmas, per_class) -> list:
    maps = []
    for part in ("gain", "bias"):
        if per_class:
            entry = m.Entry(f"{source}.{part}.weight", f"{target}/{part}/kernel")
            maps.append(entry)
        else:
            maps += _spectral(
                f"{source}.{part}", f"{target}/{part}", m.TRANSPOSE, sigmas, bias=False
            )
    moments = _moments(source, f"{target}/moments", style)
    return moments + maps if style == "plain" else maps + moments


def _moments(source, target, style) -> list:
    names = {
        "plain": ("stored_mean", "stored_var"),
        "mybn": ("bn.stored_mean", "bn.stored_var"),
        _SYNC: ("bn.running_mean", "bn.running_var"),
    }[style]
    entries = [
        m.Entry(f"{source}.{names[0]}", f"{target}/mean"),
        m.Entry(f"{source}.{names[1]}", f"{target}/variance"),
    ]
    if style == "mybn":
        counter = f"{source}.bn.accumulation_counter"
        zero = np.zeros([1], np.float32)
        entries.append(m.Fixed(counter, zero, checked=False, optional=True))
    return entries


def attention_entries(source: str, target: str, sigmas=None) -> list:
    """Returns the mapping of one self-attention."""
    entries = [m.Entry(f"{source}.gamma", f"{target}/gamma")]
    for name in ("theta", "phi", "g", "o"):
        entries += _spectral(
            f"{source}.{name}", f"{target}/{name}", m.OIHW, sigmas or {}, bias=False
        )
    return entries


def infer_generator(arrays: dict, hints: dict) -> dict:
    """Returns constructor arguments of a generator's state dict."""
    from dglgan_tf.networks import biggan_layout

    count = _block_count(arrays)
    sizes = {len(w) - 1: size for size, w in biggan_layout.GENERATOR_WIDTHS.items()}
    if count not in sizes:
        raise CheckpointError(
            f"a generator of {count} blocks: BigGAN has {sorted(sizes)}"
        )
    widths = [
        torch_spectral.shape(arrays, f"blocks.{i}.0.conv1.weight", 4)[1]
        for i in range(count)
    ]
    image, last = torch_spectral.shape(arrays, "output_layer.2.weight", 4)[:2]
    widths.append(last)
    hidden = [
        torch_spectral.shape(arrays, f"blocks.{i}.0.conv1.weight", 4)[0]
        for i in range(count)
    ]
    table = biggan_layout.GENERATOR_WIDTHS[sizes[count]]
    config = width_arguments(widths, table)
    if hidden != widths[1:]:
        config["hidden_channels"] = hidden
    config |= {
        "resolution": sizes[count],
        "num_channels": image,
        "attention": [8 << i for i in range(count) if _has_attention(arrays, i)],
        "bn_eps": _hint(hints, "BN_eps", 1e-5),
        "sn_eps": _hint(hints, "SN_eps", 1e-6),
        "bn_unbiased": norm_style(arrays) != "mybn",
        "init": _init(hints.get("G_init")),
    }
    return config | _conditioning(arrays, count)


def _conditioning(arrays, count) -> dict:
    piece = torch_spectral.shape(arrays, "linear.weight", 2)[1]
    gain = torch_spectral.shape(arrays, "blocks.0.0.bn1.gain.weight", 2)
    if "shared.weight" not in arrays:
        return {
            "num_classes": gain[0],
            "shared_embedding": False,
            "hierarchical": False,
            "z_dim": piece,
        }
    num_classes, shared = torch_spectral.shape(arrays, "shared.weight", 2)
    hierarchical = gain[1] != shared
    if hierarchical and gain[1] != shared + piece:
        raise CheckpointError(
            f"conditions of length {gain[1]} are neither the embedding ({shared}) nor "
            f"embedding and a piece of the latent ({piece})"
        )
    return {
        "num_classes": num_classes,
        "shared_embedding": True,
        "shared_dim": shared,
        "hierarchical": hierarchical,
        "z_dim": piece * (count + 1) if hierarchical else piece,
    }


def infer_discriminator(arrays: dict, hints: dict) -> dict:
    """Returns constructor arguments of a discriminator's state dict."""
    from dglgan_tf.networks import biggan_layout

    count = _block_count(arrays)
    sizes = {len(w): size for size, w in biggan_layout.DISCRIMINATOR_WIDTHS.items()}
    if count not in sizes:
        raise CheckpointError(
            f"a discriminator of {count} blocks: BigGAN has {sorted(sizes)}"
        )
    first = [
        torch_spectral.shape(arrays, f"blocks.{i}.0.conv1.weight", 4)
        for i in range(count)
    ]
    widths = [
        torch_spectral.shape(arrays, f"blocks.{i}.0.conv2.weight", 4)[0]
        for i in range(count)
    ]
    inputs, hidden = [s[1] for s in first], [s[0] for s in first]
    config = width_arguments(widths, biggan_layout.DISCRIMINATOR_WIDTHS[sizes[count]])
    config["wide"] = hidden == widths
    if hidden not in (widths, inputs):
        config["hidden_channels"] = hidden
    config |= {
        "resolution": sizes[count],
        "num_channels": inputs[0],
        "num_classes": arrays["embed.weight"].shape[0]
        if "embed.weight" in arrays
        else 0,
        "sn_eps": _hint(hints, "SN_eps", 1e-6),
        "init": _init(hints.get("D_init")),
    }
    attended = [i for i in range(count) if _has_attention(arrays, i)]
    output_sizes = biggan_layout.discriminator_sizes(sizes[count])
    named = [output_sizes[i] for i in attended]
    if [output_sizes.index(size) for size in named] == attended:
        return config | {"attention": named}
    return config | {"attention_blocks": attended}


def width_arguments(widths: list, table) -> dict:
    """Returns `ch`, and `channels` where the widths are no multiples of it."""
    ch = max(1, widths[-1] // table[-1])
    if widths == [multiple * ch for multiple in table]:
        return {"ch": ch}
    return {"ch": ch, "channels": widths}


def norm_style(arrays: dict) -> str:
    """Returns which of the three batch norms wrote a generator's state dict."""
    if "output_layer.0.stored_mean" in arrays:
        return "plain"
    if "output_layer.0.bn.stored_mean" in arrays:
        return "mybn"
    if "output_layer.0.bn.running_mean" in arrays:
        return _SYNC
    raise CheckpointError("the generator has no running statistics of a batch norm")


def _hint(hints, name, default) -> float:
    value = hints.get(name, default)
    usable = isinstance(value, (int, float)) and 0 < value < 1
    return float(value) if usable else default


def _init(value) -> str:
    return (
        {"ortho": "orthogonal", "N02": "N02"}.get(value, "xavier") if value else "N02"
    )


def _block_count(arrays) -> int:
    found = [re.match(r"blocks\.(\d{1,3})\.0\.conv1\.weight$", str(n)) for n in arrays]
    return 1 + max(int(f.group(1)) for f in found if f)


def _has_attention(arrays, i) -> bool:
    return f"blocks.{i}.1.theta.weight" in arrays


def layout_arguments(config: dict) -> dict:
    """Returns the arguments of `biggan_layout.discriminator_blocks`."""
    names = (
        "resolution",
        "num_channels",
        "ch",
        "wide",
        "attention",
        "attention_blocks",
        "channels",
        "hidden_channels",
    )
    return {name: config[name] for name in names if name in config}
