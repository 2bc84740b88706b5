"""What a student imitates: its first teacher's generator on the same latents."""

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps
from dglgan_tf.training.once import once


class Imitation:
    """The first teacher's images of a microbatch, their features and scores.

    Nothing of the teacher moves and no gradient reaches it. Context: *replica*.
    """

    def __init__(self, networks, inputs, augment=None):
        """Computes nothing yet.

        Args:
          networks: `state.Networks` with a teacher's generator.
          inputs: of the microbatch: 'z', 'fake_labels', 'seed'.
          augment: images -> images as teacher discriminators see them; None = as they
            are.
        """
        self._networks, self._inputs, self._augment = networks, inputs, augment

    @once
    def _made(self):
        inputs = self._inputs
        with taps.collect() as features:
            images = self._networks.teacher_generator.call_frozen(
                inputs["z"], inputs.get("fake_labels"), inputs["seed"]
            )
        return tf.stop_gradient(images), features

    @property
    def images(self) -> tf.Tensor:
        """The teacher's images [N, H, W, C] of the same latents and draws."""
        return self._made[0]

    @property
    def features(self) -> dict:
        """{side: [N, side, side, C]} after the blocks of its generator."""
        return self._made[1]

    @once
    def logits(self) -> tf.Tensor:
        """The teacher's scores [N] of its own generator's images."""
        images = self.images if self._augment is None else self._augment(self.images)
        labels = self._inputs.get("fake_labels")
        return self._networks.teachers[0](images, labels, training=False)
