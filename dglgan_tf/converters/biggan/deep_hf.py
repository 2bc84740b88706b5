"""BigGAN-deep of pytorch-pretrained-BigGAN: generator only, inference form.

A folder with `pytorch_model.bin` and `config.json`, or the state dict alone (its
configuration then follows from the shapes). The condition there is latent first,
class second; here the class comes first, so the inputs of every linear layer change
places.
"""

import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters import result
from dglgan_tf.converters.biggan import torch_spectral

FORMAT = "pytorch-pretrained-BigGAN"
_KEY = "generator.layers.0.conv_3.weight_orig"


def detect(tree) -> bool:
    """Tells whether a tree holds a generator of this layout."""
    arrays = _arrays(tree)
    return _KEY in arrays and "generator.gen_z.weight_orig" in arrays


def load(tree, config=None) -> result.Loaded:
    """Builds the generator.

    Args:
      tree: of `reader.read`.
      config: constructor arguments that override what was inferred.
    """
    from dglgan_tf.networks import biggan_deep

    arrays = _arrays(tree)
    with result.described("the generator"):
        inferred = infer(arrays, _json(tree)) | dict(config or {})
        entries = generator_entries(inferred, attention_index(arrays))
    cls = biggan_deep.BigGANDeepGenerator
    network = result.build(cls, inferred, entries, arrays, what="the generator")
    notes = ["the format holds no discriminator", "stored moments: inference only"]
    if not _json(tree):
        notes.append("no config.json: eps 1e-4 is assumed")
    return result.Loaded(
        network, None, None, "biggan_deep", network.get_config(), {"notes": notes}
    )


