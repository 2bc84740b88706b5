"""A generator and a discriminator small enough to count by hand."""

from dglgan_tf.compat import keras, tf
from dglgan_tf.networks import base
from dglgan_tf.ops import ledger


class ToyDense(keras.layers.Layer):
    """A dense layer that fills the ledger."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.kernel = self.add_weight(
            name="kernel", shape=[inputs, outputs], initializer="glorot_normal"
        )
        self.bias = self.add_weight(name="bias", shape=[outputs])
        self.built = True

    def call(self, x):
        ledger.enter(
            self,
            "dense",
            int(x.shape[0] or 1) * self.kernel.shape.num_elements(),
            [x.shape[0] or 1, self.kernel.shape[1]],
        )
        return tf.matmul(x, self.kernel) + self.bias


class ToyUpConv(keras.layers.Layer):
    """A 3x3 transposed convolution, stride 2, that fills the ledger."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.kernel = self.add_weight(
            name="kernel", shape=[3, 3, outputs, inputs], initializer="glorot_normal"
        )
        self.built = True

    def call(self, x):
        n, height, width, _ = tf.unstack(tf.shape(x))
        outputs = int(self.kernel.shape[2])
        pixels = int(x.shape[1] * x.shape[2]) * int(x.shape[0] or 1)
        macs = pixels * self.kernel.shape.num_elements()
        shape = [x.shape[0] or 1, 2 * x.shape[1], 2 * x.shape[2], outputs]
        ledger.enter(self, "up_conv", macs, shape, macs_output=4 * macs)
        size = tf.stack([n, 2 * height, 2 * width, outputs])
        y = tf.nn.conv2d_transpose(x, self.kernel, size, strides=2, padding="SAME")
        return tf.reshape(y, [-1, *shape[1:]])


class ToyGenerator(base.Generator):
    """z -> 4x4 -> 8x8; classes add an embedding to the latent."""

    def __init__(self, z_dim=5, num_classes=0, num_channels=1, channels=4):
        super().__init__()
        self.z_dim = z_dim
        self.num_classes = num_classes
        self.num_channels = num_channels
        self.channels = channels
        self.resolution = 8
        if num_classes:
            self.embedding = self.add_weight(
                name="embedding", shape=[num_classes, z_dim], initializer="normal"
            )
        self.first = ToyDense(z_dim, 16 * channels)
        self.blocks = [ToyUpConv(channels, num_channels)]
        self.built = True

    def call(self, z, labels=None, training=False, seed=None):
        if self.num_classes:
            z = z + tf.matmul(self.onehot(labels), self.embedding)
        x = tf.nn.relu(self.first(z))
        x = self.blocks[0](tf.reshape(x, [-1, 4, 4, self.channels]))
        return tf.tanh(x)


class ToyDiscriminator(base.Discriminator):
    """One dense layer on the pixels."""

    def __init__(self, resolution=8, num_channels=1, num_classes=0):
        super().__init__()
        self.resolution = resolution
        self.num_channels = num_channels
        self.num_classes = num_classes
        self.dense = ToyDense(resolution * resolution * num_channels, 1)
        self.built = True

    def call(self, images, labels=None, training=False):
        size = self.resolution * self.resolution * self.num_channels
        return self.dense(tf.reshape(images, [-1, size]))[:, 0]
