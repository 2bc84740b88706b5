"""Network files of strangers: used as they are, or refused with one sentence."""

import copy
import json
import random
import resource
import struct
import time

import numpy as np
import pytest
import safetensors.numpy

from dglgan_tf.compat import tf
from dglgan_tf.networks import (
    biggan,
    biggan_deep,
    file_headers,
    files,
    stylegan2,
    stylegan2_discriminator,
)
from dglgan_tf.sampling import sampler

HEADERS, BYTES = 50, 150
MADE = {
    "style": lambda: {
        "generator": stylegan2.StyleGAN2Generator(
            resolution=8, channel_max=4, z_dim=4, w_dim=4, mapping_layers=2
        ),
        "discriminator": stylegan2_discriminator.StyleGAN2Discriminator(
            resolution=8, channel_max=4, mapping_layers=1
        ),
    },
    "big": lambda: {
        "generator_ema": biggan.BigGANGenerator(
            resolution=32, num_classes=3, ch=2, z_dim=8, shared_dim=4
        )
    },
    "deep": lambda: {
        "generator": biggan_deep.BigGANDeepGenerator(
            resolution=32, num_classes=3, ch=4, z_dim=8, shared_dim=4
        )
    },
}
VALUES = (
    None, True, False, 0, 1, -1, 2, 3, 7, 2**20, 10**7, 10**8, 2**31, 2**63, 10**30,
    0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "float16", "\ud800",
    "x" * 5000,
    [], [1], [0, 0], ["a"], [[[[[[1]]]]]], [1e9], [-1] * 5000, [None], {}, {"a": 1},
    {"class": "StyleGAN2Generator"}, {"class": "os.system", "config": {}},
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{name: (path, header, tensors)} of small files."""
    found, folder = {}, tmp_path_factory.mktemp("made")
    for name, make in MADE.items():
        path = folder / f"{name}.safetensors"
        files.save_networks(path, make(), {"class_names": ["a", "b", "c"]})
        header = files.read_header(path)
        header["counters"] = {"step": 1, "images": 8}
        found[name] = path, header, files.read_tensors(path)
    return found


def write(path, header, tensors):
    """Writes a file whose checksums are right, as a stranger would."""
    text = header if isinstance(header, str) else json.dumps(header)
    sums = file_headers.checksums(tensors, text)
    metadata = {"dglgan_tf": text, "crc32": sums}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


def use(path) -> bool:
    """Reads all networks and draws images; whether that went, else one sentence."""
    try:
        for network in files.load_networks(path).values():
            if isinstance(network, stylegan2_discriminator.StyleGAN2Discriminator):
                network(tf.zeros([1, network.resolution, network.resolution, 3]))
                continue
            sampler.generator_facts(network, info=files.read_header(path).get("info"))
            labels = tf.zeros([1], tf.int32) if network.num_classes else None
            network(tf.zeros([1, network.z_dim]), labels)
    except ValueError as error:
        assert len(str(error)) < 600 and "\n" not in str(error), str(error)
        return False
    return True


def places(tree, path=()):
    """Returns the paths of all values in a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, (dict, list)):
            found += places(value, (*path, key))
    return found


def changed(header, rng):
    """Returns a copy with one to three values replaced, removed or added."""
    result = copy.deepcopy(header)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        *above, last = rng.choice(places(result))
        parent = result
        for key in above:
            parent = parent[key]
        kind = rng.randrange(8)
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, dict):
            parent["new"] = rng.choice(VALUES)
        else:
            parent[last] = rng.choice(VALUES)
        if not result:
            return result
    return result


@pytest.mark.slow
def test_changed_headers(made, tmp_path):
    rng, path, answers = random.Random(1), tmp_path / "x.safetensors", [0, 0]
    for _ in range(HEADERS):
        _, header, tensors = made[rng.choice(sorted(made))]
        new, started = changed(header, rng), time.process_time()
        write(path, new, tensors)
        try:
            answers[use(path)] += 1
        except Exception:
            print(json.dumps(new)[:2000])
            raise
        assert time.process_time() - started < 20, new
    assert answers[0] > HEADERS / 3 and answers[1] > 2, answers
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20


def test_changed_bytes(made, tmp_path):
    """Bytes of the safetensors header itself, and of what follows."""
    rng, path, answers = random.Random(2), tmp_path / "x.safetensors", [0, 0]
    whole = made["style"][0].read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(BYTES):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.choice((rng.randrange(8), rng.randrange(end), rng.randrange(end)))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 2:
                del data[at : at + rng.choice((1, 1, 100))]
            else:
                data[at:at] = rng.choice((b"\0", b"[" * 3000, b"9" * 30, b"\xff"))
        path.write_bytes(data)
        answers[use(path)] += 1
    assert answers[0] > BYTES * 0.8, answers


