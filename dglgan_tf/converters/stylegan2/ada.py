"""stylegan2-ada-pytorch `.pkl` (NVIDIA) to and from our StyleGAN2.

The file is a pickled dict of modules G, D, G_ema. Sizes are read from the arrays; the
modules' own attributes and arguments tell what arrays cannot (clamp, learning-rate
multiplier, filter taps, minibatch-std group).
"""

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.stylegan2 import common, kwargs, nvidia
from dglgan_tf.ops import resample

FORMAT = "stylegan2-ada-pytorch"
ROLES = {"G_ema": "generator_ema", "G": "generator", "D": "discriminator"}
_USUAL = resample.setup_filter(common.DEFAULT_TAPS)


def detect(tree) -> bool:
    """Tells whether a tree holds this format's networks (StyleGAN3's G is none)."""
    if not isinstance(tree, dict):
        return False
    if isinstance(tree.get("init_kwargs"), dict):
        return any(isinstance(tree.get(key), dict) for key in ROLES)
    return any(_is_network(tree.get(key), key) for key in ROLES)


def _is_network(value, key: str) -> bool:
    if not nvidia.is_module(value):
        return False
    try:
        if key == "D":
            nvidia.child(value, "b4")
        else:
            nvidia.child(value, "synthesis", "b4")
    except CheckpointError:
        return False
    return True


def load(tree, config=None) -> result.Loaded:
    """Loads G, D and G_ema; see `mapping` for the contract."""
    parts = {}
    for key, role in ROLES.items():
        value = tree.get(key)
        if value is None:
            continue
        arrays, hints = _table(value, tree, key)
        infer = _discriminator_config if key == "D" else _generator_config
        try:
            settings = infer(arrays, hints)
        except CheckpointError as error:
            raise CheckpointError(f"{key}: {error}") from error
        parts[role] = common.Part(key, settings, arrays)
    entries = {"generator": generator_entries, "discriminator": discriminator_entries}
    return common.load(parts, entries, config)


class _Hints:
    """What a network's modules and arguments say beside their arrays."""

    def __init__(self, kwargs: dict, module=None):
        self.kwargs, self.module = kwargs, module

    def attribute(self, path: tuple[str, ...], name: str, default=None):
        """Returns an attribute of a sub-module; `default` where there is none."""
        if self.module is None:
            return default
        try:
            found = nvidia.attributes(nvidia.child(self.module, *path))
        except CheckpointError:
            return default
        return found.get(name, default)

    def argument(self, group: str | None, name: str, default=None):
        """Returns a constructor argument, `group` naming a nested dict of them."""
        table = self.kwargs if group is None else self.kwargs.get(group)
        table = table if isinstance(table, dict) else {}
        return table.get(name, default)


def _table(value, tree, key):
    if nvidia.is_module(value):
        return nvidia.state_dict(value), _Hints(nvidia.init_kwargs(value), value)
    return value, _Hints(tree["init_kwargs"].get(key) or {})


def _generator_config(arrays, hints) -> dict:
    sides = common.sides(arrays, r"synthesis\.b(\d+)\.")
    constant = common.shape(arrays, "synthesis.b4.const", 3)
    common.check_square(constant[1:], len(sides) - 1)
    top = f"synthesis.b{sides[-1]}"
    if f"{top}.conv1.noise_const" not in arrays:
        raise CheckpointError("a generator without noise inputs is not supported")
    _check_activation(hints, ("synthesis", "b4", "conv1"), "synthesis_kwargs")
    first = common.shape(arrays, "synthesis.b4.const", 3)[0]
    clamp = hints.argument("synthesis_kwargs", "conv_clamp")
    return {
        "resolution": sides[-1],
        "num_channels": common.shape(arrays, f"{top}.torgb.weight", 4)[0],
        "channels": [
            common.shape(arrays, f"synthesis.b{r}.conv1.weight", 4)[0] for r in sides
        ],
        "const_channels": first,
        "architecture": _architecture(arrays, "synthesis.", ".torgb.weight", sides),
        "resample_filter": common.taps(
            hints.argument("synthesis_kwargs", "resample_filter"),
            arrays.get(f"{top}.resample_filter"),
        ),
        "conv_clamp": hints.attribute(
            ("synthesis", f"b{sides[-1]}", "conv1"), "conv_clamp", clamp
        ),
        "w_dim": common.shape(arrays, "mapping.w_avg", 1)[0],
        "w_avg_decay": hints.attribute(
            ("mapping",),
            "w_avg_beta",
            hints.argument("mapping_kwargs", "w_avg_beta", 0.995),
        ),
        **_mapping_config(arrays, hints),
        "z_dim": _z_dim(arrays),
    }


