"""Converts an official StyleGAN2 or BigGAN checkpoint, and back.

    python -m dglgan_tf.convert --source=stylegan2-ffhq-config-f.pkl \
        --dest=weights/ffhq [--reference=expected.npz] [--config='{"bn_eps": 1e-4}']

Reads NVIDIA's TF1 and stylegan2-ada-pytorch pickles, rosinality's .pt, BigGAN-PyTorch
files or folders, HuggingFace BigGAN-deep folders, TF-Hub BigGAN variables, StudioGAN's
BigGAN and this package's .safetensors. No code from the file runs. Exit codes: 0 done,
1 an output differs from the reference, 2 the file was refused.
"""

import json
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_SOURCE = flags.DEFINE_string("source", None, "Checkpoint file or folder.")
_DEST = flags.DEFINE_string("dest", None, "Folder that receives the result.")
_CONFIG = flags.DEFINE_string(
    "config",
    None,
    "JSON object, or file with one, of arguments that override what the file implies; "
    "those of the discriminator under 'discriminator'.",
)
_REFERENCE = flags.DEFINE_string("reference", None, "An .npz of expected outputs.")
_TO = flags.DEFINE_enum(
    "to",
    None,
    ["ada", "rosinality", "tf1", "biggan_pytorch"],
    "Also write the networks in this layout.",
)
_JIT = flags.DEFINE_bool("jit", False, "Compute the reference outputs under XLA.")


def read_config(text: str | None) -> dict | None:
    """Returns a dict from JSON text or the path of a JSON file; None from None.

    Raises:
      ValueError: no JSON object.
    """
    if text is None:
        return None
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text()
        found = json.loads(text)
    except (ValueError, OSError) as error:
        raise ValueError(f"--config is no JSON object: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("--config is no JSON object")
    return found


def main(argv) -> int:
    """Converts; prints what was found, proved and written."""
    del argv
    for name, value in (("source", _SOURCE.value), ("dest", _DEST.value)):
        if value is None:
            raise ValueError(f"no --{name} given, see --help")
    from dglgan_tf.converters import conversion

    agrees = conversion.convert(
        _SOURCE.value,
        _DEST.value,
        read_config(_CONFIG.value),
        _REFERENCE.value,
        _TO.value,
        _JIT.value,
        print,
    )
    return 0 if agrees else 1


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
