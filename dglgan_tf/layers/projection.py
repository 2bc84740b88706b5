"""Learned 1x1 projections that bring a narrow student's features to teacher width."""

from collections.abc import Sequence

from dglgan_tf.compat import keras, tf


class Projection(keras.layers.Layer):
    """One bias-free 1x1 convolution for each feature, with equalized learning rate.

    Used by feature distillation and alignment; trained with the student, and no part
    of the student that is exported.

    Args:
      student_channels: channels of each student feature.
      teacher_channels: channels of each teacher feature; where both agree the
        feature passes unchanged and has no weight.
    """

    def __init__(
        self,
        student_channels: Sequence[int],
        teacher_channels: Sequence[int],
        name: str | None = None,
    ):
        super().__init__(name=name)
        if len(student_channels) != len(teacher_channels):
            raise ValueError(
                f"student_channels={list(student_channels)} and teacher_channels="
                f"{list(teacher_channels)} must have one entry for each feature"
            )
        self.student_channels = list(student_channels)
        self.teacher_channels = list(teacher_channels)
        self.kernels = {
            str(k): self.add_weight(
                name=f"kernel_{k}",
                shape=(narrow, wide),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
            )
            for k, (narrow, wide) in enumerate(
                zip(self.student_channels, self.teacher_channels, strict=True)
            )
            if narrow != wide
        }
        self.built = True

    def call(self, features: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Projects the features.

        Args:
          features: [N, ..., student_channels[k]] tensors.

        Returns:
          [N, ..., teacher_channels[k]] tensors.
        """
        return [self._project(k, feature) for k, feature in enumerate(features)]

    def _project(self, k, feature):
        kernel = self.kernels.get(str(k))
        if kernel is None:
            return feature
        gain = self.student_channels[k] ** -0.5
        return tf.tensordot(feature, kernel * gain, axes=[[-1], [0]])
