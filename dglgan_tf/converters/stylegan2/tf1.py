"""StyleGAN2's TensorFlow-1 `.pkl` (NVIDIA, and DGL-GAN's fork) to and from ours.

The file is a pickled tuple (G, D, Gs) of `Network` objects with flat variables. All
widths are read from the variables, so `channels_fraction` needs no knowledge of the
fork; arguments tell the minibatch-std group, the filter and learning-rate multipliers.
The later ADA-TF code writes the same container with other defaults and label handling:
told apart by the names of its build functions.
"""

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.stylegan2 import common, kwargs, nvidia

FORMAT = "stylegan2-tf1"
ROLES = {"Gs": "generator_ema", "G": "generator", "D": "discriminator"}
_SYNTHESIS = (
    "G_synthesis_stylegan2",
    "G_synthesis_stylegan2_compress",
    "G_synthesis_stylegan2_distill",
    "G_synthesis",
)
_GENERATORS = ("G_main", "G_main_internal_features")
_DISCRIMINATORS = (
    "D_stylegan2",
    "D_stylegan2_distill",
    "D_stylegan2_internal",
    "D_main",
)
_PROGRESSIVE = ("G_synthesis_stylegan_revised", "D_stylegan", "G_style", "D_basic")
# The fork's distillation networks carry 1x1 kernels that only their loss uses.
_IGNORED = (r"(synthesis/)?\d+x\d+/weight",)


def detect(tree) -> bool:
    """Tells whether a tree holds TF1 networks, of whatever generation."""
    networks = tree if isinstance(tree, (tuple, list)) else ()
    return bool(networks) and all(nvidia.is_tf1_network(n) for n in networks)


def load(tree, config=None) -> result.Loaded:
    """Loads G, D and Gs; see `mapping` for the contract."""
    parts = {}
    for key, role in ROLES.items():
        network = _find(tree, key)
        if network is None:
            continue
        infer = _discriminator_config if key == "D" else _generator_config
        try:
            arrays, arguments, modern = _table(network, key)
            settings = infer(arrays, arguments, modern)
        except CheckpointError as error:
            raise CheckpointError(f"{key}: {error}") from error
        parts[role] = common.Part(key, settings, arrays, _IGNORED)
    if not parts:
        raise CheckpointError(
            "the file holds TF1 networks, but none named G, D or Gs as in StyleGAN2"
        )
    entries = {"generator": generator_entries, "discriminator": discriminator_entries}
    return common.load(parts, entries, config)


def _find(tree, key):
    for index, network in enumerate(tree):
        state = network.state if isinstance(network.state, dict) else {}
        name = state.get("name")
        if name == key or (len(tree) == 3 and ("G", "D", "Gs")[index] == key):
            return network
    return None


def _table(network, key):
    """Returns (variables, arguments, whether ADA-TF's code made the network)."""
    state = network.state if isinstance(network.state, dict) else {}
    arguments = {}
    functions = [state.get("build_func_name")]
    components = state.get("components")
    for part in (components if isinstance(components, dict) else {}).values():
        inner = part.state if nvidia.is_tf1_network(part) else None
        if isinstance(inner, dict):
            arguments.update(_dict(inner.get("static_kwargs")))
            functions.append(inner.get("build_func_name"))
    arguments.update(_dict(state.get("static_kwargs")))
    modern = "G_synthesis" in functions or "D_main" in functions
    _check_functions(functions, key)
    return nvidia.tf1_variables(network), arguments, modern


def _dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def _check_functions(functions, key):
    for name in functions:
        if name in _PROGRESSIVE:
            raise CheckpointError(
                f"{shown(name)} builds a progressive network (StyleGAN1 or StyleGAN2 "
                "configurations A to D); only configurations E and F are supported"
            )
    allowed = _DISCRIMINATORS if key == "D" else _GENERATORS
    wanted = [allowed, *([_SYNTHESIS, ("G_mapping",)] if key != "D" else [])]
    for name in functions:
        if not any(name in group for group in wanted):
            raise CheckpointError(
                f"{shown(name)} builds no plain StyleGAN2 network (a search variant "
                "of a fork, or another model): it is not supported"
            )


def _common_config(arguments, modern, architecture) -> dict:
    for name in ("nonlinearity", "mapping_nonlinearity", "act", "mapping_act"):
        common.require(arguments.get(name, "lrelu"), ("lrelu",), name)
    for name in ("normalize_latents", "use_noise"):
        common.require(arguments.get(name, True), (True,), name)
    return {
        "architecture": architecture,
        "resample_filter": common.taps(arguments.get("resample_kernel")),
        "conv_clamp": arguments.get("conv_clamp") if modern else None,
    }


