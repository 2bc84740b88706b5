"""VGG16 in Keras, for perceptual distances and for precision and recall.

Simonyan and Zisserman, 2014; configuration D: 14,714,688 parameters in the
convolutions, 138,357,544 with the classifier. The weights are the user's: torchvision's
`vgg16-397923af.pth` (or any state dict with its names), with or without the classifier.
"""

import functools

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.containers import reader
from dglgan_tf.metrics import frozen

INPUT_SIZE = 224
FEATURES = 4096
SOURCE = "vgg16-397923af.pth (torchvision)"
_STAGES = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
# Places of the convolutions in torchvision's `features`.
_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(keras.Model):
    """Normalized images to feature maps, and to 4096 features with a classifier.

    Args:
      hidden: width of the two hidden fully connected layers (`FEATURES` in the
        published network, input 224 x 224); 0 leaves them out.
    """

    def __init__(self, hidden: int = 0, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.stages, inputs = [], 3
        for widths in _STAGES:
            stage = []
            for width in widths:
                layer = frozen.Convolution(inputs, width, activation=tf.nn.relu)
                stage.append(layer)
                inputs = width
            self.stages.append(stage)
        self.dense = []
        if hidden:
            self.dense = [
                frozen.Convolution(512, hidden, 7, 1, "VALID", activation=tf.nn.relu),
                frozen.Convolution(hidden, hidden, 1, activation=tf.nn.relu),
            ]

    def taps(self, images) -> list[tf.Tensor]:
        """Returns relu1_2, 2_2, 3_3, 4_3, 5_3 of normalized images [N, H, W, 3]."""
        x, found = images, []
        for index, stage in enumerate(self.stages):
            if index:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            for layer in stage:
                x = layer(x)
            found.append(x)
        return found

    def call(self, images, training=False):
        """Returns {'features': [N, hidden] second hidden layer, after ReLU}.

        Args:
          images: [N, 224, 224, 3] float32 in [0, 255].
          training: ignored, the network is frozen.
        """
        del training
        x = (images / 255.0 - tf.constant(_MEAN)) / tf.constant(_DEVIATION)
        x = tf.nn.max_pool2d(self.taps(x)[-1], 2, 2, "VALID")
        for layer in self.dense:
            x = layer(x)
        features = tf.squeeze(x, [1, 2])
        return {"features": features, "logits": features[:, :0]}

    def load(self, tensors: dict[str, np.ndarray], path="the given tensors") -> None:
        """Assigns a state dict with torchvision's names."""
        names = [f"features.{index}" for index in _INDICES]
        wanted = {f"{name}.{part}" for name in names for part in ("weight", "bias")}
        if self.dense:
            wanted |= {
                f"classifier.{i}.{p}" for i in (0, 3) for p in ("weight", "bias")
            }
        frozen.require_keys(tensors, wanted, path, "VGG16")
        layers = [layer for stage in self.stages for layer in stage]
        for name, layer in zip(names, layers, strict=True):
            layer.load(tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        for layer, index in zip(self.dense, (0, 3), strict=False):
            weight = tensors[f"classifier.{index}.weight"]
            weight = weight.reshape(len(weight), -1, *layer.kernel.shape[:2])
            layer.load(weight, tensors[f"classifier.{index}.bias"])


@functools.lru_cache(maxsize=2)
def load(path: str, hidden: int = 0) -> VGG16:
    """Returns the network with the weights of a file; loaded once in a process.

    Raises:
      ValueError: not a file of this network.
    """
    try:
        tensors = reader.read(path)
    except ValueError as error:
        raise ValueError(f"{error}. Weights of VGG16: {SOURCE}") from error
    network = VGG16(hidden)
    network.load(tensors, path)
    return network
