"""The package in five lines of Python, and Keras models of one's own."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import deploy_networks

from dglgan_tf import api
from dglgan_tf.compat import keras
from dglgan_tf.networks import base

REPOSITORY = Path(__file__).resolve().parents[1]


def _generator(classes=0):
    z = keras.Input([6])
    inputs, x = z, z
    if classes:
        labels = keras.Input([classes])
        inputs, x = [z, labels], keras.layers.Concatenate()([z, labels])
    x = keras.layers.Dense(16 * 2)(x)
    x = keras.layers.ReLU()(keras.layers.Reshape([4, 4, 2])(x))
    x = keras.layers.UpSampling2D()(x)
    return keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same")(x))


def _discriminator():
    return keras.Sequential(
        [keras.Input([8, 8, 1]), keras.layers.Flatten(), keras.layers.Dense(1)]
    )


def _values(network):
    return {k: v.numpy() for k, v in base.named_variables(network).items()}


def test_compress_trains_the_student_and_spares_the_teacher():
    pixels = np.random.RandomState(0).randint(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    student, teacher = api.adapt(_generator()), api.adapt(_discriminator())
    before, kept = _values(student), _values(teacher)
    seen = []
    found = api.guide(
        student, [teacher], pixels, total_images=32, batch_size=8,
        ema_decay=0.5, guidance_weight=2.0, r1_gamma=1.0,
        progress=lambda images, metrics: seen.append((images, metrics)),
    )  # fmt: skip
    assert [images for images, _ in seen] == [8, 16, 24, 32]
    assert "g/guidance" in seen[-1][1] and "d_reg/r1" in seen[0][1]
    for name, value in _values(teacher).items():
        np.testing.assert_array_equal(value, kept[name])
    after, average = _values(student), _values(found)
    moved = [np.abs(after[name] - before[name]).max() for name in before]
    assert min(moved) > 0
    name = next(iter(before))
    between = np.abs(average[name] - after[name]).max()
    assert 0 < between < np.abs(after[name] - before[name]).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change,message",
    [
        ({"loss": "wasserstein"}, "loss='wasserstein' must be one of"),
        ({"teachers": []}, "give the student a discriminator"),
        ({"images": np.zeros([4, 8, 8, 1])}, "give uint8"),
        ({"student": None}, "has num_classes=0, the student num_classes=3"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    given = {
        "student": api.adapt(_generator()),
        "teachers": [api.adapt(_discriminator())],
        "images": np.zeros([4, 8, 8, 1], np.uint8),
    } | change
    given["student"] = given["student"] or api.adapt(_generator(3))
    with pytest.raises(ValueError, match=message):
        api.guide(**given)


def test_saved_classes_keep_their_names(tmp_path):
    network = deploy_networks.biggan_generator()
    path = tmp_path / "named.safetensors"
    api.save(path, network, ["coat", "bag", "boot"])
    assert api.load(path).facts.class_names == ("coat", "bag", "boot")
    with pytest.raises(ValueError, match="has 2 names, the generator has 3 classes"):
        api.save(path, network, ["coat", "bag"])


@pytest.mark.slow
def test_five_lines_of_the_readme(tmp_path, monkeypatch):
    text = (REPOSITORY / "README.md").read_text()
    (code,) = re.findall(r"```python\n(from dglgan_tf import api.*?)```", text, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code.replace("25_600", "64"), names)
    whole, small = names["teacher"]["generator_ema"], names["small"]
    assert base.count_parameters(small) < 0.35 * base.count_parameters(whole)
    assert names["pictures"].shape == (8, 32, 32, 1)
    assert (tmp_path / "small.safetensors").is_file()


@pytest.mark.slow
def test_the_example_runs(tmp_path):
    command = [sys.executable, str(REPOSITORY / "examples" / "own_gan.py")]
    command += ["--teacher_images=64", "--student_images=64"]
    done = subprocess.run(
        [*command, f"--out={tmp_path / 'own.png'}"],
        capture_output=True, text=True, timeout=300, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "parameters; " in done.stdout
    assert (tmp_path / "own.png").is_file()
    lines = (REPOSITORY / "examples" / "own_gan.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 60


def test_official_checkpoints_go_in_and_out(reference, tmp_path):
    source = reference / "sg2ros_trained_r64_cm1.pt"
    loaded = api.load_checkpoint(source)
    (written,) = api.export_checkpoint(loaded, tmp_path / "again.pt", "rosinality")
    again = api.load_checkpoint(written)
    first, second = (base.named_variables(x.generator) for x in (loaded, again))
    assert first and list(first) == list(second)
    assert all(np.array_equal(v.numpy(), second[n].numpy()) for n, v in first.items())