def _generator_config(arrays, arguments, modern) -> dict:
    sides = common.sides(arrays, r"synthesis/(\d+)x\d+/Conv")
    top = f"synthesis/{sides[-1]}x{sides[-1]}"
    architecture = "orig"
    if "synthesis/4x4/ToRGB/weight" in arrays:
        architecture = "skip"
    elif f"{top}/Skip/weight" in arrays:
        architecture = "resnet"
    widths = [common.shape(arrays, _last_conv(r) + "/weight", 4)[3] for r in sides]
    return {
        **_common_config(arguments, modern, architecture),
        "resolution": sides[-1],
        "num_channels": common.shape(arrays, f"{top}/ToRGB/weight", 4)[3],
        "channels": widths,
        "const_channels": common.shape(arrays, "synthesis/4x4/Const/const", 4)[1],
        "w_dim": common.shape(arrays, "dlatent_avg", 1)[0],
        "w_avg_decay": arguments.get("dlatent_avg_beta", 0.995),
        "mapping_lr_multiplier": arguments.get("mapping_lrmul", 0.01),
        **_latent_config(arrays),
    }


def _last_conv(side: int) -> str:
    return f"synthesis/{side}x{side}/Conv" + ("" if side == 4 else "1")


def _latent_config(arrays) -> dict:
    layers = common.count(arrays, "mapping/Dense{}/weight")
    first, width = common.shape(arrays, "mapping/Dense0/weight", 2)
    settings = {"mapping_layers": layers, "z_dim": first, "num_classes": 0}
    if layers > 1:
        settings["mapping_width"] = width
    if "mapping/LabelConcat/weight" in arrays:
        classes, z_dim = common.shape(arrays, "mapping/LabelConcat/weight", 2)
        settings.update(num_classes=classes, z_dim=z_dim, label_method="concatenation")
    elif "mapping/LabelEmbed/weight" in arrays:
        classes, embed = common.shape(arrays, "mapping/LabelEmbed/weight", 2)
        settings.update(num_classes=classes, z_dim=first - embed, embed_width=embed)
    return settings


def _discriminator_config(arrays, arguments, modern) -> dict:
    sides = common.sides(arrays, r"(\d+)x\d+/(?:Conv|FromRGB)")
    top = f"{sides[-1]}x{sides[-1]}"
    architecture = "orig"
    if len(sides) == 1 or "4x4/FromRGB/weight" in arrays:
        architecture = "skip"
    elif f"{top}/Skip/weight" in arrays:
        architecture = "resnet"
    total, width = common.shape(arrays, "4x4/Conv/weight", 4)[2:]
    widths = [common.shape(arrays, f"{r}x{r}/Conv0/weight", 4)[2] for r in sides[1:]]
    group = arguments.get("mbstd_group_size", None if modern else 4)
    settings = {
        **_common_config(arguments, modern, architecture),
        "resolution": sides[-1],
        "num_channels": common.shape(arrays, f"{top}/FromRGB/weight", 4)[2],
        "channels": [width, *widths],
        "mbstd_group_size": group,
        "mbstd_num_channels": total - width,
        "dense_width": common.shape(arrays, "4x4/Dense0/weight", 2)[1],
    }
    outputs = common.shape(arrays, "Output/weight", 2)[1]
    if "LabelEmbed/weight" in arrays:
        return {**settings, **_label_config(arrays, arguments, outputs)}
    classes = arguments.get("label_size", outputs if outputs > 1 else 0)
    return {**settings, "num_classes": classes, "label_method": "selection"}


def _label_config(arrays, arguments, outputs) -> dict:
    """ADA-TF's mapped labels."""
    classes, embed = common.shape(arrays, "LabelEmbed/weight", 2)
    layers = common.count(arrays, "Mapping{}/weight")
    settings = {
        "num_classes": classes,
        "embed_width": embed,
        "cmap_dim": outputs,
        "mapping_layers": layers,
        "mapping_lr_multiplier": arguments.get("mapping_lrmul", 0.1),
    }
    if layers > 1:
        width = common.shape(arrays, "Mapping0/weight", 2)[1]
        settings["mapping_width"] = width
    return settings


def _weighted(source, target, layout=m.IDENTITY) -> list:
    return [
        m.Entry(f"{source}/weight", f"{target}/kernel", layout),
        m.Entry(f"{source}/bias", f"{target}/bias"),
    ]


def _affine(source, target) -> list:
    return [
        m.Entry(f"{source}/mod_weight", f"{target}/affine/kernel"),
        m.Entry(f"{source}/mod_bias", f"{target}/affine/bias", m.ADD_ONE),
    ]


def _styled(source, target, layer: int, side: int) -> list:
    noise = m.reshape((1, 1, side, side), (side, side))
    return [
        *_weighted(source, target),
        *_affine(source, target),
        m.Entry(f"{source}/noise_strength", f"{target}/noise/strength"),
        m.Entry(f"synthesis/noise{layer}", f"{target}/noise/constant", noise),
    ]