def _z_dim(arrays) -> int:
    total = common.shape(arrays, "mapping.fc0.weight", 2)[1]
    if "mapping.embed.weight" in arrays:
        total -= common.shape(arrays, "mapping.embed.weight", 2)[0]
    return total


def _mapping_config(arrays, hints) -> dict:
    """What both networks' mappings have in common."""
    layers = common.count(arrays, "mapping.fc{}.weight")
    settings = {"mapping_layers": layers, "num_classes": 0}
    if layers > 1:
        width = common.shape(arrays, "mapping.fc0.weight", 2)[0]
        settings["mapping_width"] = width
    if "mapping.embed.weight" in arrays:
        embed, classes = common.shape(arrays, "mapping.embed.weight", 2)
        settings.update(num_classes=classes, embed_width=embed)
    multiplier = hints.argument("mapping_kwargs", "lr_multiplier", 0.01)
    settings["mapping_lr_multiplier"] = hints.attribute(
        ("mapping", "fc0"), "bias_gain", multiplier
    )
    _check_activation(hints, ("mapping", "fc0"), "mapping_kwargs")
    return settings


def _check_activation(hints, path, group):
    activation = hints.argument(group, "activation", "lrelu")
    activation = hints.attribute(path, "activation", activation)
    common.require(activation, ("lrelu",), "the activation")


def _architecture(arrays, prefix, rgb, sides) -> str:
    if any(f"{prefix}b{r}.skip.weight" in arrays for r in sides):
        return "resnet"
    if len(sides) > 1 and f"{prefix}b4{rgb}" not in arrays:
        return "orig"
    return "skip"


def _discriminator_config(arrays, hints) -> dict:
    sides = common.sides(arrays, r"b(\d+)\.")
    width, total = common.shape(arrays, "b4.conv.weight", 4)[:2]
    top = f"b{sides[-1]}"
    _check_activation(hints, ("b4", "conv"), "epilogue_kwargs")
    group = hints.argument("epilogue_kwargs", "mbstd_group_size", 4)
    settings = {
        "resolution": sides[-1],
        "num_channels": common.shape(arrays, f"{top}.fromrgb.weight", 4)[1],
        "channels": [width]
        + [common.shape(arrays, f"b{r}.conv0.weight", 4)[1] for r in sides[1:]],
        "architecture": _architecture(arrays, "", ".fromrgb.weight", sides),
        "resample_filter": common.taps(
            hints.argument("block_kwargs", "resample_filter"),
            arrays.get(f"{top}.resample_filter"),
        ),
        "conv_clamp": hints.attribute(
            ("b4", "conv"), "conv_clamp", hints.argument(None, "conv_clamp")
        ),
        "mbstd_group_size": hints.attribute(("b4", "mbstd"), "group_size", group),
        "mbstd_num_channels": total - width,
        "dense_width": common.shape(arrays, "b4.fc.weight", 2)[0],
        "num_classes": 0,
    }
    if "mapping.embed.weight" in arrays:
        settings.update(_mapping_config(arrays, hints))
        settings["cmap_dim"] = common.shape(arrays, "b4.out.weight", 2)[0]
    return settings


def _dense(source, target, layout=m.TRANSPOSE):
    return [
        m.Entry(f"{source}.weight", f"{target}/kernel", layout),
        m.Entry(f"{source}.bias", f"{target}/bias"),
    ]


def _unused_filter(source):
    """Every convolution has a filter buffer, those that do not resample too."""
    return m.Fixed(f"{source}.resample_filter", _USUAL, checked=False, optional=True)


def _mapping_entries(config) -> list:
    entries = []
    if config["num_classes"]:
        entries += _dense("mapping.embed", "mapping/label_embedding")
    for i in range(config["mapping_layers"]):
        entries += _dense(f"mapping.fc{i}", f"mapping/dense/{i}")
    return entries


