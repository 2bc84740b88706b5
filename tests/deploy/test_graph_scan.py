"""SavedModels of strangers: only what computes is loaded, nothing runs before."""

import json
import random
import shutil

import numpy as np
import pytest
from support import deploy_networks
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from dglgan_tf.compat import tf
from dglgan_tf.deploy import exported, graph_scan, saved_model
from dglgan_tf.evaluation import subjects
from dglgan_tf.networks import biggan_deep
from dglgan_tf.sampling import sampler

FACTS = {"z_dim": 4, "resolution": 8, "num_channels": 1, "num_classes": 0}
FACTS |= {"truncation": "z", "untruncated": 1.0, "noise": "none", "class_names": []}
MUTATIONS = 120


def write(folder, compute, facts=None, attributes=None):
    """Writes a SavedModel as a stranger would, with the facts of an export."""
    module = tf.Module()
    for name, value in (attributes or {}).items():
        setattr(module, name, value)

    def generate(z, truncation_psi):
        return {"images": compute(z) + 0 * truncation_psi}

    specs = {
        "z": tf.TensorSpec([None, 4], tf.float32, "z"),
        "truncation_psi": tf.TensorSpec([], tf.float32, "truncation_psi"),
    }
    made = tf.function(generate, autograph=False).get_concrete_function(**specs)
    tf.saved_model.save(module, str(folder), {"generate_float": made})
    path = folder / saved_model.FACTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts or FACTS}))
    return folder


