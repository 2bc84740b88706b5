"""BigGAN-PyTorch (`G.pth`, `G_ema.pth`, `D.pth`): in and out.

A folder of state dicts or one of them. Everything but the epsilons follows from names
and shapes; these are taken from `state_dict*.pth` where the folder has one. Standing
statistics of its own batch norm are stored as sums: they are divided by their counter.
"""

import re

import numpy as np

from dglgan_tf.convert import mapping as m
from dglgan_tf.convert import result
from dglgan_tf.convert.errors import CheckpointError, Record, shown

FORMAT = "BigGAN-PyTorch"
IGNORED = (r".*\.(u|sv)[1-9]\d*", r".*\.num_batches_tracked")
_FILES = {"generator": "G.pth", "generator_ema": "G_ema.pth", "discriminator": "D.pth"}
_SYNC = "cross_replica"


def detect(tree) -> bool:
    """Tells whether a tree holds a generator or discriminator of this layout."""
    return any(_is_plain(arrays) for arrays in _state_dicts(tree).values())


def load(tree, config=None) -> result.Loaded:
    """Builds the networks of a folder or of one state dict.

    Args:
      tree: of `reader.read`.
      config: arguments that override what was inferred: the generator's, and under
        'discriminator' the discriminator's.
    """
    from dglgan_tf.networks import biggan

    given = dict(config or {})
    given_d = dict(given.pop("discriminator", None) or {})
    roles, ignored = _roles(_state_dicts(tree))
    hints = _hints(tree)
    networks, settings, notes = {}, {}, []
    for role in ("generator_ema", "generator", "discriminator"):
        if role not in roles:
            continue
        name, arrays = roles[role]
        if role == "discriminator":
            inferred = infer_discriminator(arrays, hints) | given_d
            entries, cls = discriminator_entries(inferred), biggan.BigGANDiscriminator
        else:
            style = norm_style(arrays)
            inferred = infer_generator(arrays, hints) | given
            arrays = _standing(arrays, style, notes)
            entries, cls = generator_entries(inferred, style), biggan.BigGANGenerator
        networks[role] = result.build(cls, inferred, entries, arrays, IGNORED, name)
        settings[role] = networks[role].get_config()
    generator = networks.get("generator_ema", networks.get("generator"))
    raw = networks.get("generator") if "generator_ema" in networks else None
    merged = dict(settings.get("generator_ema", settings.get("generator", {})))
    if "discriminator" in settings:
        merged["discriminator"] = settings["discriminator"]
    if not hints:
        notes.append("no state_dict*.pth: bn_eps 1e-5 and sn_eps 1e-6 are assumed")
    report = {"ignored": ignored, "notes": notes}
    return result.Loaded(
        generator, raw, networks.get("discriminator"), "biggan", merged, report
    )


def export(networks) -> dict:
    """Returns {'G.pth': state dict, ...} with the official names and shapes.

    Args:
      networks: {role: network}, roles 'generator', 'generator_ema', 'discriminator'.

    Raises:
      CheckpointError: a network that the format cannot hold.
    """
    from dglgan_tf.layers import spectral_norm
    from dglgan_tf.networks import base, biggan

    kinds = (biggan.BigGANGenerator, biggan.BigGANDiscriminator)
    tree = {}
    for role, network in networks.items():
        if role not in _FILES or not isinstance(network, kinds):
            raise CheckpointError(
                f"{role} is a {type(network).__name__}: the format holds BigGAN only"
            )
        config = network.get_config()
        _check_exportable(network, config)
        paths = {}
        for path in base.named_variables(network):
            if path.endswith("/u") or path == "u":
                paths[path[: -len("/u")]] = None
        layers = {id(n.u): n for n in spectral_norm.spectral_layers(network)}
        variables = base.named_variables(network)
        sigmas = {
            path: np.reshape(float(layers[id(variables[f"{path}/u"])].sigma()), [1])
            for path in paths
        }
        if role == "discriminator":
            entries = discriminator_entries(config, sigmas)
        else:
            style = "plain" if config["bn_unbiased"] else "mybn"
            entries = generator_entries(config, style, sigmas)
        arrays = m.invert(entries, m.arrays_of(network))
        tree[_FILES[role]] = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
    return tree


# Mapping


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
    layout = biggan_layout.discriminator_blocks(**_layout_arguments(config))
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


_CONVOLUTIONS = (("conv1", "conv1"), ("conv2", "conv2"), ("conv_sc", "shortcut"))


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


# Inference of the configuration


def infer_generator(arrays: dict, hints: dict) -> dict:
    """Returns constructor arguments of a generator's state dict."""
    from dglgan_tf.networks import biggan_layout

    count = _block_count(arrays)
    sizes = {len(w) - 1: size for size, w in biggan_layout.GENERATOR_WIDTHS.items()}
    if count not in sizes:
        raise CheckpointError(
            f"a generator of {count} blocks: BigGAN has {sorted(sizes)}"
        )
    widths = [_shape(arrays, f"blocks.{i}.0.conv1.weight", 4)[1] for i in range(count)]
    image, last = _shape(arrays, "output_layer.2.weight", 4)[:2]
    widths.append(last)
    hidden = [_shape(arrays, f"blocks.{i}.0.conv1.weight", 4)[0] for i in range(count)]
    table = biggan_layout.GENERATOR_WIDTHS[sizes[count]]
    config = _width_arguments(widths, table)
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
    piece = _shape(arrays, "linear.weight", 2)[1]
    gain = _shape(arrays, "blocks.0.0.bn1.gain.weight", 2)
    if "shared.weight" not in arrays:
        return {
            "num_classes": gain[0],
            "shared_embedding": False,
            "hierarchical": False,
            "z_dim": piece,
        }
    num_classes, shared = _shape(arrays, "shared.weight", 2)
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
    first = [_shape(arrays, f"blocks.{i}.0.conv1.weight", 4) for i in range(count)]
    widths = [_shape(arrays, f"blocks.{i}.0.conv2.weight", 4)[0] for i in range(count)]
    inputs, hidden = [s[1] for s in first], [s[0] for s in first]
    config = _width_arguments(widths, biggan_layout.DISCRIMINATOR_WIDTHS[sizes[count]])
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


