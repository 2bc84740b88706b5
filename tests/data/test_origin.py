"""What a run keeps of its data: plain values, from which they are opened again."""

import json
import os

import gin
import numpy as np
import pytest

from dglgan_tf.data import base, encoded, old_runs, reopening, sources, stored
from dglgan_tf.foundation import pictures
from dglgan_tf.runs import registry


@pytest.fixture
def photos(tmp_path):
    """A folder of 20 images, 48 by 40 pixels, in two classes."""
    rng = np.random.default_rng(0)
    for index in range(20):
        image = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
        name = tmp_path / "photos" / ("cat", "dog")[index % 2] / f"{index}.png"
        pictures.save_png(name, image)
    return tmp_path / "photos"


def again(source):
    """Returns the source of a source's description, by way of JSON."""
    return reopening.open(json.loads(json.dumps(source.description)))


def same(first, second):
    """Whether two sources have the same images, classes and names."""
    assert first.class_names == second.class_names and first.name == second.name
    np.testing.assert_array_equal(first.labels, second.labels)
    every = range(first.num_examples)
    np.testing.assert_array_equal(first.images(every), second.images(every))
    assert first.fingerprint() == second.fingerprint()
    return True


def test_sources_are_opened_again_from_their_descriptions(photos, monkeypatch):
    conversion = encoded.Conversion(32, 1, "center-crop", "box", 3)
    made = stored.images(str(photos), "folders", conversion)
    assert made.description["source"] == "images"
    assert made.description["arguments"]["conversion"]["resize_filter"] == "box"
    assert same(made, again(made))
    part = sources.subset(made, 7, seed=None)
    assert part.description["arguments"]["source"] == made.description
    assert same(part, again(part))
    synthetic = sources.synthetic(12, 16, 1, 3, seed=4)
    assert same(synthetic, again(synthetic))
    monkeypatch.chdir(photos.parent)  # a path stays what it was elsewhere
    relative = sources.open_source("photos")
    monkeypatch.chdir("/")
    assert same(again(relative), sources.open_source(str(photos)))


def test_what_gin_bound_is_described(photos):
    registry.register()
    gin.bind_parameter("Conversion.resolution", 16)
    gin.bind_parameter("Conversion.transform", "stretch")
    gin.bind_parameter("embedded.resolution", None)
    plain, embedded = sources.open_source(str(photos)), sources.open_source("embedded")
    assert plain.resolution == 16 and embedded.resolution == 28
    described = plain.description, embedded.description
    gin.clear_config()
    assert same(plain, again(plain))
    assert described[1] == {"source": "embedded", "arguments": {"resolution": None}}
    assert again(embedded).resolution == 28


def test_what_cannot_be_told_has_no_description():
    pixels = np.zeros((4, 8, 8, 1), np.uint8)
    mine = base.ArraySource(pixels)
    assert mine.description is None
    assert sources.subset(mine, 2).description is None


HOSTILE = (
    (None, "no description"),
    ([], "no description"),
    ({}, "none of embedded"),
    ({"source": ["embedded"]}, "none of embedded"),
    ({"source": "os.system", "arguments": {"command": "true"}}, "none of embedded"),
    ({"source": "embedded", "arguments": [1]}, "none of embedded"),
    ({"source": "embedded", "arguments": {"shell": 1}}, 'no argument "shell"'),
    ({"source": "embedded", "arguments": {"resolution": "32"}}, "cannot be"),
    ({"source": "embedded", "arguments": {"resolution": True}}, "cannot be"),
    ({"source": "embedded", "arguments": {"resolution": 4096}}, "too large"),
    ({"source": "synthetic", "arguments": {"num_examples": 10**9}}, "so many"),
    ({"source": "synthetic", "arguments": {"num_classes": 10**9}}, "so many"),
    ({"source": "synthetic", "arguments": {"resolution": 1e300}}, "cannot be"),
    ({"source": "synthetic", "arguments": {"num_examples": -5}}, "at least 1"),
    ({"source": "images", "arguments": {}}, "lacks path"),
    ({"source": "images", "arguments": {"path": "nowhere"}}, "no such file"),
    ({"source": "images", "arguments": {"path": "x\0"}}, "cannot be"),
    (
        {"source": "images", "arguments": {"path": ".", "conversion": {"size": 3}}},
        'no field "size"',
    ),
    (
        {
            "source": "images",
            "arguments": {"path": ".", "conversion": {"resolution": 0}},
        },
        "cannot be",
    ),
    ({"source": "subset", "arguments": {"source": 3, "max_images": 1}}, "no descr"),
    ({"source": "tfds", "arguments": {"name": "huggingface:x"}}, "user's own"),
    ({"source": "tfds", "arguments": {"name": "m", "data_dir": "."}}, "user's own"),
    ({"source": "tfds", "arguments": {"name": "."}}, "user's own"),
    ({"source": "open_source", "arguments": {"name": "tfds:a:b"}}, "user's own"),
)