def images(z):
    return tf.tile(tf.reshape(z, [-1, 2, 2, 1]), [1, 4, 4, 1])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A SavedModel that only computes."""
    weights = tf.Variable(np.ones([4, 4], np.float32))
    place = tmp_path_factory.mktemp("plain") / "m"
    return write(place, lambda z: images(z @ weights), attributes={"w": weights})


def graph_of(folder):
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    return model


def changed(source, target, change):
    """Copies a SavedModel and changes its protocol buffer."""
    shutil.copytree(source, target)
    model = graph_of(target)
    change(model.meta_graphs[0])
    (target / "saved_model.pb").write_bytes(model.SerializeToString())
    return target


@pytest.mark.slow
@pytest.mark.parametrize("family", ["stylegan2", "biggan", "deep"])
def test_our_own_exports_pass(tmp_path, family):
    network = {
        "stylegan2": lambda: deploy_networks.stylegan2_generator(3),
        "biggan": deploy_networks.biggan_generator,
        "deep": lambda: biggan_deep.BigGANDeepGenerator(
            resolution=32, num_classes=3, ch=4, z_dim=8, shared_dim=4
        ),
    }[family]()
    sampler.prepare(network)
    saved_model.write(tmp_path / "m", network, sampler.generator_facts(network), {})
    graph_scan.check(tmp_path / "m")
    meta = graph_of(tmp_path / "m").meta_graphs[0].graph_def
    nodes = [*meta.node, *(n for f in meta.library.function for n in f.node_def)]
    # TensorFlow.js has no EnsureShape.
    assert len(nodes) > 50 and "EnsureShape" not in {node.op for node in nodes}


def test_a_plain_one_draws(plain):
    found = exported.load(plain).images([0, 1])
    assert found.shape == (2, 8, 8, 1) and np.isfinite(found).all()


def secret(z):
    text = tf.io.read_file("/etc/hostname")
    return images(z) + tf.cast(tf.strings.length(text), tf.float32)


def leak(folder):
    def compute(z):
        with tf.control_dependencies([tf.io.write_file(str(folder / "leak"), "x")]):
            return images(z)

    return compute


def python(z):
    made = tf.py_function(lambda x: x, [z], tf.float32)
    return images(tf.ensure_shape(made, [None, 4]))


def hidden(z):
    """The operation stands in a branch of a branch."""
    inner = tf.function(secret, autograph=False)
    return tf.cond(
        tf.reduce_sum(z) > 0, lambda: tf.cond(tf.size(z) > 3, lambda: inner(z),
        lambda: images(z)), lambda: images(z),
    )  # fmt: skip


def printing(z):
    tf.raw_ops.PrintV2(input="x", output_stream="file:///nowhere/x")
    return images(z)


HOSTILE = [
    ("ReadFile", lambda folder: secret),
    ("WriteFile", leak),
    ("EagerPyFunc", lambda folder: python),
    ("ReadFile", lambda folder: hidden),
    ("MatchingFiles", lambda folder: lambda z: images(z)
     + tf.cast(tf.size(tf.io.matching_files("/etc/*")), tf.float32)),
    ("PrintV2", lambda folder: printing),
]  # fmt: skip


@pytest.mark.parametrize("operation, make", HOSTILE, ids=[n for n, _ in HOSTILE])
def test_other_operations_are_refused_by_name(tmp_path, operation, make):
    folder = write(tmp_path / "m", make(tmp_path))
    with pytest.raises(ValueError, match=f"the operation {operation}; give --trust"):
        exported.load(folder)
    assert not (tmp_path / "leak").exists()
    found = exported.load(folder, trust=True)
    assert found.facts.resolution == 8


def test_a_judge_asks_for_trust_too(tmp_path):
    folder = write(tmp_path / "m", secret)
    with pytest.raises(ValueError, match="the operation ReadFile"):
        subjects.make(folder)
    assert subjects.make(folder, trust=True).num_classes == 0


def test_objects_that_run_while_loading_are_refused(tmp_path):
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4], tf.int64, tf.int64), 0
    )
    folder = write(tmp_path / "m", images, attributes={"table": table})
    with pytest.raises(ValueError, match="it holds a"):
        exported.load(folder)


def refused(folder, words):
    with pytest.raises(ValueError, match=words):
        exported.load(folder)


@pytest.mark.parametrize("hide", [False, True])
def test_numbers_beyond_memory_are_refused_before_they_are_made(tmp_path, hide):
    """64 GiB of ones, which TensorFlow would fold into a constant for minutes."""

    def large(z):
        return images(z) + tf.reduce_sum(tf.ones([2**34]))

    def compute(z):
        inner = tf.function(large, autograph=False)
        return tf.cond(tf.size(z) > 3, lambda: inner(z), lambda: images(z))

    folder = write(tmp_path / "m", compute if hide else large)
    refused(folder, "ones' makes 17,179,869,184 numbers.*--trust")
    assert exported.load(folder, trust=True).facts.z_dim == 4


def test_forms_of_other_kinds_are_refused(plain, tmp_path):
    def first(graph):
        return next(
            f
            for f in graph.graph_def.library.function
            if any(n.op == "MatMul" for n in f.node_def)
        )

    def endless(graph):
        function = first(graph)
        node = function.node_def.add(name="again", op="PartitionedCall")
        node.attr["f"].func.name = function.signature.name

    def huge(graph):
        node = first(graph).node_def.add(name="huge", op="Const")
        node.attr["dtype"].type = node.attr["value"].tensor.dtype = 1
        node.attr["value"].tensor.float_val.append(1)
        node.attr["value"].tensor.tensor_shape.dim.add(size=10**11)

    cases = {
        "is of TensorFlow 1": lambda graph: graph.ClearField("object_graph_def"),
        "calls itself": endless,
        "constants are larger": huge,
        "holds an object that loads itself": lambda graph: setattr(
            graph.object_graph_def.nodes[0], "registered_name", "Custom.Thing"
        ),
        "holds a '_tf_keras_model'": lambda graph: setattr(
            graph.object_graph_def.nodes[0].user_object,
            "identifier",
            "_tf_keras_model",
        ),
    }
    for index, (words, change) in enumerate(cases.items()):
        refused(changed(plain, tmp_path / str(index), change), words)


def test_damaged_files_and_facts_are_told(plain, tmp_path, monkeypatch):
    def copy(name):
        return shutil.copytree(plain, tmp_path / name)

    folder = copy("torn")
    whole = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    refused(folder, "is damaged, or no SavedModel|cannot be loaded|not one")
    folder = copy("data")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    refused(folder, r"said to have [\d,]+ bytes: their files have 0")
    for index, facts in enumerate(
        (
            [],
            {"facts": 3},
            {"facts": {**FACTS, "z_dim": "4"}},
            {"facts": {**FACTS, "z_dim": 10**12}},
            {"facts": {**FACTS, "more": 1}},
            {"facts": {**FACTS, "resolution": 16}},
            {"facts": {**FACTS, "num_classes": 3}},
        )
    ):
        folder = copy(f"facts{index}")
        (folder / saved_model.FACTS_FILE).write_text(json.dumps(facts))
        refused(folder, "export again|is needed|takes")
    folder = copy("deep")
    (folder / saved_model.FACTS_FILE).write_text("[" * 100_000)
    refused(folder, "is not JSON")
    monkeypatch.setattr(graph_scan, "LARGEST_GRAPH", 1000)
    refused(plain, "saved_model.pb has [0-9,]* bytes")


def test_every_allowed_operation_exists_and_only_computes():
    """Those that TensorFlow knows neither touch files nor hold state of their own."""
    forbidden = ("File", "Save", "Restore", "PyFunc", "Dataset", "Iterator", "Assign",
                 "Summary", "Print", "Table", "Queue", "Send", "Recv", "While", "Load",
                 "Merge", "Socket", "Stack", "Reader", "Debug")  # fmt: skip
    assert not [n for n in graph_scan.ALLOWED for word in forbidden if word in n]
    stateful = {
        name
        for name in graph_scan.ALLOWED
        if (found := op_def_registry.get(name)) is not None and found.is_stateful
    }
    assert stateful <= {
        "Assert", "CheckNumerics", "Empty", "If", "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform", "RandomUniformInt", "ReadVariableOp", "ResourceGather",
        "StatefulPartitionedCall", "TruncatedNormal", "VarHandleOp",
        "VarIsInitializedOp", "VariableShape", "StatelessRandomGetAlg",
        "StatelessRandomGetKeyCounter", "_Arg", "_Retval", "_DeviceArg",
        "_DeviceRetval",
    }  # fmt: skip


def test_changed_bytes(plain, tmp_path):
    """Whatever stands in the file: it draws, or it is one sentence."""
    rng, answers = random.Random(3), [0, 0]
    folder = shutil.copytree(plain, tmp_path / "m")
    whole = (plain / "saved_model.pb").read_bytes()
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (folder / "saved_model.pb").write_bytes(data)
        try:
            exported.load(folder)
            answers[1] += 1
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 900
            answers[0] += 1
    assert answers[0] > MUTATIONS / 10, answers
