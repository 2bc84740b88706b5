"""Two thousand damaged files: a clean error or a correct read, never anything else."""

import encodings.cp437  # noqa: F401  (names in zip files)
import random
import sys

import numpy as np
import pytest
from support import made_files

from dglgan_tf.containers import errors, reader, unpickle
from dglgan_tf.converters import loading

FILES = (
    "sg2tf1_Gresnet_Dskip_r32.pkl",
    "sg2tf1_cond_r32.pkl",
    "sg2ada_uncond_r32_Gresnet_Dskip.pkl",
    "sg2ros_trained_r64_cm1.pt",
    "biggan_r32_cifar/G.pth",
    "biggan_r32_mybn_hier_attn16_narrowD/D.pth",
    "biggan_r32_cifar/state_dict.pth",
)
MUTATIONS = 2000
NETWORKS = 40


def structure(data: bytes, monkeypatch) -> list[int]:
    """Returns the positions of a file's bytes that are not array content."""
    weights = []

    def note(self, count):
        start = self.position
        taken = self._take(count)
        if count > 256:
            weights.append((start, self.position))
        self._push(taken if count > unpickle.BIG_TEXT else bytes(taken))

    if data[:2] == b"PK":
        edge = min(len(data), 40_000)  # the pickle comes first, the directory last
        return [*range(edge), *range(max(edge, len(data) - 12_000), len(data))]
    with monkeypatch.context() as patch:
        patch.setattr(unpickle.Unpickler, "_bytes", note)
        reader._read_buffer(memoryview(data))
    free = np.ones(len(data), bool)
    for start, end in weights:
        free[start + 300 : end] = False  # a nested container's head is structure too
    return np.flatnonzero(free).tolist()


def mutate(data: bytes, places: list[int], rng: random.Random) -> bytes:
    """Returns a copy with a few bytes changed, removed, repeated or inserted."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.choice(places) if rng.random() < 0.8 else rng.randrange(len(data))
        at = min(at, len(result) - 1)
        kind = rng.randrange(6)
        if kind == 0:
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            result[at] = rng.randrange(256)
        elif kind == 2:
            result[at] = rng.choice(b".(tRbsueaq]}c\x93\x94\x81\x85\x8e\x95Q")
        elif kind == 3:
            del result[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 4:
            result[at:at] = result[at : at + rng.choice((1, 4, 64))]
        else:
            result[at : at + 8] = rng.choice((b"\xff" * 8, bytes(8), b"\x7f" * 8))
    return bytes(result)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_mutated_files(reference, tmp_path, monkeypatch):
    """Damaged fixtures and containers are refused in a sentence or read."""
    sources = [(reference / name).read_bytes() for name in FILES]
    tree = {"g": {"w": np.arange(50), "b": np.ones((3, 2))}, "n": [1, 2.5, "x"]}
    sources += [made_files.torch_legacy(tree), made_files.torch_zip(tree)]
    places = [structure(data, monkeypatch) for data in sources]
    rng = random.Random(20240)
    modules = set(sys.modules)
    path = tmp_path / "file"
    refused = read = 0
    for turn in range(MUTATIONS):
        which = rng.randrange(len(sources))
        path.write_bytes(mutate(sources[which], places[which], rng))
        try:
            reader.read(path)
            read += 1
        except errors.CheckpointError as error:
            assert "\n" not in str(error), turn
            refused += 1
        if turn == 0:
            modules |= set(sys.modules)
    assert set(sys.modules) == modules
    assert refused > MUTATIONS // 5 and read > MUTATIONS // 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_mutated_networks(reference, tmp_path, monkeypatch):
    """Files that still read lead to networks or to a sentence."""
    rng = random.Random(7)
    path = tmp_path / "file"
    for name in FILES[:1] + FILES[4:5]:
        data = (reference / name).read_bytes()
        places = structure(data, monkeypatch)
        for _ in range(NETWORKS):
            path.write_bytes(mutate(data, places, rng))
            try:
                loading.load_checkpoint(path)
            except errors.CheckpointError as error:
                assert "\n" not in str(error)