@pytest.mark.parametrize(("description", "said"), HOSTILE)
def test_other_descriptions_are_refused_in_one_sentence(description, said, tmp_path):
    with pytest.raises(ValueError, match=said) as error:
        reopening.open(description)
    assert str(error.value).endswith("give --data")


def test_sources_inside_sources_have_an_end():
    description = {"source": "synthetic", "arguments": {"num_examples": 4}}
    for _ in range(50):
        arguments = {"source": description, "max_images": 2}
        description = {"source": "subset", "arguments": arguments}
    with pytest.raises(ValueError, match="no description"):
        reopening.open(description)


def test_a_prepared_folder_of_tfds_is_not_opened_unasked(tmp_path):
    (tmp_path / "features.json").write_text('{"pythonClassName": "antigravity.X"}')
    (tmp_path / "dataset_info.json").write_text("{}")
    described = {"source": "open_source", "arguments": {"name": str(tmp_path)}}
    with pytest.raises(ValueError, match="prepared folder.*give --data"):
        reopening.open(described)


OLD = """
import os
from subprocess import getoutput

# Parameters for data.Conversion:
Conversion.resolution = 32
Conversion.transform = \\
    'center-crop'

# Parameters for open_source:
data.open_source.name = 'PHOTOS'
open_source.labels = %labels
labels = 'folders'

# Parameters for subset:
subset.max_images = 9
subset.seed = 2
subset.source = @data.open_source()
other/subset.max_images = 3
guided/subset.max_images = 5

train.source = @subset
train.seed = @getoutput()
"""


def test_the_literals_of_an_old_configuration_are_read(photos):
    text = OLD.replace("PHOTOS", str(photos))
    found = reopening.open(old_runs.described(text))
    opened = stored.images(
        str(photos), "folders", encoded.Conversion(32, transform="center-crop")
    )
    assert same(found, sources.subset(opened, 9, 2))
    assert reopening.open(old_runs.described(text, "guided")).num_examples == 5
    short = "train.source = @open_source\nopen_source.name = 'embedded'\n"
    found = old_runs.described(short + "embedded.resolution = None")
    assert found == {"source": "embedded", "arguments": {"resolution": None}}
    fashion = "train.source = @data.fashion_mnist\nfashion_mnist.split = 'test'"
    assert old_runs.described(fashion) == {
        "source": "fashion_mnist",
        "arguments": {"split": "test"},
    }


@pytest.mark.parametrize(
    "text",
    (
        "",
        "train.source = @getoutput\ngetoutput.cmd = 'touch ran'",
        "import os\ntrain.source = @os.system",
        "train.source = @images\nimages.path = __import__('os').system('touch ran')",
        "train.source = @images\nimages.path = @getoutput()\n",
        "train.source = @subset\nsubset.source = @subset()\nsubset.max_images = 1",
        "train.source = %source",
        "train.source = 'embedded'",
        "train.source = @images\nimages.path = " + "(" * 5000,
    ),
)
def test_what_is_no_literal_is_not_evaluated(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert old_runs.described(text) is None
    assert not os.listdir(tmp_path)
