"""Inception-v3 of 2015-12-05, the network that FID, KID and the Inception Score mean.

Szegedy et al., "Rethinking the Inception Architecture", 2015, as TensorFlow published
it. It is not the Inception-v3 of torchvision or Keras: average pools leave the padding
out of their count, the last block pools by maximum, there are 1008 outputs, and batch
normalization adds 1e-3 to the variance. Input 299 x 299.

The weights are the user's: a state dict of pytorch-fid
(`pt_inception-2015-12-05-6726825d.pth`), of torch-fidelity
(`weights-inception-2015-12-05-6726825d.pth`), or TensorFlow's frozen graph
(`classify_image_graph_def.pb`).
"""

import functools

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.containers import reader
from dglgan_tf.metrics import frozen, frozen_graph

INPUT_SIZE = 299
FEATURES = 2048
CLASSES = 1008
_EPSILON = 1e-3
SOURCES = (
    "pt_inception-2015-12-05-6726825d.pth (pytorch-fid), "
    "weights-inception-2015-12-05-6726825d.pth (torch-fidelity) or "
    "classify_image_graph_def.pb (TensorFlow)"
)

# A step of a branch: (name, name in TensorFlow's graph, size, outputs, stride), or a
# pool, or a tuple of steps that all see the same input.
AVERAGE, MAXIMUM, MAXIMUM_2 = "average", "maximum", "maximum, stride 2"


def _step(name, tf_name, size, outputs, stride=1):
    return (name, tf_name, size, outputs, stride)


def _grid_35(pool):
    return (
        [_step("branch1x1", "conv", 1, 64)],
        [
            _step("branch5x5_1", "tower/conv", 1, 48),
            _step("branch5x5_2", "tower/conv_1", 5, 64),
        ],
        [
            _step("branch3x3dbl_1", "tower_1/conv", 1, 64),
            _step("branch3x3dbl_2", "tower_1/conv_1", 3, 96),
            _step("branch3x3dbl_3", "tower_1/conv_2", 3, 96),
        ],
        [AVERAGE, _step("branch_pool", "tower_2/conv", 1, pool)],
    )


def _to_grid_17():
    return (
        [_step("branch3x3", "conv", 3, 384, 2)],
        [
            _step("branch3x3dbl_1", "tower/conv", 1, 64),
            _step("branch3x3dbl_2", "tower/conv_1", 3, 96),
            _step("branch3x3dbl_3", "tower/conv_2", 3, 96, 2),
        ],
        [MAXIMUM_2],
    )


def _grid_17(width):
    row, column = (1, 7), (7, 1)
    return (
        [_step("branch1x1", "conv", 1, 192)],
        [
            _step("branch7x7_1", "tower/conv", 1, width),
            _step("branch7x7_2", "tower/conv_1", row, width),
            _step("branch7x7_3", "tower/conv_2", column, 192),
        ],
        [
            _step("branch7x7dbl_1", "tower_1/conv", 1, width),
            _step("branch7x7dbl_2", "tower_1/conv_1", column, width),
            _step("branch7x7dbl_3", "tower_1/conv_2", row, width),
            _step("branch7x7dbl_4", "tower_1/conv_3", column, width),
            _step("branch7x7dbl_5", "tower_1/conv_4", row, 192),
        ],
        [AVERAGE, _step("branch_pool", "tower_2/conv", 1, 192)],
    )


def _to_grid_8():
    return (
        [
            _step("branch3x3_1", "tower/conv", 1, 192),
            _step("branch3x3_2", "tower/conv_1", 3, 320, 2),
        ],
        [
            _step("branch7x7x3_1", "tower_1/conv", 1, 192),
            _step("branch7x7x3_2", "tower_1/conv_1", (1, 7), 192),
            _step("branch7x7x3_3", "tower_1/conv_2", (7, 1), 192),
            _step("branch7x7x3_4", "tower_1/conv_3", 3, 192, 2),
        ],
        [MAXIMUM_2],
    )


