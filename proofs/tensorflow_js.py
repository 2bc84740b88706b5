"""Exported SavedModels of both families in TensorFlow.js, run by node.

    pip install --no-deps tensorflowjs tensorflow_hub
    npm install @tensorflow/tfjs
    python proofs/tensorflow_js.py --modules=node_modules

Converts the bundled students, draws two images in node and compares them with the
source. What the converter imports and does not use here (decision forests, jax) is
replaced by stand-ins where it is missing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from absl import flags

from dglgan_tf.cli import entry as command_line

_MODULES = flags.DEFINE_string(
    "modules", "node_modules", "Folder that holds @tensorflow/tfjs."
)
_TOLERANCE = 1e-4
_UNUSED = ("tensorflow_decision_forests", "jax", "jax.experimental")
_SCRIPT = """
const [, , modules, folder] = process.argv;
const fs = require('fs');
const tf = require(modules + '/@tensorflow/tfjs');
const json = (name) => JSON.parse(fs.readFileSync(folder + '/' + name));
(async () => {
  const topology = json('js/model.json'), given = json('given.json');
  const paths = topology.weightsManifest.flatMap((group) => group.paths);
  const bytes = Buffer.concat(
      paths.map((path) => fs.readFileSync(folder + '/js/' + path)));
  const model = await tf.loadGraphModel(tf.io.fromMemory({
    modelTopology: topology.modelTopology,
    signature: topology.signature,
    weightSpecs: topology.weightsManifest.flatMap((group) => group.weights),
    weightData: new Uint8Array(bytes).buffer,
  }));
  const inputs = {z: tf.tensor2d(given.z), truncation_psi: tf.scalar(given.psi)};
  if (given.labels) inputs.labels = tf.tensor1d(given.labels, 'int32');
  const begin = Date.now();
  const images = await model.executeAsync(inputs);
  const values = Array.from(images.dataSync());
  const ms = Date.now() - begin;
  console.log(JSON.stringify({version: tf.version.tfjs, values, ms}));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def main(argv) -> int:
    """Prints a line for each family; 1 where one differs."""
    del argv
    convert = _converter()
    return int(not all([_agrees(name, convert) for name in ("biggan", "stylegan2")]))


def _converter():
    for name in _UNUSED:
        sys.modules[name] = mock.MagicMock()
    try:
        from tensorflowjs.converters import tf_saved_model_conversion_v2 as found
    except ImportError as error:
        raise ValueError(
            f"the converter cannot be loaded ({error}): pip install --no-deps "
            "tensorflowjs tensorflow_hub"
        ) from error
    return found.convert_tf_saved_model


def _agrees(family, convert) -> bool:
    from dglgan_tf.compat import tf
    from dglgan_tf.deploy import saved_model
    from dglgan_tf.foundation import run_directory
    from dglgan_tf.networks import files
    from dglgan_tf.sampling import sampler

    path = run_directory.find_weights(f"bundled/fashion_{family}_student")
    network, _ = files.load_generator(path)
    facts = sampler.generator_facts(network)
    sampler.prepare(network)
    z = np.random.RandomState(0).randn(2, facts.z_dim).astype(np.float32)
    labels = [1, 2] if facts.num_classes else None
    wanted = sampler.generate(network, z, labels and tf.constant(labels), None)
    with tempfile.TemporaryDirectory() as folder:
        saved_model.write(f"{folder}/tf", network, facts, {})
        convert(f"{folder}/tf", f"{folder}/js", signature_def="generate_float")
        given = {"z": z.tolist(), "psi": facts.untruncated, "labels": labels}
        Path(folder, "given.json").write_text(json.dumps(given))
        Path(folder, "run.cjs").write_text(_SCRIPT)
        modules = str(Path(_MODULES.value).resolve())
        done = subprocess.run(
            ["node", f"{folder}/run.cjs", modules, folder],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    apart = float(np.abs(np.ravel(wanted) - np.asarray(said["values"])).max())
    print(
        f"{family}: TensorFlow.js {said['version']} in node, largest difference "
        f"{apart:.1e}, {said['ms']} ms for two images"
    )
    return apart <= _TOLERANCE


if __name__ == "__main__":
    command_line.run_entry(main)
