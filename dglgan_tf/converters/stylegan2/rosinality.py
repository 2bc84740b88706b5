"""rosinality's stylegan2-pytorch `.pt` to and from our StyleGAN2.

State dicts without any configuration: everything is read from names and shapes. Only
the plain unconditional 'skip' generator and 'resnet' discriminator exist, of colour or
grey images. Files without noise maps, which are no learned weights, get drawn ones.
"""

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.stylegan2 import common
from dglgan_tf.ops import resample

FORMAT = "stylegan2-rosinality"
ROLES = {"g_ema": "generator_ema", "g": "generator", "d": "discriminator"}
_NOISE_SEED = 0  # of maps that a file comes without
_MARKS = ("conv1.conv.modulation.weight", "final_linear.1.weight")


def detect(tree) -> bool:
    """Tells whether a tree holds this format's state dicts."""
    if not isinstance(tree, dict):
        return False
    tables = [tree.get(key) for key in ROLES]
    return any(
        isinstance(table, dict)
        and any(mark in table or f"module.{mark}" in table for mark in _MARKS)
        for table in tables
    )


def load(tree, config=None) -> result.Loaded:
    """Loads g_ema, g and d; see `mapping` for the contract."""
    parts, notes = {}, []
    _check_arguments(tree.get("args"))
    for key, role in ROLES.items():
        if not isinstance(tree.get(key), dict):
            continue
        arrays = m.strip_prefix(tree[key])
        infer = _discriminator_config if key == "d" else _generator_config
        try:
            settings = infer(arrays)
            if key != "d":
                arrays |= _noise_maps(arrays, key, settings, notes)
                arrays["latent_avg"] = _mean(tree, key, settings, notes)
        except CheckpointError as error:
            raise CheckpointError(f"{key}: {error}") from error
        parts[role] = common.Part(key, settings, arrays)
    entries = {"generator": generator_entries, "discriminator": discriminator_entries}
    return common.load(parts, entries, config, notes)


def _check_arguments(record):
    arguments = record.state if isinstance(record, Record) else None
    name = arguments.get("arch") if isinstance(arguments, dict) else None
    common.require(name, (None, "stylegan2"), "the architecture")


def _mean(tree, key, settings, notes) -> np.ndarray:
    """The mean style vector: one for g and g_ema (a copy, not an average).

    Files that training wrote lack it.
    """
    mean = tree.get("latent_avg")
    settings["w_avg_known"] = mean is not None
    if mean is not None:
        return np.asarray(mean)
    notes.append(
        f"{key} comes without the mean style vector: truncation needs "
        "estimate_w_avg() first"
    )
    return np.zeros(settings["w_dim"], np.float32)


def _noise_maps(arrays, key, settings, notes) -> dict:
    """Returns the noise maps that a file comes without, drawn from a seed.

    Its author reads such files with `strict=False`, which leaves new maps in place.
    """
    if any(name.startswith("noises.") for name in arrays):
        return {}
    random, side, layer, drawn = np.random.RandomState(_NOISE_SEED), 4, 0, {}
    while side <= settings["resolution"]:
        for _ in range(1 if side == 4 else 2):
            noise = random.standard_normal([1, 1, side, side])
            drawn[f"noises.noise_{layer}"] = noise.astype(np.float32)
            layer += 1
        side *= 2
    notes.append(
        f"{key} comes without noise maps: {layer} were drawn from seed {_NOISE_SEED}"
    )
    return drawn


def _generator_config(arrays) -> dict:
    up = common.count(arrays, "to_rgbs.{}.bias")
    common.check_square(common.shape(arrays, "input.input", 4)[2:], up)
    channels = [common.shape(arrays, "conv1.conv.weight", 5)[1]]
    for j in range(up):
        name = f"convs.{2 * j + 1}.conv.weight"
        channels.append(common.shape(arrays, name, 5)[1])
    layers = common.count({f"style.{0}.weight": 0, **arrays}, "style.{}.weight") - 1
    out, z_dim = common.shape(arrays, "style.1.weight", 2)
    settings = {
        "resolution": 4 << up,
        "num_channels": common.shape(arrays, "to_rgb1.bias", 4)[1],
        "channels": channels,
        "const_channels": common.shape(arrays, "input.input", 4)[1],
        "z_dim": z_dim,
        "w_dim": common.shape(arrays, f"style.{layers}.weight", 2)[0],
        "mapping_layers": layers,
    }
    if layers > 1:
        settings["mapping_width"] = out
    kernel = arrays.get("convs.0.conv.blur.kernel")
    kernel = None if kernel is None else np.asarray(kernel) / 4
    return {**settings, "resample_filter": common.taps(None, kernel)}


def _discriminator_config(arrays) -> dict:
    blocks = common.count({"convs.0.conv1.0.weight": 0, **arrays}, _BLOCK) - 1
    total, width = (common.shape(arrays, "final_conv.0.weight", 4)[i] for i in (1, 0))
    sizes = [common.shape(arrays, _BLOCK.format(b), 4)[1] for b in range(blocks, 0, -1)]
    return {
        "resolution": 4 << blocks,
        "num_channels": common.shape(arrays, "convs.0.0.weight", 4)[1],
        "channels": [width, *sizes],
        "mbstd_group_size": 4,
        "mbstd_num_channels": total - width,
        "dense_width": common.shape(arrays, "final_linear.0.weight", 2)[0],
        "resample_filter": common.taps(None, arrays.get("convs.1.conv2.0.kernel")),
    }


_BLOCK = "convs.{}.conv1.0.weight"
_SCALAR = m.reshape((1,), ())
_KERNEL = m.chain(m.FIRST, m.OIHW)
_UP_KERNEL = m.chain(m.FIRST, m.UP_OIHW)


