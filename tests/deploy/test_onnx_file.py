"""ONNX files: equal to the source in their own runtime, any batch size."""

import sys

import numpy as np
import pytest
from support import deploy_networks

from dglgan_tf.deploy import exporting, onnx_file, parts
from dglgan_tf.foundation import seeding
from dglgan_tf.sampling import sampler


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["biggan", "stylegan2"])
def test_file_agrees_with_the_source_at_any_batch_size(kind):
    pytest.importorskip("tf2onnx", reason="needs the extra `export`")
    pytest.importorskip("onnxruntime", reason="needs the extra `export`")
    network = getattr(deploy_networks, f"{kind}_generator")()
    facts = sampler.generator_facts(network)
    sampler.prepare(network)
    content = onnx_file.convert(network, facts)
    _check_description(content, facts)
    run = onnx_file.open_file(content)
    for count in (1, 3):
        z = seeding.latents(range(count), facts.z_dim)
        labels = np.arange(count, dtype=np.int32) if facts.num_classes else None
        for truncation in (facts.untruncated, 0.7):
            expected = sampler.generate(network, z, labels, truncation)
            found = run(parts.latents_by_name(z, labels, truncation))
            np.testing.assert_allclose(found, expected, atol=1e-4)


def _check_description(content, facts):
    """Names, metadata, and a truncation that may be left out."""
    import onnx
    import onnxruntime

    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    used = {node.domain for node in model.graph.node}
    assert {entry.domain for entry in model.opset_import} <= {"", *used}
    session = onnxruntime.InferenceSession(content)
    shapes = {item.name: item.shape for item in session.get_inputs()}
    assert shapes.pop("z") == ["batch", facts.z_dim]
    assert shapes == ({"labels": ["batch"]} if facts.num_classes else {})
    assert session.get_outputs()[0].shape[0] == "batch"
    told = session.get_modelmeta().custom_metadata_map
    assert {"name", "licence", "z", "images", "truncation_psi"} <= set(told)
    assert ("classes" in told) == bool(facts.num_classes)
    given = {"z": seeding.latents(range(2), facts.z_dim)}
    if facts.num_classes:
        given["labels"] = np.zeros(2, np.int32)
    plain = session.run(None, given)[0]
    psi = np.asarray(facts.untruncated, np.float32)
    np.testing.assert_array_equal(
        plain, session.run(None, given | {"truncation_psi": psi})[0]
    )


def test_missing_onnx_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"dglgan_tf\[export\]"):
        exporting.run(exporting.Request("x", str(tmp_path / "o"), ("onnx",)))
