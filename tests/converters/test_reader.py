"""Containers and pickles are read exactly; memory stays near the file's size."""

import collections
import pickle
import subprocess
import sys

import numpy as np
import pytest
from support import made_files

from dglgan_tf.containers import arrays, errors, reader, rebuild, torch_files, unpickle
from dglgan_tf.converters import mapping, writer

RNG = np.random.default_rng(3)
ARRAYS = {
    "kernel": RNG.standard_normal((5, 3, 3, 2)).astype(np.float32),
    "big": RNG.standard_normal((200, 130)).astype(np.float32),
    "scalar": np.asarray(1.25, np.float32),
    "empty": np.zeros((0, 4), np.float32),
}


def read_bytes(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    return reader.read(path)


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("write", [made_files.torch_zip, made_files.torch_legacy])
def test_torch_containers(tmp_path, write):
    """Tensors of both containers come back, with plain values beside them."""
    tree = {"g": collections.OrderedDict(ARRAYS), "step": 7, "t": (1.5, None, "x")}
    found = read_bytes(tmp_path, write(tree))
    assert_same(found["g"], ARRAYS)
    assert (found["step"], found["t"]) == (7, (1.5, None, "x"))


def test_containers_are_told_apart():
    """The legacy container by its magic number, the other by its directory."""
    legacy, zipped = (
        memoryview(write([1]))
        for write in (made_files.torch_legacy, made_files.torch_zip)
    )
    assert torch_files.is_legacy(legacy) and not torch_files.is_legacy(zipped)
    assert torch_files.read_legacy(legacy) == [1]
    assert torch_files.read_zip(zipped) == [1]


@pytest.mark.parametrize("write", [made_files.torch_zip, made_files.torch_legacy])
def test_offsets_and_strides_are_honoured(tmp_path, write):
    """A channels-last tensor inside a larger storage is read as its logical array."""
    elements = np.arange(100, dtype=np.float32)
    view = made_files.View(elements, 10, (2, 3, 4), (12, 1, 3))
    expected = elements[10:34].reshape(2, 4, 3).transpose(0, 2, 1)
    np.testing.assert_array_equal(read_bytes(tmp_path, write([view]))[0], expected)


def test_nested_legacy_bytes_of_nvidia(tmp_path):
    """A persistent module holds tensors whose storage is a container of its own."""

    class Module:
        def __reduce__(self):
            meta = {"type": "class", "class_name": "Generator", "state": {"w": Array()}}
            return made_files.PERSISTENT, (meta,)

    class Bytes:
        def __reduce__(self):
            inner = made_files.torch_legacy(made_files.Storage(ARRAYS["kernel"]))
            return made_files.FROM_BYTES, (inner,)

    class Array:
        def __reduce__(self):
            empty = collections.OrderedDict()
            arguments = (Bytes(), 0, (5, 3, 3, 2), (18, 6, 2, 1), False, empty)
            return made_files.REBUILD, arguments

    found = read_bytes(tmp_path, made_files.pickled({"G": Module()}))["G"]
    assert found.kind == "torch_utils.persistence"
    np.testing.assert_array_equal(found.state["state"]["w"], ARRAYS["kernel"])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_numpy_of_every_protocol_and_spelling(tmp_path, protocol, core):
    """Arrays in C and F order, scalars, integers and truths, as numpy pickles them."""
    tree = {
        **ARRAYS,
        "fortran": np.asfortranarray(ARRAYS["kernel"]),
        "number": np.float32(2.5),
        "double": np.arange(6.0),
        "integers": np.arange(5, dtype=np.int64),
        "truths": np.array([True, False]),
        "swapped": np.arange(3, dtype=">f4"),
        "plain": [{1, 2}, frozenset([3]), b"bytes", 2**40, -3, True],
    }
    data = pickle.dumps(tree, protocol)
    if core == b"numpy.core" and protocol < 4:  # lengths are not part of it there
        data = data.replace(b"numpy._core", core)
    found = read_bytes(tmp_path, data)
    assert found["plain"] == tree["plain"]
    for name in set(tree) - {"plain"}:
        np.testing.assert_array_equal(found[name], tree[name], err_msg=name)


def test_own_writer_is_read_back(tmp_path):
    """What the package writes has the bits that went in, torch and TF1."""
    writer.write_torch(tmp_path / "x.pt", {"g": dict(ARRAYS), "n": 3, "l": [1, "a"]})
    found = reader.read(tmp_path / "x.pt")
    assert_same(found["g"], ARRAYS)
    assert (found["n"], found["l"]) == (3, [1, "a"])
    variables = [("a/w", ARRAYS["kernel"]), ("lod", np.float32(0.5))]
    network = errors.Record("dnnlib.tflib.network.Network", {"variables": variables})
    writer.write_pickle(tmp_path / "x.pkl", (network,))
    (found,) = reader.read(tmp_path / "x.pkl")
    np.testing.assert_array_equal(found.state["variables"][0][1], ARRAYS["kernel"])
    assert found.state["variables"][1] == ("lod", np.float32(0.5))


def test_own_numpy_pickle_is_an_ordinary_one(tmp_path):
    """Python's pickle and numpy read what the package writes for arrays."""
    writer.write_pickle(tmp_path / "x.pkl", {**ARRAYS, "n": -(2**50), "x": 0.1})
    found = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert (found.pop("n"), found.pop("x")) == (-(2**50), 0.1)
    assert_same(found, ARRAYS)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """An export that cannot be finished changes nothing and leaves no rest behind."""
    path = tmp_path / "x.pt"
    path.write_bytes(b"old")
    with pytest.raises(errors.CheckpointError, match="no storage for complex64"):
        writer.write_torch(path, {"a": np.zeros(3, np.complex64)})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_bfloat16_storages_become_float32():
    """The upper half of a float32 is what a bfloat16 holds."""
    values = np.array([1.0, -2.5, 0.15625], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    storage = arrays.Storage(np.dtype("u2"), 3, halves, True)
    tensor = rebuild.find("torch._utils", "_rebuild_tensor_v2").target
    np.testing.assert_array_equal(tensor(storage, 0, (3,), (1,), False, {}), values)


def test_position_after_a_pickle():
    """Several pickles in a row are read one by one."""
    data = memoryview(pickle.dumps([1], 4) + pickle.dumps("two", 2))
    first = unpickle.Unpickler(data)
    assert first.load() == [1]
    assert unpickle.Unpickler(data, first.position).load() == "two"


def test_tensorflow_variables(tmp_path):
    """Variables of a SavedModel, by folder or prefix; a damaged index is refused."""
    from dglgan_tf.compat import tf

    prefix = tmp_path / "hub" / "variables" / "variables"
    prefix.parent.mkdir(parents=True)
    names = [f"module/{name}/w" for name in ARRAYS]
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=list(ARRAYS.values()),
    )
    (tmp_path / "hub" / "saved_model.pb").write_bytes(b"never read")
    for path in (tmp_path / "hub", prefix.parent, prefix):
        found = reader.read(path)
        assert found.kind == "tf_variables"
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found.state[f"module/{name}/w"], array)
    index = prefix.with_name("variables.index")
    index.write_bytes(index.read_bytes()[:-20])
    with pytest.raises(errors.CheckpointError, match="cannot be read") as caught:
        reader.read(tmp_path / "hub")
    assert "\n" not in str(caught.value)