def _dense(source, target, layout=m.TRANSPOSE) -> list:
    return [
        m.Entry(f"{source}.weight", f"{target}/kernel", layout),
        m.Entry(f"{source}.bias", f"{target}/bias"),
    ]


def _styled(source, target, layer: int, side: int, layout) -> list:
    noise = m.reshape((1, 1, side, side), (side, side))
    return [
        m.Entry(f"{source}.conv.weight", f"{target}/kernel", layout),
        *_dense(f"{source}.conv.modulation", f"{target}/affine"),
        m.Entry(f"{source}.noise.weight", f"{target}/noise/strength", _SCALAR),
        m.Entry(f"{source}.activate.bias", f"{target}/bias"),
        m.Entry(f"noises.noise_{layer}", f"{target}/noise/constant", noise),
    ]


def generator_entries(config) -> list:
    """Returns the mapping of a generator with this full configuration."""
    fir = 4 * resample.setup_filter(config["resample_filter"])
    entries = [m.Entry("latent_avg", "w_avg")]
    for i in range(config["mapping_layers"]):
        entries += _dense(f"style.{i + 1}", f"mapping/dense/{i}")
    constant = m.chain(m.FIRST, m.CHW)
    entries.append(m.Entry("input.input", "constant", constant))
    side, layer = 4, 0
    while side <= config["resolution"]:
        target, up = f"blocks/{side}", layer - 2
        conv1 = f"convs.{layer - 1}" if up >= 0 else "conv1"
        if up >= 0:
            conv0 = f"convs.{up}"
            entries += _styled(conv0, f"{target}/conv0", layer - 1, side, _UP_KERNEL)
            entries.append(m.Fixed(f"{conv0}.conv.blur.kernel", fir))
        entries += _styled(conv1, f"{target}/conv1", layer, side, _KERNEL)
        rgb = f"to_rgbs.{up // 2}" if up >= 0 else "to_rgb1"
        entries.append(
            m.Entry(f"{rgb}.conv.weight", f"{target}/to_rgb/kernel", _KERNEL)
        )
        entries += _dense(f"{rgb}.conv.modulation", f"{target}/to_rgb/affine")
        colours = config["num_channels"]
        bias = m.reshape((1, colours, 1, 1), (colours,))
        entries.append(m.Entry(f"{rgb}.bias", f"{target}/to_rgb/bias", bias))
        if up >= 0:
            entries.append(m.Fixed(f"{rgb}.upsample.kernel", fir))
        side, layer = 2 * side, layer + 2
    return entries


def _conv(weight, bias, target) -> list:
    return [
        m.Entry(f"{weight}.weight", f"{target}/kernel", m.OIHW),
        m.Entry(f"{bias}.bias", f"{target}/bias"),
    ]


def discriminator_entries(config) -> list:
    """Returns the mapping of a discriminator with this full configuration."""
    fir = resample.setup_filter(config["resample_filter"])
    side, block = config["resolution"], 1
    first = f"blocks/{side}" if side > 4 else "head"
    entries = _conv("convs.0.0", "convs.0.1", f"{first}/from_rgb")
    while side > 4:
        source, target = f"convs.{block}", f"blocks/{side}"
        entries += _conv(f"{source}.conv1.0", f"{source}.conv1.1", f"{target}/conv0")
        entries += _conv(f"{source}.conv2.1", f"{source}.conv2.2", f"{target}/conv1")
        skip = f"{source}.skip"
        entries.append(m.Entry(f"{skip}.1.weight", f"{target}/skip/kernel", m.OIHW))
        entries.append(m.Fixed(f"{source}.conv2.0.kernel", fir))
        entries.append(m.Fixed(f"{skip}.0.kernel", fir))
        side, block = side // 2, block + 1
    flat = m.chain(m.TRANSPOSE, m.dense_rows_from_chw(config["channels"][0]))
    entries += _conv("final_conv.0", "final_conv.1", "head/conv")
    entries += _dense("final_linear.0", "head/dense", flat)
    return entries + _dense("final_linear.1", "head/output_dense")


def export(networks) -> dict:
    """Returns {'g_ema', 'g', 'd': state dict, 'latent_avg': [w_dim]}.

    Raises:
      CheckpointError: what this format cannot hold.
    """
    networks = common.exported(networks, FORMAT)
    tree = {}
    for key, role in ROLES.items():
        network = networks.get(role)
        if network is None:
            continue
        config = {**network.get_config(), "channels": common.widths(network)}
        _check_exportable(network, config, key)
        entries = generator_entries if key != "d" else discriminator_entries
        tree[key] = m.invert(entries(config), m.arrays_of(network))
        mean = tree[key].pop("latent_avg", None)
        if mean is not None and network.w_avg_known:
            tree.setdefault("latent_avg", mean)
    if "g_ema" not in tree and "g" in tree:
        tree["g_ema"] = tree["g"]
    return tree


def _check_exportable(network, config, key):
    width = config["channels"][0]
    wanted = {
        "num_classes": 0,
        "num_channels": 3,
        "conv_clamp": None,
        "architecture": "resnet" if key == "d" else "skip",
    }
    if key == "d":
        wanted.update(mbstd_group_size=4, mbstd_num_channels=1)
        inner, layer = int(network.head.dense.kernel.shape[1]), "dense layer"
    else:
        wanted["mapping_lr_multiplier"] = 0.01
        inner, layer = int(network.constant.shape[2]), "4x4 constant"
    for name, value in wanted.items():
        if config[name] != value:
            raise CheckpointError(
                f"{FORMAT} cannot hold {name}={config[name]}, only {value}"
            )
    if inner != width:
        raise CheckpointError(
            f"{FORMAT} cannot hold a {layer} of {inner} units next to {width} "
            "channels, as channels_fraction makes it: use the tf1 layout"
        )
