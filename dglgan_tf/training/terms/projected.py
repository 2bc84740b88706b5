"""Terms that compare the features of two networks of different widths."""

from dglgan_tf.compat import tf
from dglgan_tf.layers import projection, taps
from dglgan_tf.losses import distillation
from dglgan_tf.networks import base
from dglgan_tf.training.terms import term


class Projected(term.Term):
    """Compares features; a narrow student's pass a trained 1x1 projection."""

    player = "generator"

    def __post_init__(self):
        super().__post_init__()
        sides = self.resolutions
        if not sides or not all(isinstance(side, int) for side in sides):
            raise ValueError(
                f"{type(self).__name__}.resolutions={sides!r} must be sides of "
                "features, such as [8, 16]"
            )

    def project(self, student, teacher):
        """Makes the projection from two networks' {side: width}."""
        missing = sorted(set(self.resolutions) - (student.keys() & teacher.keys()))
        if missing:
            raise ValueError(
                f"{type(self).__name__}.resolutions has {missing}; the blocks' sides "
                f"are {sorted(student)} in the student and {sorted(teacher)} in the "
                "teacher"
            )
        self._projection = projection.Projection(
            [student[side] for side in self.resolutions],
            [teacher[side] for side in self.resolutions],
        )

    def variables(self):
        """See `Term`."""
        return base.named_variables(self._projection)

    def trained(self, player):
        """See `Term`."""
        found = self._projection.trainable_variables
        return list(found) if player == self.player else []

    def losses(self, student, teacher):
        """[N] losses of two networks' {side: features}."""
        narrow = [tf.cast(student[side], tf.float32) for side in self.resolutions]
        wide = [teacher[side] for side in self.resolutions]
        return distillation.feature_l1(self._projection(narrow), wide)


def generator_widths(network) -> dict[int, int]:
    """Returns {side: channels} after the blocks of a generator."""
    labels = tf.zeros([1], tf.int32) if network.num_classes else None
    return taps.widths(lambda: network(tf.zeros([1, network.z_dim]), labels))


def discriminator_widths(network) -> dict[int, int]:
    """Returns {side: channels} after the blocks of a discriminator."""
    side, labels = network.resolution, None
    if network.num_classes:
        labels = tf.zeros([1], tf.int32)
    images = tf.zeros([1, side, side, network.num_channels])
    return taps.widths(lambda: network(images, labels))