def _width_arguments(widths, table) -> dict:
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


def _standing(arrays, style, notes) -> dict:
    """Divides sums of standing statistics by their counters."""
    if style != "mybn":
        return arrays
    arrays = dict(arrays)
    divided = 0
    for name in list(arrays):
        if not name.endswith(".accumulation_counter"):
            continue
        count = float(np.reshape(arrays[name], [-1])[0]) if arrays[name].size else 0.0
        stem = name[: -len("accumulation_counter")]
        if not np.isfinite(count) or count < 0:
            raise CheckpointError(f"{name} is {count}")
        for moment in ("stored_mean", "stored_var"):
            if count and f"{stem}{moment}" in arrays:
                arrays[f"{stem}{moment}"] = arrays[f"{stem}{moment}"] / np.float32(
                    count
                )
                divided += 1
    if divided:
        notes.append(f"{divided} standing statistics were divided by their counters")
    return arrays


# The parts of a tree


def _state_dicts(tree) -> dict:
    """Returns {file name: {name: array}} of what may be state dicts."""
    if isinstance(tree, Record) and tree.kind == "folder":
        found = tree.state if isinstance(tree.state, dict) else {}
    else:
        found = {"": tree}
    dicts = {}
    for name, value in found.items():
        if isinstance(value, dict) and not str(name).startswith("state_dict"):
            value = m.strip_prefix(value)
            if value and all(isinstance(a, np.ndarray) for a in value.values()):
                dicts[str(name)] = value
    return dicts


def _is_plain(arrays) -> bool:
    """Tells a state dict of BigGAN.py (BigGANdeep.py has four convolutions)."""
    return (
        "blocks.0.0.conv1.weight" in arrays
        and "linear.weight" in arrays
        and "blocks.0.0.conv3.weight" not in arrays
    )


def _roles(dicts: dict):
    """Returns {role: (file name, arrays)} and the files that were left alone."""
    roles, ignored = {}, []
    for name, arrays in sorted(dicts.items()):
        if not _is_plain(arrays):
            ignored.append(name)
            continue
        if "output_layer.2.weight" not in arrays:
            role = "discriminator"
        else:
            role = "generator_ema" if re.match(r"G_ema", name) else "generator"
        if role in roles:
            raise CheckpointError(
                f"both {shown(roles[role][0])} and {shown(name)} are a {role}: give a "
                "folder with one of them"
            )
        roles[role] = (name or role, arrays)
    return roles, ignored


def _hints(tree) -> dict:
    """Returns the `config` of `state_dict*.pth`, or {}."""
    state = tree.state if isinstance(tree, Record) and tree.kind == "folder" else {}
    for name, value in state.items():
        if str(name).startswith("state_dict") and isinstance(value, dict):
            config = value.get("config")
            return config if isinstance(config, dict) else {}
    return {}


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


def _shape(arrays, name, rank):
    if name not in arrays or arrays[name].ndim != rank:
        raise CheckpointError(f"no array {name} of rank {rank}")
    return arrays[name].shape


def _layout_arguments(config) -> dict:
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


def _check_exportable(network, config):
    """Refuses what BigGAN-PyTorch's constructors cannot build."""
    from dglgan_tf.networks import biggan, biggan_layout

    problem = None
    if config["num_channels"] != 3:
        problem = f"images of {config['num_channels']} channel(s)"
    elif not config["num_classes"]:
        problem = "networks without classes"
    elif isinstance(network, biggan.BigGANDiscriminator):
        layout = biggan_layout.discriminator_blocks(**_layout_arguments(config))
        wide = biggan_layout.discriminator_blocks(config["resolution"], 3, config["ch"])
        thin = biggan_layout.discriminator_blocks(
            config["resolution"], 3, config["ch"], wide=False
        )
        widths = [block.widths for block in layout]
        if widths not in ([b.widths for b in wide], [b.widths for b in thin]):
            problem = "widths that are no multiples of ch"
        labels = biggan_layout.discriminator_sizes(config["resolution"])
        labels = [16] * 4 if config["resolution"] == 32 else labels
        marked = {s for s, b in zip(labels, layout, strict=True) if b.attention}
        if any(
            not b.attention and s in marked for s, b in zip(labels, layout, strict=True)
        ):
            problem = "self-attention after some blocks of one resolution only"
    else:
        table = biggan_layout.GENERATOR_WIDTHS[config["resolution"]]
        widths = [multiple * config["ch"] for multiple in table]
        given = config["channels"] or widths, config["hidden_channels"] or widths[1:]
        if [list(g) for g in given] != [widths, widths[1:]]:
            problem = "widths that are no multiples of ch"
        elif config["output_bn_eps"] != 1e-5:
            problem = f"output_bn_eps={config['output_bn_eps']} (it always uses 1e-5)"
    if problem:
        raise CheckpointError(f"BigGAN-PyTorch cannot hold {problem}")