def generator_entries(config) -> list:
    """Returns the mapping of a generator with this full configuration."""
    fir = resample.setup_filter(config["resample_filter"])
    entries = [m.Entry("mapping.w_avg", "w_avg"), *_mapping_entries(config)]
    entries.append(m.Entry("synthesis.b4.const", "constant", m.CHW))
    side = 4
    while side <= config["resolution"]:
        source, target = f"synthesis.b{side}", f"blocks/{side}"
        entries.append(m.Fixed(f"{source}.resample_filter", fir))
        if side > 4:
            entries += _styled(f"{source}.conv0", f"{target}/conv0", m.UP_OIHW)
            entries.append(m.Fixed(f"{source}.conv0.resample_filter", fir))
        entries += _styled(f"{source}.conv1", f"{target}/conv1", m.OIHW)
        entries.append(_unused_filter(f"{source}.conv1"))
        if config["architecture"] == "skip" or side == config["resolution"]:
            entries += _dense(f"{source}.torgb", f"{target}/to_rgb", m.OIHW)
            entries += _dense(f"{source}.torgb.affine", f"{target}/to_rgb/affine")
        if config["architecture"] == "resnet" and side > 4:
            # The same flip as conv0's, without effect on a 1x1 kernel.
            entries.append(
                m.Entry(f"{source}.skip.weight", f"{target}/skip/kernel", m.OIHW)
            )
            entries.append(m.Fixed(f"{source}.skip.resample_filter", fir))
        side *= 2
    return entries


def _styled(source, target, layout) -> list:
    return [
        *_dense(source, target, layout),
        *_dense(f"{source}.affine", f"{target}/affine"),
        m.Entry(f"{source}.noise_strength", f"{target}/noise/strength"),
        m.Entry(f"{source}.noise_const", f"{target}/noise/constant"),
    ]


def discriminator_entries(config) -> list:
    """Returns the mapping of a discriminator with this full configuration."""
    fir = resample.setup_filter(config["resample_filter"])
    every = config["architecture"] == "skip"
    entries = _mapping_entries(config) if config["num_classes"] else []
    side = config["resolution"]
    while side >= 4:
        source = f"b{side}"
        target = f"blocks/{side}" if side > 4 else "head"
        if every or side == config["resolution"]:
            entries += _dense(f"{source}.fromrgb", f"{target}/from_rgb", m.OIHW)
            entries.append(_unused_filter(f"{source}.fromrgb"))
        if side > 4:
            entries.append(m.Fixed(f"{source}.resample_filter", fir))
            entries += _dense(f"{source}.conv0", f"{target}/conv0", m.OIHW)
            entries.append(_unused_filter(f"{source}.conv0"))
            entries += _dense(f"{source}.conv1", f"{target}/conv1", m.OIHW)
            entries.append(m.Fixed(f"{source}.conv1.resample_filter", fir))
        if side > 4 and config["architecture"] == "resnet":
            skip = f"{source}.skip"
            entries.append(m.Entry(f"{skip}.weight", f"{target}/skip/kernel", m.OIHW))
            entries.append(m.Fixed(f"{skip}.resample_filter", fir))
        side //= 2
    flat = m.chain(m.TRANSPOSE, m.dense_rows_from_chw(config["channels"][0]))
    entries += _dense("b4.conv", "head/conv", m.OIHW)
    entries.append(_unused_filter("b4.conv"))
    entries += _dense("b4.fc", "head/dense", flat)
    return entries + _dense("b4.out", "head/output_dense")


def export(networks) -> dict:
    """Returns {'G', 'D', 'G_ema': state dict, 'init_kwargs': {key: arguments}}.

    Raises:
      CheckpointError: what this format cannot hold: label tables, widths that do not
        follow channel_base and channel_max (a narrowed generator keeps its constant).
    """
    networks = common.exported(networks, FORMAT)
    tree, arguments = {}, {}
    for key, role in ROLES.items():
        network = networks.get(role)
        if network is None:
            continue
        describe, entries = kwargs.ada_generator, generator_entries
        if key == "D":
            describe = kwargs.ada_discriminator
            entries = discriminator_entries
        arguments[key] = describe(network, FORMAT)
        config = {**network.get_config(), "channels": common.widths(network)}
        tree[key] = m.invert(entries(config), m.arrays_of(network))
    if "G_ema" not in tree and "G" in tree:
        tree["G_ema"], arguments["G_ema"] = tree["G"], arguments["G"]
    return {**tree, "init_kwargs": arguments}
