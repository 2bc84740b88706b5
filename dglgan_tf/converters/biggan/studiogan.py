"""StudioGAN's BigGAN: generators and discriminators of its `big_resnet` backbone.

Layout from documentation: names and shapes follow the public model definition, no real
file was at hand. Its networks use torch's spectral_norm (both singular vectors stored)
and batch norm with eps 1e-4; the condition is class first, latent second, as here.
"""

import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.biggan import layer_names, torch_spectral

FORMAT = "StudioGAN BigGAN (layout from documentation)"
IGNORED = (r".*\.num_batches_tracked",)
_COMMON = {"sn_eps": 1e-6, "stored_vectors": True}
_CONVOLUTIONS = (("conv2d1", "conv1"), ("conv2d2", "conv2"), ("conv2d0", "shortcut"))
_ATTENTION = (("theta", "theta"), ("phi", "phi"), ("g", "g"), ("attn", "o"))


def detect(tree) -> bool:
    """Tells whether a tree holds such a generator or discriminator."""
    return any(_role("", arrays) for arrays in _state_dicts(tree).values())


def load(tree, config=None) -> result.Loaded:
    """Builds the networks of a folder or of one file.

    Args:
      tree: of `reader.read`.
      config: arguments that override what was inferred: the generator's, and under
        'discriminator' the discriminator's.
    """
    from dglgan_tf.networks import biggan

    given = dict(config or {})
    given_d = dict(given.pop("discriminator", None) or {})
    networks, ignored = {}, []
    for name, arrays in sorted(_state_dicts(tree).items()):
        role = _role(name, arrays)
        if role is None:
            ignored.append(name)
            continue
        if role in networks:
            raise CheckpointError(f"{shown(name)} is a second {role}: give one of them")
        with result.described(name or role):
            if role == "discriminator":
                cls, inferred = biggan.BigGANDiscriminator, infer_discriminator(arrays)
                inferred |= given_d
                entries = discriminator_entries(inferred, arrays)
            else:
                cls, inferred = biggan.BigGANGenerator, infer_generator(arrays) | given
                entries = generator_entries(inferred, arrays)
        what = name or role
        networks[role] = result.build(cls, inferred, entries, arrays, IGNORED, what)
    generator = networks.get("generator_ema", networks.get("generator"))
    raw = networks.get("generator") if "generator_ema" in networks else None
    discriminator = networks.get("discriminator")
    merged = generator.get_config() if generator is not None else {}
    if discriminator is not None:
        merged["discriminator"] = discriminator.get_config()
    report = {"ignored": ignored, "notes": ["layout from documentation"]}
    return result.Loaded(generator, raw, discriminator, "biggan", merged, report)


# Mapping


def generator_entries(config: dict, arrays: dict) -> list:
    """Returns the mapping of a generator.

    Args:
      config: constructor arguments.
      arrays: the state dict, for the numbering of blocks and attention.
    """
    blocks, attended = _numbering(arrays)
    widths = _generator_widths(arrays, blocks)
    rows = m.last_axis_from_chw(widths[0])
    kernel = m.chain(m.TRANSPOSE, rows)
    entries = [
        m.Entry("shared.weight", "embedding/kernel"),
        *torch_spectral.spectral("linear0", "linear", kernel, left=rows),
    ]
    for i, number in enumerate(blocks):
        source, target = f"blocks.{number}.0", f"blocks/{i}"
        entries += _block(source, target, widths[i], widths[i + 1])
        for k in (1, 2):
            norm, ours = f"{source}.bn{k}", f"{target}/norm{k}"
            entries += _moments(f"{norm}.bn", ours)
            for part in ("gain", "bias"):
                entries += torch_spectral.spectral(
                    f"{norm}.{part}", f"{ours}/{part}", m.TRANSPOSE, bias=False
                )
        if i in attended:
            entries += _attention(attended[i], f"{target}/attention", widths[i + 1])
    return [
        *entries,
        m.Entry("bn4.weight", "output_norm/gain"),
        m.Entry("bn4.bias", "output_norm/bias"),
        *_moments("bn4", "output_norm"),
        *torch_spectral.convolution("conv2d5", "output_conv", widths[-1], 3),
    ]


def discriminator_entries(config: dict, arrays: dict) -> list:
    """Returns the mapping of a discriminator; see `generator_entries`."""
    from dglgan_tf.networks import biggan_layout

    layout = biggan_layout.discriminator_blocks(**layer_names.layout_arguments(config))
    blocks, attended = _numbering(arrays)
    entries = []
    for i, (number, block) in enumerate(zip(blocks, layout, strict=True)):
        inputs, hidden, outputs = block.widths
        target = f"blocks/{i}"
        entries += _block(
            f"blocks.{number}.0", target, inputs, hidden, shortcut=block.shortcut
        )
        if i in attended:
            entries += _attention(attended[i], f"{target}/attention", outputs)
    entries += torch_spectral.spectral("linear1", "linear", m.TRANSPOSE)
    if config["num_classes"]:
        entries += torch_spectral.spectral(
            "embedding", "embedding", m.IDENTITY, bias=False
        )
    return entries


def _block(source, target, inputs, hidden, shortcut=True):
    entries = []
    for theirs, ours in _CONVOLUTIONS if shortcut else _CONVOLUTIONS[:2]:
        width = hidden if ours == "conv2" else inputs
        size = 1 if ours == "shortcut" else 3
        entries += torch_spectral.convolution(
            f"{source}.{theirs}", f"{target}/{ours}", width, size
        )
    return entries