def export(networks) -> dict:
    """Returns {'pytorch_model.bin': state dict, 'config.json': dict}.

    Raises:
      CheckpointError: a network that the format cannot hold.
    """
    from dglgan_tf.networks import biggan_deep

    network = networks.get("generator_ema", networks.get("generator"))
    if not isinstance(network, biggan_deep.BigGANDeepGenerator):
        raise CheckpointError("the format holds a BigGAN-deep generator only")
    config = network.get_config()
    if not (config["n_stats"] and config["stored_vectors"] and config["plan"]):
        raise CheckpointError(
            "the format wants moments by truncation and stored singular vectors "
            "(n_stats, stored_vectors), this network has running moments"
        )
    attention = [i for i, b in enumerate(network.blocks) if b.attention is not None]
    position = attention[0] + 1 if attention else len(network.blocks) + 1
    arrays = m.invert(generator_entries(config, position), m.arrays_of(network))
    ch = config["ch"]
    stated = {
        "output_dim": config["resolution"],
        "z_dim": config["z_dim"],
        "class_embed_dim": config["shared_dim"],
        "channel_width": ch,
        "num_classes": config["num_classes"],
        "layers": [[bool(u), i // ch, o // ch] for u, i, o in config["plan"]],
        "attention_layer_position": position,
        "eps": config["bn_eps"],
        "n_stats": config["n_stats"],
    }
    arrays = {name: np.asarray(a, np.float32) for name, a in arrays.items()}
    return {"pytorch_model.bin": arrays, "config.json": stated}


# Mapping


def generator_entries(config: dict, attention: int) -> list:
    """Returns the mapping.

    Args:
      config: constructor arguments.
      attention: index of the attention among the layers of the file.
    """
    swap = _swap_condition(config["z_dim"], config["shared_dim"])
    dense = m.chain(m.TRANSPOSE, swap)
    entries = [
        m.Entry("embeddings.weight", "embedding/kernel", m.TRANSPOSE),
        *torch_spectral.spectral("generator.gen_z", "linear", dense, right=swap),
    ]
    for i, (_, inputs, _outputs) in enumerate(config["plan"]):
        source = f"generator.layers.{i if i < attention else i + 1}"
        target = f"blocks/{i}"
        hidden = inputs // 4
        for k in range(4):
            norm, ours = f"{source}.bn_{k}", f"{target}/norms/{k}"
            entries += _moments(norm, ours)
            for theirs, part in (("scale", "gain"), ("offset", "bias")):
                entries += torch_spectral.spectral(
                    f"{norm}.{theirs}", f"{ours}/{part}", dense, right=swap, bias=False
                )
            size, width = (1, 3, 3, 1)[k], inputs if k == 0 else hidden
            entries += torch_spectral.convolution(
                f"{source}.conv_{k}", f"{target}/convs/{k}", width, size
            )
    entries += _attention(config, attention)
    last = config["plan"][-1][2]
    return [
        *entries,
        m.Entry("generator.bn.weight", "output_norm/gain"),
        m.Entry("generator.bn.bias", "output_norm/bias"),
        *_moments("generator.bn", "output_norm"),
        *torch_spectral.convolution("generator.conv_to_rgb", "output_conv", last, 3),
    ]


def _attention(config, attention):
    plan = config["plan"]
    if not 1 <= attention <= len(plan):
        return []
    source, target = (
        f"generator.layers.{attention}",
        f"blocks/{attention - 1}/attention",
    )
    width = plan[attention - 1][2]
    entries = [m.Entry(f"{source}.gamma", f"{target}/gamma", m.reshape([1], []))]
    for name in ("theta", "phi", "g", "o"):
        theirs = f"{source}.snconv1x1_{name}" + ("_conv" if name == "o" else "")
        inputs = width // 2 if name == "o" else width
        entries += torch_spectral.convolution(
            theirs, f"{target}/{name}", inputs, 1, bias=False
        )
    return entries


def _moments(source, target):
    return [
        m.Entry(f"{source}.running_means", f"{target}/moments/means"),
        m.Entry(f"{source}.running_vars", f"{target}/moments/variances"),
    ]


def _swap_condition(z_dim: int, shared_dim: int) -> m.Transform:
    """First axis from (latent, class) order to (class, latent)."""

    def swap(first):
        def function(a):
            if a.shape[0] != z_dim + shared_dim:
                raise CheckpointError(
                    f"{a.shape[0]} inputs instead of {z_dim + shared_dim}"
                )
            return np.concatenate([a[first:], a[:first]])

        return function

    return m.Transform(swap(z_dim), swap(shared_dim))


# Inference of the configuration


def infer(arrays: dict, stated: dict) -> dict:
    """Returns constructor arguments.

    Args:
      arrays: the state dict.
      stated: `config.json`, or {}.
    """
    attention = attention_index(arrays)
    plan, names = [], _layers(arrays, attention)
    for name in names:
        inputs = torch_spectral.shape(arrays, f"{name}.conv_0.weight_orig", 4)[1]
        outputs = torch_spectral.shape(arrays, f"{name}.conv_3.weight_orig", 4)[0]
        plan.append([False, inputs, outputs])
    _upsampling(plan, stated)
    shared, num_classes = torch_spectral.shape(arrays, "embeddings.weight", 2)
    ch = plan[-1][2]
    ups = sum(up for up, *_ in plan)
    reached = 4 << sum(up for up, *_ in plan[:attention])
    eps = stated.get("eps", 1e-4)
    eps = float(eps) if isinstance(eps, (int, float)) and 0 < eps < 1 else 1e-4
    return {
        "resolution": 4 << ups,
        "num_channels": 3,
        "num_classes": num_classes,
        "ch": ch,
        "z_dim": torch_spectral.shape(arrays, "generator.gen_z.weight_orig", 2)[1]
        - shared,
        "shared_dim": shared,
        "attention": [reached] if attention <= len(plan) else [],
        "bn_eps": eps,
        "output_bn_eps": eps,
        "sn_eps": eps,
        "n_stats": torch_spectral.shape(arrays, "generator.bn.running_means", 2)[0],
        "stored_vectors": True,
        "init": "orthogonal",
        "plan": plan,
        "output_channels": torch_spectral.shape(
            arrays, "generator.conv_to_rgb.weight_orig", 4
        )[0],
    }


def _upsampling(plan, stated):
    """Fills in which blocks upsample: as stated, else every second one."""
    layers = stated.get("layers")
    if isinstance(layers, list) and len(layers) == len(plan):
        for block, layer in zip(plan, layers, strict=True):
            block[0] = bool(layer[0]) if isinstance(layer, list) and layer else False
        return
    for i, block in enumerate(plan):
        block[0] = i % 2 == 1


def attention_index(arrays: dict) -> int:
    """Returns the attention's index among the layers; a large one without any."""
    for name in arrays:
        found = re.fullmatch(
            r"generator\.layers\.(\d{1,3})\.snconv1x1_theta\.weight_orig", str(name)
        )
        if found:
            return int(found.group(1))
    return 1000


def _layers(arrays, attention) -> list[str]:
    found = {
        int(match.group(1))
        for name in arrays
        if (match := re.match(r"generator\.layers\.(\d{1,3})\.conv_0\.", str(name)))
    }
    if found != set(range(max(found) + 1)) - {attention}:
        raise CheckpointError("the generator's layers are not numbered in one row")
    return [f"generator.layers.{i}" for i in sorted(found)]


def _arrays(tree) -> dict:
    if isinstance(tree, Record) and tree.kind == "folder":
        tree = next(
            (v for n, v in tree.state.items() if str(n).endswith((".bin", ".pt"))), None
        )
    if not isinstance(tree, dict):
        return {}
    if any(
        not isinstance(n, str) or not isinstance(a, np.ndarray) for n, a in tree.items()
    ):
        return {}
    return tree


def _json(tree) -> dict:
    if isinstance(tree, Record) and tree.kind == "folder":
        stated = tree.state.get("config.json")
        return stated if isinstance(stated, dict) else {}
    return {}
