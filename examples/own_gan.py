"""Compresses a Keras GAN of one's own: python examples/own_gan.py

A convolutional GAN of plain Keras layers on the embedded images: a wide teacher is
trained, then a narrow student, guided by the teacher's discriminator.
"""

import numpy as np
from absl import app, flags

from dglgan_tf import api
from dglgan_tf.compat import keras
from dglgan_tf.data import sources
from dglgan_tf.foundation import pictures

_TEACHER = flags.DEFINE_integer("teacher_images", 40_000, "Images the teacher sees.")
_STUDENT = flags.DEFINE_integer("student_images", 20_000, "Images the student sees.")
_OUT = flags.DEFINE_string("out", "own_gan.png", "Picture of teacher and student.")


def generator(width: int) -> keras.Model:
    """z [64] -> images [32, 32, 1]."""
    layers = keras.layers
    model = [layers.Dense(16 * width), layers.Reshape([4, 4, width])]
    for _ in range(3):
        model += [layers.UpSampling2D(), layers.Conv2D(width, 3, padding="same")]
        model += [layers.LayerNormalization(), layers.ReLU()]
    model += [layers.Conv2D(1, 3, padding="same", activation="tanh")]
    return keras.Sequential([keras.Input([64]), *model])


def discriminator(width: int) -> keras.Model:
    """Images [32, 32, 1] -> one logit."""
    layers = keras.layers
    model = []
    for factor in (1, 2, 4):
        model.append(layers.Conv2D(factor * width, 4, 2, padding="same"))
        model.append(layers.LeakyReLU(0.2))
    return keras.Sequential(
        [keras.Input([32, 32, 1]), *model, layers.Flatten(), layers.Dense(1)]
    )


def main(argv) -> None:
    """Trains the teacher, compresses it, draws both."""
    del argv
    keras.utils.set_random_seed(0)
    data = sources.embedded()
    options = {"loss": "logistic", "r1_gamma": 1.0, "learning_rates": (5e-4, 5e-4)}
    judge = api.adapt(discriminator(32))
    teacher = api.guide(
        api.adapt(generator(32)), [], data,
        discriminator=judge,
        total_images=_TEACHER.value, **options,
    )  # fmt: skip
    student = api.guide(
        api.adapt(generator(8)), [judge], data,
        discriminator=api.adapt(discriminator(16)),
        total_images=_STUDENT.value, **options,
    )  # fmt: skip
    z = np.random.RandomState(0).randn(64, 64).astype(np.float32)
    sets = {"teacher": teacher(z).numpy(), "student": student(z).numpy()}
    pictures.save_png(_OUT.value, pictures.panels(sets, columns=8))
    sizes = [net.model.count_params() for net in (teacher, student)]
    print(f"{sizes[0]:,} and {sizes[1]:,} parameters; {_OUT.value}")


if __name__ == "__main__":
    app.run(main)