def _attention(number, target, width):
    source = f"blocks.{number}.0"
    entries = [m.Entry(f"{source}.sigma", f"{target}/gamma", m.reshape([1], []))]
    for theirs, ours in _ATTENTION:
        inputs = width // 2 if ours == "o" else width
        entries += torch_spectral.convolution(
            f"{source}.conv1x1_{theirs}", f"{target}/{ours}", inputs, 1, bias=False
        )
    return entries


def _moments(source, target):
    return [
        m.Entry(f"{source}.running_mean", f"{target}/moments/mean"),
        m.Entry(f"{source}.running_var", f"{target}/moments/variance"),
    ]


# Inference of the configuration


def infer_generator(arrays: dict) -> dict:
    """Returns constructor arguments of a generator's state dict."""
    from dglgan_tf.networks import biggan_layout

    blocks, attended = _numbering(arrays)
    sizes = {len(w) - 1: size for size, w in biggan_layout.GENERATOR_WIDTHS.items()}
    if len(blocks) not in sizes:
        raise CheckpointError(f"{len(blocks)} blocks: generators have {sorted(sizes)}")
    resolution = sizes[len(blocks)]
    widths = _generator_widths(arrays, blocks)
    num_classes, shared = torch_spectral.shape(arrays, "shared.weight", 2)
    piece = torch_spectral.shape(arrays, "linear0.weight_orig", 2)[1]
    table = biggan_layout.GENERATOR_WIDTHS[resolution]
    config = layer_names.width_arguments(widths, table) | _COMMON
    return config | {
        "resolution": resolution,
        "num_channels": torch_spectral.shape(arrays, "conv2d5.weight_orig", 4)[0],
        "num_classes": num_classes,
        "shared_dim": shared,
        "z_dim": piece * (len(blocks) + 1),
        "attention": [8 << i for i in sorted(attended)],
        "bn_eps": 1e-4,
        "output_bn_eps": 1e-4,
    }


def infer_discriminator(arrays: dict) -> dict:
    """Returns constructor arguments of a discriminator's state dict."""
    from dglgan_tf.networks import biggan_layout

    blocks, attended = _numbering(arrays)
    tables = biggan_layout.DISCRIMINATOR_WIDTHS
    sizes = {len(w): size for size, w in tables.items()}
    if len(blocks) not in sizes:
        raise CheckpointError(
            f"a discriminator of {len(blocks)} blocks: there is a place for "
            f"{sorted(sizes)} (up to 256 px)"
        )
    resolution = sizes[len(blocks)]
    outputs, image = [], None
    for number in blocks:
        kernel = f"blocks.{number}.0.conv2d1.weight_orig"
        width, inputs = torch_spectral.shape(arrays, kernel, 4)[:2]
        outputs.append(width)
        image = inputs if image is None else image
    config = layer_names.width_arguments(outputs, tables[resolution]) | _COMMON
    classes = 0
    if "embedding.weight_orig" in arrays:
        classes = torch_spectral.shape(arrays, "embedding.weight_orig", 2)[0]
    return config | {
        "resolution": resolution,
        "num_channels": image,
        "num_classes": classes,
        "attention_blocks": sorted(attended),
    }


def _generator_widths(arrays, blocks) -> list[int]:
    names = [f"blocks.{n}.0.conv2d1.weight_orig" for n in blocks]
    shapes = [torch_spectral.shape(arrays, name, 4) for name in names]
    return [shapes[0][1], *(s[0] for s in shapes)]


def _numbering(arrays):
    """Returns the numbers of the blocks in order, and {block index: attention's}."""
    found = [re.match(r"blocks\.(\d{1,3})\.0\.(conv[\w]+)\.", n) for n in arrays]
    kinds = {int(f.group(1)): f.group(2).startswith("conv1x1") for f in found if f}
    blocks = [n for n in sorted(kinds) if not kinds[n]]
    attended = {}
    for number in sorted(kinds):
        if kinds[number]:
            attended[sum(b < number for b in blocks) - 1] = number
    return blocks, attended


# The parts of a tree


def _state_dicts(tree) -> dict:
    """Returns {file name: {name: array}}; files wrap them in 'state_dict'."""
    if isinstance(tree, Record) and tree.kind == "folder":
        found = tree.state if isinstance(tree.state, dict) else {}
    else:
        found = {"": tree}
    dicts = {}
    for name, value in found.items():
        inner = value.get("state_dict", value) if isinstance(value, dict) else None
        if not isinstance(inner, dict):
            continue
        inner = m.strip_prefix(inner)
        if inner and all(
            isinstance(n, str) and isinstance(a, np.ndarray) for n, a in inner.items()
        ):
            dicts[str(name)] = inner
    return dicts


def _role(name, arrays) -> str | None:
    if "conv2d5.weight_orig" in arrays and "linear0.weight_orig" in arrays:
        average = re.search(r"G_ema|Gen_ema", str(name))
        known = "shared.weight" in arrays and "bn4.weight" in arrays
        return ("generator_ema" if average else "generator") if known else None
    is_one = "blocks.0.0.conv2d1.weight_orig" in arrays
    if is_one and "linear1.weight_orig" in arrays:
        return "discriminator"
    return None