def _grid_8(pool):
    return (
        [_step("branch1x1", "conv", 1, 320)],
        [
            _step("branch3x3_1", "tower/conv", 1, 384),
            (
                _step("branch3x3_2a", "tower/mixed/conv", (1, 3), 384),
                _step("branch3x3_2b", "tower/mixed/conv_1", (3, 1), 384),
            ),
        ],
        [
            _step("branch3x3dbl_1", "tower_1/conv", 1, 448),
            _step("branch3x3dbl_2", "tower_1/conv_1", 3, 384),
            (
                _step("branch3x3dbl_3a", "tower_1/mixed/conv", (1, 3), 384),
                _step("branch3x3dbl_3b", "tower_1/mixed/conv_1", (3, 1), 384),
            ),
        ],
        [pool, _step("branch_pool", "tower_2/conv", 1, 192)],
    )


_BLOCKS = (
    ("Mixed_5b", "mixed", 192, _grid_35(32)),
    ("Mixed_5c", "mixed_1", 256, _grid_35(64)),
    ("Mixed_5d", "mixed_2", 288, _grid_35(64)),
    ("Mixed_6a", "mixed_3", 288, _to_grid_17()),
    ("Mixed_6b", "mixed_4", 768, _grid_17(128)),
    ("Mixed_6c", "mixed_5", 768, _grid_17(160)),
    ("Mixed_6d", "mixed_6", 768, _grid_17(160)),
    ("Mixed_6e", "mixed_7", 768, _grid_17(192)),
    ("Mixed_7a", "mixed_8", 768, _to_grid_8()),
    ("Mixed_7b", "mixed_9", 1280, _grid_8(AVERAGE)),
    ("Mixed_7c", "mixed_10", 2048, _grid_8(MAXIMUM)),
)
_POOL = "pool"
_STEM = (
    ("Conv2d_1a_3x3", "conv", 3, 32, 3, 2, "VALID"),
    ("Conv2d_2a_3x3", "conv_1", 32, 32, 3, 1, "VALID"),
    ("Conv2d_2b_3x3", "conv_2", 32, 64, 3, 1, "SAME"),
    _POOL,
    ("Conv2d_3b_1x1", "conv_3", 64, 80, 1, 1, "VALID"),
    ("Conv2d_4a_3x3", "conv_4", 80, 192, 3, 1, "VALID"),
    _POOL,
)


def _pool(kind, x):
    if kind == AVERAGE:
        return tf.nn.avg_pool2d(x, 3, 1, "SAME")
    if kind == MAXIMUM:
        return tf.nn.max_pool2d(x, 3, 1, "SAME")
    return tf.nn.max_pool2d(x, 3, 2, "VALID")