LARGE = [
    ("style", "generator", "num_classes", 10**8),
    ("style", "generator", "num_classes", 100_000),
    ("style", "generator", "mapping_layers", 10**7),
    ("style", "generator", "mapping_layers", 100_000),
    ("style", "generator", "resolution", 2**30),
    ("style", "generator", "resolution", 2**17),
    ("style", "generator", "w_dim", 2**17),
    ("big", "generator_ema", "ch", 500_000),
    ("big", "generator_ema", "num_classes", 2**20),
    ("deep", "generator", "depth", 2**17),
    ("deep", "generator", "n_stats", 2**20),
    ("deep", "generator", "depth", 10**12),
]


@pytest.mark.parametrize("name, role, key, value", LARGE)
def test_nothing_is_made_that_the_file_cannot_fill(
    made, tmp_path, name, role, key, value
):
    _, header, tensors = made[name]
    header = copy.deepcopy(header)
    header["networks"][role]["config"][key] = value
    write(tmp_path / "x.safetensors", header, tensors)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    with pytest.raises(ValueError, match="is larger than|of range|must be|fit|shape"):
        files.load_networks(tmp_path / "x.safetensors", [role])
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert time.process_time() - started < 10
    assert after.ru_maxrss - before.ru_maxrss < 300 * 2**10  # kilobytes


WRONG = [
    ("[" * 100_000, "its header is not JSON"),
    ("[1]", "it is [1], not an object"),
    ('{"networks": 3}', "networks is 3, not an object"),
    ('{"networks": {"generator": 3}}', "'generator' has no class"),
    ('{"networks": {"g": {"class": "A", "config": []}}}', "'g' has no configuration"),
    ('{"networks": {"generator": {"class": "os", "config": {}}}}', "'os' is unknown"),
    ('{"info": {"class_names": [1]}}', "class_names is [1], not a list of names"),
    ('{"info": {"stretched": [0, -1]}}', "stretched is [0, -1], not a height and"),
    ('{"counters": {"step": -1}}', "the counter step is -1"),
    ('{"counters": {"steps": 1}}', "the counter 'steps' is unknown"),
    ('{"counters": {"seconds": Infinity}}', "the counter seconds is inf"),
    ('{"counters": {"step": ' + "9" * 5000 + "}}", "its header is not JSON"),
    ('{"x": "' + "a" * (17 * 2**20) + '"}', "its header has 17,825,801 characters"),
]


@pytest.mark.parametrize("text, words", WRONG, ids=[words for _, words in WRONG])
def test_wrong_headers_are_told_in_words(made, tmp_path, text, words):
    write(tmp_path / "x.safetensors", text, made["style"][2])
    with pytest.raises(ValueError) as caught:
        files.load_networks(tmp_path / "x.safetensors")
    assert words in str(caught.value)


def test_values_of_another_type_are_named(made, tmp_path):
    _, header, tensors = made["style"]
    path = tmp_path / "x.safetensors"
    for key, value in (("z_dim", "4"), ("w_avg_known", 1), ("conv_clamp", [1])):
        new = copy.deepcopy(header)
        new["networks"]["generator"]["config"][key] = value
        write(path, new, tensors)
        with pytest.raises(ValueError, match=f"Generator.{key} cannot be"):
            files.load_networks(path)


@pytest.mark.parametrize("value, share", [(np.nan, "all"), (np.inf, "one")])
def test_weights_that_are_not_finite_are_refused(made, tmp_path, value, share):
    _, header, tensors = made["style"]
    name = next(n for n in tensors if n.startswith("discriminator/") and "kernel" in n)
    broken = tensors[name].copy()
    broken[... if share == "all" else (0,) * broken.ndim] = value
    write(tmp_path / "x.safetensors", header, {**tensors, name: broken})
    with pytest.raises(ValueError, match=f"{name} holds .* no finite numbers"):
        files.load_networks(tmp_path / "x.safetensors", ["discriminator"])
    files.load_networks(tmp_path / "x.safetensors", ["generator"])


def test_types_that_numpy_has_not_are_named(made, tmp_path):
    whole = made["style"][0].read_bytes()
    length = int.from_bytes(whole[:8], "little")
    entries = json.loads(whole[8 : 8 + length])
    name = next(n for n in entries if n.startswith("generator/"))
    size = np.prod(entries[name]["shape"])
    entries[name].update(dtype="BF16", shape=[int(2 * size)])
    del entries["__metadata__"]["crc32"]
    text = json.dumps(entries).encode()
    (tmp_path / "x.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + whole[8 + length :]
    )
    with pytest.raises(ValueError, match="has the type BF16"):
        files.load_networks(tmp_path / "x.safetensors", ["generator"])
