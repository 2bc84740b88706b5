"""Exports students of both families and says how exact and how small the files are.

    python -m benchmarks.export_matrix

Students of BigGAN and StyleGAN2, conditional and not, at 32 and 64 px, with random
weights whose every part has a say in the image: TFLite and ONNX files against their
source, and the dynamic-range file's share of the float32 one. A JSON line for each;
exit code 1 where a float32 file is further than 1e-4 away, or where dynamic range
leaves more than 35 % of 2 MB or more.
"""

import json
import sys

import numpy as np
from absl import app, flags

from dglgan_tf.deploy import onnx_file, parts, tflite
from dglgan_tf.foundation import seeding
from dglgan_tf.networks import base, biggan, stylegan2
from dglgan_tf.sampling import sampler

_ONLY = flags.DEFINE_string("only", "", "Leave out names without this text.")
_TOLERANCE, _SHARE, _LARGE = 1e-4, 0.35, 2_000_000
_SEEDS = range(4)


def networks():
    """Yields (name, maker) of every student."""
    for size in (32, 64):
        for classes in (0, 10):
            kind = "conditional" if classes else "unconditional"
            yield (
                f"biggan-{size}-{kind}",
                lambda size=size, classes=classes: biggan.BigGANGenerator(
                    resolution=size,
                    num_classes=classes,
                    ch=32 if size == 32 else 16,
                    z_dim=80,
                    shared_dim=32,
                    attention=(size // 2,),
                ),
            )
            yield (
                f"stylegan2-{size}-{kind}",
                lambda size=size, classes=classes: stylegan2.StyleGAN2Generator(
                    resolution=size,
                    num_classes=classes,
                    z_dim=128,
                    w_dim=128,
                    mapping_layers=4,
                    channel_base=4096,
                    channel_max=128,
                    channels_fraction=1,
                ),
            )


def stir(network: base.Network) -> None:
    """Moves moments, gains, biases and noise off their initial values."""
    random = np.random.RandomState(7)
    for name, variable in base.named_variables(network).items():
        noise = np.float32(random.standard_normal(variable.shape))
        if name.endswith("variance"):
            variable.assign(0.5 + 0.1 * np.abs(noise))
        elif name.endswith(("bias", "strength", "mean", "w_avg", "gamma")):
            variable.assign(0.3 * noise)


def measure(network) -> dict:
    """Returns differences and sizes of a network's files."""
    facts = sampler.generator_facts(network)
    sampler.prepare(network)
    z = seeding.latents(_SEEDS, facts.z_dim)
    labels = None
    if facts.num_classes:
        labels = seeding.random_labels(_SEEDS, facts.num_classes)
    contents = {
        "tflite": tflite.convert(network, facts, "float32"),
        "dynamic": tflite.convert(network, facts, "dynamic"),
        "onnx": onnx_file.convert(network, facts),
    }
    found = {"bytes": {name: len(content) for name, content in contents.items()}}
    for name, content in contents.items():
        opener = onnx_file.open_file if name == "onnx" else tflite.open_file
        run, apart = opener(content), 0.0
        for truncation in (facts.untruncated, 0.7):
            expected = sampler.generate(network, z, labels, truncation).numpy()
            made = run(parts.latents_by_name(z, labels, truncation))
            apart = max(apart, np.abs(made - expected).max())
        found[name] = float(apart)
    found["share"] = found["bytes"]["dynamic"] / found["bytes"]["tflite"]
    large = found["bytes"]["tflite"] >= _LARGE
    found["holds"] = max(found["tflite"], found["onnx"]) <= _TOLERANCE and (
        not large or found["share"] <= _SHARE
    )
    return found


def main(argv) -> int:
    """Measures and prints."""
    del argv
    holds = True
    for name, make in networks():
        if _ONLY.value not in name:
            continue
        network = make()
        stir(network)
        found = measure(network)
        holds &= found["holds"]
        print(json.dumps({"network": name, **found}), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    app.run(lambda argv: sys.exit(main(argv)))