class InceptionV3(keras.Model):
    """Normalized images to 2048 features and 1008 logits.

    Attributes:
      convolutions: {name in PyTorch's state dicts: layer}.
      tf_names: {name in PyTorch's state dicts: name in TensorFlow's graph}.
    """

    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.convolutions: dict[str, frozen.Convolution] = {}
        self.tf_names: dict[str, str] = {}
        for part in _STEM:
            if part != _POOL:
                name, tf_name, inputs, outputs, size, stride, padding = part
                self._add(name, tf_name, inputs, outputs, size, stride, padding)
        for block, tf_block, inputs, branches in _BLOCKS:
            for branch in branches:
                self._add_branch(block, tf_block, inputs, branch)
        self.classifier = frozen.Convolution(FEATURES, CLASSES, 1)

    def _add(self, name, tf_name, inputs, outputs, size, stride, padding):
        self.tf_names[name] = tf_name
        self.convolutions[name] = frozen.Convolution(
            inputs, outputs, size, stride, padding, activation=tf.nn.relu
        )

    def _add_branch(self, block, tf_block, inputs, branch):
        for step in branch:
            if isinstance(step, str):
                continue
            group = step if isinstance(step[0], tuple) else (step,)
            for name, tf_name, size, outputs, stride in group:
                padding = "SAME" if stride == 1 else "VALID"
                full = (f"{block}.{name}", f"{tf_block}/{tf_name}")
                self._add(*full, inputs, outputs, size, stride, padding)
            inputs = group[-1][3]

    def call(self, images, training=False):
        """Returns features, logits, and means of earlier layers.

        Args:
          images: [N, 299, 299, 3] float32, about [-1, 1]: (x - 128) / 128 after
            TensorFlow's and clean-fid's resizing, 2 x / 255 - 1 for pytorch-fid.
          training: ignored, the network is frozen.

        Returns:
          {'features': [N, 2048], 'logits': [N, 1008] without bias (the Inception
          Score takes these), 'logits_with_bias': [N, 1008], '64', '192', '768':
          spatial means [N, .] after the first and second pool and before Mixed_7a}.
        """
        del training
        found = {}
        x = images
        for part in _STEM:
            if part == _POOL:
                x = _pool(MAXIMUM_2, x)
                found[str(x.shape[-1])] = tf.reduce_mean(x, [1, 2])
            else:
                x = self.convolutions[part[0]](x)
        for block, _, _, branches in _BLOCKS:
            if block == "Mixed_7a":
                found["768"] = tf.reduce_mean(x, [1, 2])
            outputs = []
            for branch in branches:
                outputs += self._branch(block, branch, x)
            x = tf.concat(outputs, axis=-1)
        features = tf.reduce_mean(x, [1, 2])
        logits = tf.matmul(features, self.classifier.kernel[0, 0])
        return found | {
            "features": features,
            "logits": logits,
            "logits_with_bias": logits + self.classifier.bias,
        }

    def _branch(self, block, branch, x):
        """Returns the output of a branch, a list because its end may fork."""
        for step in branch:
            if isinstance(step, str):
                x = _pool(step, x)
            elif isinstance(step[0], tuple):
                return [self.convolutions[f"{block}.{part[0]}"](x) for part in step]
            else:
                x = self.convolutions[f"{block}.{step[0]}"](x)
        return [x]

    def load(self, tensors: dict[str, np.ndarray], path="the given tensors") -> None:
        """Assigns a state dict with the names of pytorch-fid and torch-fidelity."""
        parts = ("weight", "bias", "running_mean", "running_var")
        wanted = {f"{name}.bn.{part}" for name in self.convolutions for part in parts}
        wanted |= {f"{name}.conv.weight" for name in self.convolutions}
        wanted |= {"fc.weight", "fc.bias"}
        frozen.require_keys(tensors, wanted, path, "the FID Inception-v3 of 2015-12-05")
        if tensors["fc.weight"].shape[0] != CLASSES:
            raise ValueError(
                f"{path} has {tensors['fc.weight'].shape[0]} classes: it is another "
                f"Inception-v3, not the one of FID with {CLASSES}; use {SOURCES}"
            )
        for name, layer in self.convolutions.items():
            both = f"{name}.conv", f"{name}.bn"
            layer.load(*frozen.folded(tensors, *both, _EPSILON))
        self.classifier.load(tensors["fc.weight"][:, :, None, None], tensors["fc.bias"])


@functools.lru_cache(maxsize=1)
def load(path: str) -> InceptionV3:
    """Returns the network with the weights of a file; loaded once in a process.

    Raises:
      ValueError: not a file of this network; names those that are.
    """
    network = InceptionV3()
    if str(path).endswith(".pb"):
        tensors = frozen_graph.read(path, network.tf_names, SOURCES)
    else:
        tensors = _state_dict(path)
    network.load(tensors, path)
    return network


def _state_dict(path):
    try:
        tensors = reader.read(path)
    except ValueError as error:
        raise ValueError(f"{error}. Weights of Inception-v3: {SOURCES}") from error
    if not isinstance(tensors, dict):
        raise ValueError(f"{path} holds no state dict: use {SOURCES}")
    return tensors
