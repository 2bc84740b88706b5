"""Diagnostics look at a training and leave it alone."""

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.foundation import batches
from dglgan_tf.losses import adversarial
from dglgan_tf.training import diagnostics, draws


def diagnosed(devices, teachers, **options):
    train = tiny.make(tiny.toy(), devices[:1], tiny.goal(**options), teachers)
    for teacher in train.state.networks.teachers:
        tiny.fill(teacher, seed=2)  # the discriminator's weights
        teacher.slope.assign(2.0 * teacher.slope)
        teacher.kernel.assign(np.sqrt(2.0) * teacher.kernel)
    images, labels = tiny.reals(6, tiny.SIDE)
    before = tiny.everything(train)
    reals = {"images": images, "labels": labels}
    imitated = None
    if teachers:
        imitated = {"images": 0.5 * images, "labels": None}
    found = diagnostics.compile_diagnostics(train, reals, imitated)
    values = {name: float(value) for name, value in found().items()}
    for name, value in tiny.everything(train).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    return train, images, values


def test_a_teacher_of_twice_the_slope(logical_devices):
    train, images, values = diagnosed(
        logical_devices, 1, d_loss=adversarial.d_wgan, g_loss=adversarial.g_wgan
    )
    networks = train.state.networks
    seed = draws.step_seed(train.seed, 0, "diagnostics", 0)
    z = draws.fakes(draws.Latents(3, 0), seed, 6, 0, 6)["z"]
    fakes = networks.generator(z).numpy()
    fake = networks.discriminator(fakes).numpy().mean()
    real = networks.discriminator(images).numpy().mean()
    theirs = networks.discriminator(0.5 * images).numpy().mean()
    assert values == pytest.approx(
        {
            "scores/student_real": real,
            "scores/student_fake": fake,
            "scores/teacher_real": 2 * real,
            "scores/teacher_fake": 2 * fake,
            "scores/student_teacher_fake": theirs,
            "scores/teacher_teacher_fake": 2 * theirs,
            "diversity/ratio": fakes.std(0).mean() / images.std(0).mean(),
            "guidance/ratio": 2.0,
            "guidance/cosine": 1.0,
            "guidance/balancing_weight": 0.5,
        },
        rel=1e-4,
    )


def test_without_a_teacher_only_scores(logical_devices):
    _, _, values = diagnosed(logical_devices, 0)
    names = ["diversity/ratio", "scores/student_fake", "scores/student_real"]
    assert sorted(values) == names


def test_relativistic_terms_compare_with_the_reals(logical_devices):
    _, _, values = diagnosed(
        logical_devices,
        1,
        d_loss=adversarial.d_relativistic,
        g_loss=adversarial.g_relativistic,
    )
    assert 0 < values["guidance/ratio"] < 2.5 and values["guidance/cosine"] > 0.9


def test_parts_give_what_the_whole_gives(logical_devices, monkeypatch):
    options = {"d_loss": adversarial.d_wgan, "g_loss": adversarial.g_wgan}
    _, _, whole = diagnosed(logical_devices, 1, **options)
    monkeypatch.setattr(diagnostics, "_GROUP", 2)
    monkeypatch.setattr(batches, "PIXELS", 2 * tiny.SIDE**2)
    _, _, parts = diagnosed(logical_devices, 1, **options)
    assert parts == pytest.approx(whole, rel=1e-4)


def test_large_images_are_fewer():
    counts = [diagnostics.count(side) for side in (32, 512, 1024, 2048)]
    assert counts == [32, 32, 8, 4]
