"""Inception-2015: every tap, every resizing, both file formats, on recipe weights."""

import json

import numpy as np
import pytest
from support import metric_recipe as recipe

from dglgan_tf.compat import tf
from dglgan_tf.metrics import extractors, frozen_graph, inception, resize

PACKAGES = {
    "pytorchfid": "legacy_pytorch",
    "torchfidelity": "legacy_tensorflow",
    "cleanfid_clean": "clean",
}


@pytest.fixture(scope="module")
def tensors(reference):
    listed = json.loads((reference / "metrics/inception_weights.json").read_text())
    made = recipe.state_dict(listed["keys"])
    for key, value in listed["keys"].items():
        assert float(made[key].astype(np.float64).sum()) == pytest.approx(
            value["sum"], rel=1e-6, abs=1e-4
        )
    return made


@pytest.fixture(scope="module")
def network(tensors):
    made = inception.InceptionV3()
    made.load(tensors)
    return made


@pytest.fixture(scope="module")
def expected(reference):
    with np.load(reference / "metrics/inception_expected.npz") as file:
        return dict(file)


def relative(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("size", (32, 64, pytest.param(299, marks=pytest.mark.slow)))
def test_taps_and_logits_equal_the_packages(
    reference, network, expected, package, size
):
    with np.load(reference / "metrics/inception_images.npz") as file:
        pixels = file[f"img_{size}"]
    mode = PACKAGES[package]
    x = resize.resize(pixels, 299, mode)
    found = network(extractors.inception_normalise(x, mode))
    keys = {name: name for name in ("64", "192", "768")}
    keys |= {"2048": "features", "logits": "logits_with_bias"}
    keys["logits_unbiased"] = "logits"
    checked = 0
    for key, name in keys.items():
        wanted = expected.get(f"{package}_{size}_{key}")
        if wanted is not None:
            assert relative(found[name].numpy(), wanted) < 5e-4, key
            checked += 1
    assert checked >= 5
    for other in (
        f"torchfidelity_{size}_2048_f64run",
        f"cleanfid_legacypytorch_{size}_2048_f32run",
    ):
        same = {"torchfidelity": "torchfidelity_", "pytorchfid": "cleanfid_legacy"}
        if other in expected and other.startswith(same.get(package, "none")):
            assert relative(found["features"].numpy(), expected[other]) < 5e-4
    if package == "torchfidelity" and size == 64:
        p = tf.nn.softmax(tf.cast(found["logits"], tf.float64)).numpy()
        assert relative(p, expected["torchfidelity_64_softmax_unbiased"]) < 5e-4


def test_every_block_equals_the_trace(reference, network):
    """A departure shows up in the first block that is wrong."""
    with np.load(reference / "metrics/inception_images.npz") as file:
        pixels = file["img_64"][:2]
    with np.load(reference / "metrics/inception_trace.npz") as file:
        trace = dict(file)
    x = resize.resize(pixels, 299, "legacy_tensorflow")
    seen = {}
    for name, layer in network.convolutions.items():
        plain = layer.activation

        def spy(y, name=name, plain=plain):
            y = plain(y)
            seen[name] = y.numpy()
            return y

        layer.activation = spy
    try:
        network(extractors.inception_normalise(x, "legacy_tensorflow"))
    finally:
        for layer in network.convolutions.values():
            layer.activation = tf.nn.relu
    checked = 0
    for name, value in seen.items():
        if f"{name}.mean" in trace:
            wanted = trace[f"{name}.mean"]
            assert relative(value.mean((1, 2)), wanted) < 5e-4, name
            checked += 1
            if f"{name}.std" in trace:
                assert relative(value.std((1, 2)), trace[f"{name}.std"]) < 5e-4, name
            if f"{name}.hw" in trace:
                assert list(value.shape[1:3]) == trace[f"{name}.hw"].tolist()
    assert checked > 40


def test_the_frozen_graph_gives_the_same_network(tmp_path, tensors, network):
    """A graph with TensorFlow's node names and layouts, made from the same weights."""
    graph = tf.compat.v1.GraphDef()

    def add(name, value):
        node = graph.node.add(name=name, op="Const")
        proto = tf.make_tensor_proto(np.ascontiguousarray(value))
        node.attr["value"].tensor.CopyFrom(proto)

    for name, tf_name in network.tf_names.items():
        norm = f"{tf_name}/batchnorm"
        add(
            f"{tf_name}/conv2d_params",
            tensors[f"{name}.conv.weight"].transpose(2, 3, 1, 0),
        )
        add(f"{norm}/beta", tensors[f"{name}.bn.bias"])
        add(f"{norm}/gamma", tensors[f"{name}.bn.weight"])
        add(f"{norm}/moving_mean", tensors[f"{name}.bn.running_mean"])
        add(f"{norm}/moving_variance", tensors[f"{name}.bn.running_var"])
        node = graph.node.add(name=norm, op="BatchNormWithGlobalNormalization")
        node.attr["scale_after_normalization"].b = True
    add("softmax/weights", tensors["fc.weight"].T)
    add("softmax/biases", tensors["fc.bias"])
    path = tmp_path / "classify_image_graph_def.pb"
    path.write_bytes(graph.SerializeToString())
    read = frozen_graph.read(path, network.tf_names, "")
    assert set(read) == {k for k in tensors if not k.endswith("num_batches_tracked")}
    for key, value in read.items():
        np.testing.assert_array_equal(value, tensors[key])


def test_other_files_are_named(tmp_path, tensors):
    other = dict(tensors)
    other["fc.weight"] = np.zeros((1000, 2048), np.float32)
    with pytest.raises(ValueError, match="1000 classes: it is another Inception-v3"):
        inception.InceptionV3().load(other, "x.pth")
    del other["Mixed_7c.branch_pool.conv.weight"]
    with pytest.raises(ValueError, match="1 of 472 tensors are missing"):
        inception.InceptionV3().load(other, "x.pth")
    (tmp_path / "a.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="a.pb is not a TensorFlow graph: use pt_inc"):
        inception.load(str(tmp_path / "a.pb"))
    (tmp_path / "a.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="no constant 'conv/conv2d_params'"):
        inception.load(str(tmp_path / "a.pb"))
    with pytest.raises(ValueError, match="Weights of Inception-v3: pt_inception"):
        inception.load(str(tmp_path / "missing.pth"))