def generator_entries(config) -> list:
    """Returns the mapping of a generator with this full configuration."""
    entries = [m.Entry("dlatent_avg", "w_avg")]
    entries.append(m.Fixed("lod", np.float32(0), checked=False, optional=True))
    if config["num_classes"] and config["label_method"] == "concatenation":
        source = "mapping/LabelConcat/weight"
        entries.append(m.Entry(source, "mapping/label_table"))
    elif config["num_classes"]:
        entries += _weighted("mapping/LabelEmbed", "mapping/label_embedding")
    for i in range(config["mapping_layers"]):
        entries += _weighted(f"mapping/Dense{i}", f"mapping/dense/{i}")
    constant = m.chain(m.FIRST, m.CHW)
    entries.append(m.Entry("synthesis/4x4/Const/const", "constant", constant))
    side, layer = 4, 0
    while side <= config["resolution"]:
        source, target = f"synthesis/{side}x{side}", f"blocks/{side}"
        if side > 4:
            up = f"{source}/Conv0_up"
            entries += _styled(up, f"{target}/conv0", layer - 1, side)
        entries += _styled(_last_conv(side), f"{target}/conv1", layer, side)
        if config["architecture"] == "skip" or side == config["resolution"]:
            entries += _weighted(f"{source}/ToRGB", f"{target}/to_rgb")
            entries += _affine(f"{source}/ToRGB", f"{target}/to_rgb")
        if config["architecture"] == "resnet" and side > 4:
            entries.append(m.Entry(f"{source}/Skip/weight", f"{target}/skip/kernel"))
        side, layer = 2 * side, layer + 2
    return entries


def discriminator_entries(config) -> list:
    """Returns the mapping of a discriminator with this full configuration."""
    entries, side = [], config["resolution"]
    every = config["architecture"] == "skip"
    while side >= 4:
        source = f"{side}x{side}"
        target = f"blocks/{side}" if side > 4 else "head"
        if every or side == config["resolution"]:
            entries += _weighted(f"{source}/FromRGB", f"{target}/from_rgb")
        if side > 4:
            entries += _weighted(f"{source}/Conv0", f"{target}/conv0")
            entries += _weighted(f"{source}/Conv1_down", f"{target}/conv1")
        if side > 4 and config["architecture"] == "resnet":
            entries.append(m.Entry(f"{source}/Skip/weight", f"{target}/skip/kernel"))
        side //= 2
    flat = m.dense_rows_from_chw(config["channels"][0])
    entries += _weighted("4x4/Conv", "head/conv")
    entries += _weighted("4x4/Dense0", "head/dense", flat)
    entries += _weighted("Output", "head/output_dense")
    if config["num_classes"] and config["label_method"] == "projection":
        entries += _weighted("LabelEmbed", "mapping/label_embedding")
        for i in range(config["mapping_layers"]):
            entries += _weighted(f"Mapping{i}", f"mapping/dense/{i}")
    return entries


def export(networks) -> tuple:
    """Returns the networks (G, D, Gs) that are there, as pickled TF1 objects.

    A network narrower by `channels_fraction` names the build functions of DGL-GAN's
    fork. The source text that NVIDIA's own loader executes is not written.

    Raises:
      CheckpointError: what this format cannot hold: a clamp, mapped labels, widths
        that follow no rule of fmap_base, fmap_max and channels_fraction.
    """
    networks = common.exported(networks, FORMAT)
    networks.setdefault("generator_ema", networks.get("generator"))
    networks.setdefault("generator", networks["generator_ema"])
    records = []
    for key in ("G", "D", "Gs"):
        network = networks.get(ROLES[key])
        if network is not None:
            records.append(_record(network, key))
    return tuple(records)


def _record(network, key) -> Record:
    arguments = kwargs.tf1(network, FORMAT)
    config = {**network.get_config(), "channels": common.widths(network)}
    entries = generator_entries if key != "D" else discriminator_entries
    arrays = m.invert(entries(config), m.arrays_of(network))
    fork = "channels_fraction" in arguments
    if key == "D":
        function = "D_stylegan2_distill" if fork else "D_stylegan2"
        return _network(key, function, arguments, arrays)
    function = "G_synthesis_stylegan2" + ("_compress" if fork else "")
    components = {}
    for part, build in (("synthesis", function), ("mapping", "G_mapping")):
        prefix = f"{part}/"
        own = {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
        components[part] = _network(f"G_{part}", build, arguments, own)
    own = {n: a for n, a in arrays.items() if "/" not in n}
    return _network(key, "G_main", arguments, own, components)


def _network(name, function, arguments, arrays, components=None) -> Record:
    state = {
        "version": 4,
        "name": name,
        "static_kwargs": dict(arguments),
        "components": components or {},
        "build_module_src": "",
        "build_func_name": function,
        # Scalars are numpy scalars in these files.
        "variables": [(n, a if a.ndim else a[()]) for n, a in arrays.items()],
    }
    return Record(nvidia.TF1_NETWORK, state)
