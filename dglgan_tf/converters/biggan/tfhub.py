"""TF-Hub's biggan-128, -256 and -512: generator only, from TensorFlow variables.

Layout from documentation: the names come from public converters, no real file was at
hand. Moving averages are taken where the file has them, moments are divided by their
counter. The condition there is latent first, class second; here the class comes first.
"""

import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.biggan import torch_spectral

FORMAT = "TF-Hub BigGAN (layout from documentation)"
IGNORED = (r"global_step", r".*/accumulation_counter", r".*/update_accumulators")
_LINEAR = "Generator/G_Z/G_linear"
_DEEP = "Generator/GenZ/G_linear/w"


def detect(tree) -> bool:
    """Tells whether a tree holds these variables."""
    arrays = _variables(tree)
    return f"{_LINEAR}/w" in arrays or _DEEP in arrays


def load(tree, config=None) -> result.Loaded:
    """Builds the generator.

    Args:
      tree: of `reader.read`.
      config: constructor arguments that override what was inferred.

    Raises:
      CheckpointError: biggan-deep, whose moments are no variables, or names and shapes
        that are not this network's.
    """
    from dglgan_tf.networks import biggan

    arrays = _variables(tree)
    if _DEEP in arrays:
        raise CheckpointError(
            "biggan-deep of TF-Hub keeps its batch-norm moments in the graph, not in "
            "variables: take the same weights from pytorch-pretrained-BigGAN"
        )
    with result.described("the generator"):
        arrays = _divided(arrays)
        inferred = infer(arrays) | dict(config or {})
        entries = generator_entries(inferred)
    network = result.build(
        biggan.BigGANGenerator, inferred, entries, arrays, IGNORED, "the generator"
    )
    notes = ["layout from documentation", "the format holds no discriminator"]
    return result.Loaded(
        network, None, None, "biggan", network.get_config(), {"notes": notes}
    )


def generator_entries(config: dict) -> list:
    """Returns the mapping for constructor arguments `config`."""
    from dglgan_tf.networks import biggan_layout

    count = len(biggan_layout.GENERATOR_WIDTHS[config["resolution"]]) - 1
    piece = config["z_dim"] // (count + 1)
    swap = m.Transform(
        lambda a: np.concatenate([a[piece:], a[:piece]]),
        lambda a: np.concatenate([a[-piece:], a[:-piece]]),
    )
    entries = [m.Entry("linear/w", "embedding/kernel")]
    entries += _spectral(_LINEAR, "linear")
    for i in range(count):
        source = "Generator/GBlock" + (f"_{i}" if i else "")
        for theirs, ours in (
            ("conv0", "conv1"),
            ("conv1", "conv2"),
            ("conv_sc", "shortcut"),
        ):
            entries += _spectral(f"{source}/{theirs}", f"blocks/{i}/{ours}")
        for k, ending in ((1, ""), (2, "_1")):
            target = f"blocks/{i}/norm{k}"
            for theirs, ours in (("gamma", "gain"), ("beta", "bias")):
                name = f"{source}/HyperBN{ending}/{theirs}"
                entries += _spectral(name, f"{target}/{ours}", swap, bias=False)
            entries += _moments(f"{source}/CrossReplicaBN{ending}", target)
        if 8 << i in config["attention"]:
            target = f"blocks/{i}/attention"
            entries.append(m.Entry("Generator/attention/gamma", f"{target}/gamma"))
            for theirs in ("theta", "phi", "g", "o_conv"):
                entries += _spectral(
                    f"Generator/attention/{theirs}",
                    f"{target}/{theirs[0] if theirs == 'o_conv' else theirs}",
                    bias=False,
                )
    norm = "Generator/ScaledCrossReplicaBN"
    return [
        *entries,
        m.Entry(f"{norm}/gamma", "output_norm/gain", _FLAT),
        m.Entry(f"{norm}/beta", "output_norm/bias", _FLAT),
        *_moments(f"{norm}bn", "output_norm"),
        *_spectral("Generator/conv_2d", "output_conv"),
    ]


_FLAT = m.Transform(lambda a: a.reshape(-1), lambda a: a)


def _spectral(source, target, kernel=m.IDENTITY, bias=True):
    entries = [m.Entry(f"{source}/w", f"{target}/kernel", kernel)]
    if bias:
        entries.append(m.Entry(f"{source}/b", f"{target}/bias"))
    return [*entries, m.Entry(f"{source}/u0", f"{target}/u", _FLAT)]


def _moments(source, target):
    return [
        m.Entry(f"{source}/accumulated_mean", f"{target}/moments/mean", _FLAT),
        m.Entry(f"{source}/accumulated_var", f"{target}/moments/variance", _FLAT),
    ]


def infer(arrays: dict) -> dict:
    """Returns constructor arguments."""
    from dglgan_tf.networks import biggan_layout

    found = [re.match(r"Generator/GBlock(?:_(\d{1,3}))?/conv0/w$", n) for n in arrays]
    count = sum(1 for f in found if f)
    sizes = {len(w) - 1: size for size, w in biggan_layout.GENERATOR_WIDTHS.items()}
    if count not in sizes:
        raise CheckpointError(f"a generator of {count} blocks: there are {list(sizes)}")
    table = biggan_layout.GENERATOR_WIDTHS[sizes[count]]
    last, image = torch_spectral.shape(arrays, "Generator/conv_2d/w", 4)[2:]
    piece = torch_spectral.shape(arrays, f"{_LINEAR}/w", 2)[0]
    num_classes, shared = torch_spectral.shape(arrays, "linear/w", 2)
    config = {
        "resolution": sizes[count],
        "num_channels": image,
        "num_classes": num_classes,
        "ch": max(1, last // table[-1]),
        "z_dim": piece * (count + 1),
        "shared_dim": shared,
        "attention": [],
        "bn_eps": 1e-4,
        "output_bn_eps": 1e-4,
        "sn_eps": 1e-4,
        "bn_unbiased": False,
    }
    if "Generator/attention/theta/w" in arrays:
        width = torch_spectral.shape(arrays, "Generator/attention/theta/w", 4)[2]
        places = [i for i, w in enumerate(table[1:]) if w * config["ch"] == width]
        if not places:
            raise CheckpointError(f"attention on {width} channels fits no block")
        config["attention"] = [8 << places[-1]]
    return config


def _variables(tree) -> dict:
    """Returns {name: array}: without prefix, moving averages in place of values."""
    if not isinstance(tree, Record) or tree.kind != "tf_variables":
        return {}
    arrays = m.strip_prefix(tree.state, "module/")
    plain, averages = {}, {}
    for name, array in arrays.items():
        found = re.match(r"(.+)/ema_(?:b?)[\d.]+$", name)
        if found:
            averages[found.group(1)] = array
        else:
            plain[name] = array
    return plain | averages


def _divided(arrays) -> dict:
    arrays = dict(arrays)
    for name in list(arrays):
        if not name.endswith("/accumulation_counter"):
            continue
        count = float(np.reshape(arrays[name], [-1])[0]) if arrays[name].size else 0.0
        stem = name[: -len("accumulation_counter")]
        for moment in ("accumulated_mean", "accumulated_var"):
            if count > 0 and f"{stem}{moment}" in arrays:
                arrays[f"{stem}{moment}"] = arrays[f"{stem}{moment}"] / np.float32(
                    count
                )
    return arrays
