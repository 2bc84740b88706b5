"""BigGAN-PyTorch (`G.pth`, `G_ema.pth`, `D.pth`): in and out.

A folder of state dicts or one of them. Everything but the epsilons follows from names
and shapes; these are taken from `state_dict*.pth` where the folder has one. Standing
statistics of its own batch norm are stored as sums: they are divided by their counter.
"""

import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.biggan import layer_names

FORMAT = "BigGAN-PyTorch"
# DGL-GAN's students carry 1x1 convolutions for the alignment with a teacher.
IGNORED = (
    r".*\.(u|sv)[1-9]\d*",
    r".*\.num_batches_tracked",
    r"trans_convs\.\d+\.(weight|bias)",
)
generator_entries = layer_names.generator_entries
discriminator_entries = layer_names.discriminator_entries
_FILES = {"generator": "G.pth", "generator_ema": "G_ema.pth", "discriminator": "D.pth"}


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
        with result.described(name):
            if role == "discriminator":
                inferred = layer_names.infer_discriminator(arrays, hints) | given_d
                entries, cls = (
                    layer_names.discriminator_entries(inferred),
                    biggan.BigGANDiscriminator,
                )
            else:
                style = layer_names.norm_style(arrays)
                inferred = layer_names.infer_generator(arrays, hints) | given
                arrays = _standing(arrays, style, notes)
                entries, cls = (
                    layer_names.generator_entries(inferred, style),
                    biggan.BigGANGenerator,
                )
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
            entries = layer_names.discriminator_entries(config, sigmas)
        else:
            style = "plain" if config["bn_unbiased"] else "mybn"
            entries = layer_names.generator_entries(config, style, sigmas)
        arrays = m.invert(entries, m.arrays_of(network))
        tree[_FILES[role]] = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
    return tree


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
            if _is_state_dict(value):
                dicts[str(name)] = value
    return dicts


def _is_state_dict(value: dict) -> bool:
    return bool(value) and all(
        isinstance(name, str) and isinstance(a, np.ndarray) and a.dtype.kind in "fiu"
        for name, a in value.items()
    )


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


def _check_exportable(network, config):
    """Refuses what BigGAN-PyTorch's constructors cannot build."""
    from dglgan_tf.networks import biggan, biggan_layout

    problem = None
    if config["num_channels"] != 3:
        problem = f"images of {config['num_channels']} channel(s)"
    elif not config["num_classes"]:
        problem = "networks without classes"
    elif isinstance(network, biggan.BigGANDiscriminator):
        layout = biggan_layout.discriminator_blocks(
            **layer_names.layout_arguments(config)
        )
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
