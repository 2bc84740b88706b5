"""What a file says of itself: name, classes, ranges, how latents are drawn."""

import json

from dglgan_tf.sampling import sampler

LICENCE = "that of the source network's weights; see the README.md of the export"


def entries(facts: sampler.Facts) -> dict[str, str]:
    """Returns {key: text} for the metadata of a file."""
    size = f"{facts.resolution}x{facts.resolution}x{facts.num_channels}"
    found = {
        "name": f"generator of {size} images, exported by dglgan_tf",
        "licence": LICENCE,
        "z": f"[batch, {facts.z_dim}] float32, independent standard normal numbers",
        "truncation_psi": truncation(facts),
        "images": "[batch, height, width, channels] float32, nominally in [-1, 1]",
    }
    if facts.num_classes:
        found["labels"] = f"[batch] int32, 0 to {facts.num_classes - 1}"
        found["classes"] = json.dumps(list(facts.class_names))
    return found


def truncation(facts: sampler.Facts) -> str:
    """Returns what `truncation_psi` does, in a sentence."""
    if facts.truncation == "w":
        return "[] float32, pulls style vectors to their mean (1 = not at all)"
    return (
        f"[] float32, confines latents to that threshold ({facts.untruncated:g} and "
        "more = not at all)"
    )
