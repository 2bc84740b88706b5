"""Shows networks on a local page: `python -m dglgan_tf.demo --network=RUN`.

Seeds, classes, truncation, interpolation, teacher beside student, with the time of
every call. Listens on this machine alone unless --host says otherwise, takes no
uploads and asks nothing of the network. Needs the extra `demo`.
"""

import os
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_NETWORK = flags.DEFINE_multi_string(
    "network",
    [],
    "[NAME=]run directory, .safetensors file, bundled/NAME, or an export; repeat to "
    "compare, the teacher first.",
)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "Address to listen on; anyone who reaches it may look."
)
_ALLOW_HOST = flags.DEFINE_multi_string(
    "allow_host",
    [],
    "Further name under which browsers may ask for the page (of a proxy); repeat.",
)
_TRUST = flags.DEFINE_bool(
    "trust", False, "Load SavedModels whatever their operations may do."
)
_PORT = flags.DEFINE_integer("port", 7860, "Port to listen on.", 1, 65535)


def main(argv) -> int:
    """Loads the networks and serves the page until it is interrupted."""
    del argv
    if not _NETWORK.value:
        raise ValueError("no --network given: name a run directory or a file")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    from dglgan_tf.demo_page import booth, demo_page, guard

    demo_page.require("gradio")
    guard.hosts(_HOST.value, _ALLOW_HOST.value)  # says what is wrong before loading
    samplers, costs = _load()
    shown = booth.Booth(samplers)
    app = demo_page.application(
        shown, costs, _HOST.value, _PORT.value, _ALLOW_HOST.value
    )
    print(f"http://{_HOST.value}:{_PORT.value}  (Ctrl-C ends it)", flush=True)
    demo_page.serve(app, _HOST.value, _PORT.value)
    return 0


def _load():
    """Returns {name: sampler} and {name: (parameters, MACs)} of the flags."""
    from dglgan_tf.cost import macs
    from dglgan_tf.deploy import exported, opening
    from dglgan_tf.foundation import run_directory
    from dglgan_tf.networks import files
    from dglgan_tf.sampling import sampler

    samplers, costs = {}, {}
    for text in _NETWORK.value:
        name, _, path = text.rpartition("=")
        name = name or Path(path).stem
        if name in samplers:
            raise ValueError(f"two networks are called {name!r}: write NAME=PATH")
        if exported.is_export(path):
            samplers[name] = opening.load(path, trust=_TRUST.value)
            continue
        network, info = files.load_generator(run_directory.find_weights(path))
        samplers[name] = sampler.from_network(network, "const", info, info["file"])
        cost = macs.count(network)
        costs[name] = (cost.parameters, cost.macs)
    return samplers, costs


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
