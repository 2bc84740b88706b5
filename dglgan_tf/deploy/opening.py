"""A `Sampler` of whatever a name means: a run, a file of weights, or an export."""

from dglgan_tf.deploy import exported
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files
from dglgan_tf.sampling import sampler


def load(name, noise: str | None = None, trust: bool = False) -> sampler.Sampler:
    """Returns a `Sampler` of whatever a name means.

    Args:
      name: a run directory, a `.safetensors` file, `bundled/NAME`, a SavedModel, an
        export's folder, or a .tflite or .onnx file in one.
      noise: 'const', 'random' or 'none'; None = 'const', or what an export has.
      trust: load a SavedModel whatever operations it contains.

    Raises:
      ValueError: nothing there, no generator in it, or an export of other noise.
    """
    if not exported.is_export(name):
        path = run_directory.find_weights(str(name))
        network, info = files.load_generator(path)
        return sampler.from_network(network, noise or "const", info, info["file"])
    found = exported.load(name, trust)
    if noise not in (None, found.facts.noise):
        raise ValueError(
            f"noise_mode={noise!r}: {name} was exported with noise_mode="
            f"{found.facts.noise!r} and cannot change it; sample from the run, or "
            "export again"
        )
    return found
