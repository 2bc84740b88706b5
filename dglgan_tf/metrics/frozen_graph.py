"""TensorFlow's frozen graph of Inception-v3, read as arrays; the graph is not run."""

from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf


def read(path, tf_names: dict[str, str], sources: str) -> dict[str, np.ndarray]:
    """Returns TensorFlow's frozen graph as a state dict; the graph is not run.

    Args:
      path: `classify_image_graph_def.pb`.
      tf_names: {PyTorch name: TensorFlow name} of the convolutions.
      sources: which files to name where this is another.

    Raises:
      ValueError: not that graph.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(Path(path).read_bytes())
    except Exception as error:
        raise ValueError(f"{path} is not a TensorFlow graph: use {sources}") from error
    nodes = {node.name: node for node in graph.node}

    def constant(name):
        if name not in nodes or "value" not in nodes[name].attr:
            raise ValueError(
                f"{path} has no constant {name!r}: it is another graph; use {sources}"
            )
        return tf.make_ndarray(nodes[name].attr["value"].tensor)

    tensors = {}
    for name, tf_name in tf_names.items():
        kernel = constant(f"{tf_name}/conv2d_params")
        tensors[f"{name}.conv.weight"] = kernel.transpose(3, 2, 0, 1)
        norm = f"{tf_name}/batchnorm"
        tensors[f"{name}.bn.bias"] = constant(f"{norm}/beta")
        tensors[f"{name}.bn.running_mean"] = constant(f"{norm}/moving_mean")
        tensors[f"{name}.bn.running_var"] = constant(f"{norm}/moving_variance")
        gain = constant(f"{norm}/gamma")
        scaled = norm in nodes and nodes[norm].attr["scale_after_normalization"].b
        tensors[f"{name}.bn.weight"] = gain if scaled else np.ones_like(gain)
    tensors["fc.weight"] = constant("softmax/weights").T
    tensors["fc.bias"] = constant("softmax/biases")
    return tensors