MEMORY = """
import resource, sys
import numpy as np
from dglgan_tf.containers import reader
def high():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = high()
tree = reader.read(sys.argv[1])
total = sum(float(np.add.reduce(a, axis=None)) for a in tree.values())
print(high() - before, len(tree), "tensorflow" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle4", "pickle2"])
def test_memory_of_reading(tmp_path, form):
    """Reading and touching every array adds at most 1.3 times the file's size."""
    arrays = {str(i): RNG.random((1000, 2000), np.float32) for i in range(6)}
    write = {
        "zip": made_files.torch_zip,
        "legacy": made_files.torch_legacy,
        "pickle4": lambda tree: pickle.dumps(tree, 4),
        "pickle2": lambda tree: pickle.dumps(tree, 2),
    }[form]
    path = tmp_path / "file"
    path.write_bytes(write(arrays))
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, path],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    added, count, tensorflow = run.stdout.split()
    assert (count, tensorflow) == ("6", "False")
    assert int(added) <= 1.3 * path.stat().st_size


def test_mapping_there_and_back():
    """Every transform is undone exactly; names are checked both ways."""
    m = mapping
    w = RNG.standard_normal((6, 5, 3, 3)).astype(np.float32)
    dense = RNG.standard_normal((7, 48)).astype(np.float32)
    linear = RNG.standard_normal((48, 7)).astype(np.float32)
    source = {
        "up": w,
        "dense": dense,
        "linear": linear,
        "bias": np.float32([1e-9, -0.4, 0.3, 1.7]),
        "const": RNG.standard_normal((1, 3, 4, 4)).astype(np.float32),
        "scalar": np.zeros((), np.float32),
        "fir": np.ones((4, 4), np.float32),
        "extra.1": np.zeros(3),
    }
    entries = [
        m.Entry("up", "a/kernel", m.UP_OIHW),
        m.Entry("dense", "b/kernel", m.chain(m.TRANSPOSE, m.dense_rows_from_chw(3))),
        m.Entry("linear", "c/kernel", m.chain(m.TRANSPOSE, m.last_axis_from_chw(3))),
        m.Entry("bias", "d", m.ADD_ONE),
        m.Entry("const", "e", m.chain(m.FIRST, m.CHW)),
        m.Entry("scalar", "f"),
        m.Fixed("fir", np.ones((4, 4))),
    ]
    ours = m.apply(entries, source, [r"extra\.\d"])
    assert ours["a/kernel"][0, 0, 2, 4] == w[4, 2, 2, 2]
    # input (c=1, h=2, w=3) of 3x4x4: row 2*12 + 3*3 + 1 here, column 16 + 8 + 3 there
    assert ours["b/kernel"][34, 5] == dense[5, 27]
    assert ours["c/kernel"][5, 34] == linear[27, 5]
    assert ours["e"][1, 2, 0] == source["const"][0, 0, 1, 2]
    back = m.invert(entries, ours)
    again = m.apply(entries, back)
    for name in ("up", "dense", "linear", "const", "scalar"):
        np.testing.assert_array_equal(back[name], source[name])
        assert back[name].dtype == np.float32
    for name, array in ours.items():
        np.testing.assert_array_equal(again[name], array)


def test_mapping_refuses_what_does_not_fit():
    """Missing, left-over and differing arrays are named."""
    m = mapping
    entries = [m.Entry("a", "x"), m.Fixed("fir", np.ones(3))]
    good = {"a": np.ones(2), "fir": np.ones(3)}
    m.apply(entries, good)
    for given, words in (
        ({"a": np.ones(2)}, "lacks fir"),
        ({**good, "b": np.ones(1)}, "holds b"),
        ({**good, "fir": np.zeros(3)}, "fir has other values"),
        ({**good, "a": np.array(["x"])}, "a is of type"),
    ):
        with pytest.raises(errors.CheckpointError, match=words):
            m.apply(entries, given)
    with pytest.raises(errors.CheckpointError, match="no place for y and wants x"):
        m.invert(entries, {"y": np.ones(2)})
    deep = [m.Entry("a", "x", m.OIHW)]
    with pytest.raises(errors.CheckpointError, match="a of shape"):
        m.apply(deep, {"a": np.ones(2)})
