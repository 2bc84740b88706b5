"""Interpolation and the PPL sampler against NVIDIA's and torch-fidelity's numbers."""

import json

import numpy as np
import pytest

from dglgan_tf.metrics import path_length


@pytest.fixture(scope="module")
def arrays(reference):
    with np.load(reference / "metrics/ppl.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def expected(reference):
    return json.loads((reference / "metrics/ppl_expected.json").read_text())


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("name", "function"),
    (
        ("nvlabs_slerp", path_length.slerp),
        ("torchfidelity_lerp", path_length.lerp),
        ("torchfidelity_slerp_any", path_length.slerp_lengths),
        (
            "torchfidelity_slerp_unit",
            lambda a, b, t: unit(path_length.slerp_lengths(a, b, t)),
        ),
    ),
)
def test_interpolation_equals_the_packages(arrays, name, function):
    a, b, t = arrays["slerp_a"], arrays["slerp_b"], arrays["slerp_t"]
    for shift, key in ((0.0, f"{name}_t"), (1e-4, f"{name}_t_plus_eps")):
        np.testing.assert_allclose(
            function(a, b, t + shift), arrays[key], rtol=0, atol=1e-10
        )


def test_steps_have_the_closed_form_length(arrays):
    a, b, t = arrays["slerp_a"], arrays["slerp_b"], arrays["slerp_t"]
    for function, key in (
        (path_length.slerp, "closed_form_slerp_step_over_eps_squared"),
        (path_length.lerp, "closed_form_lerp_step_over_eps_squared"),
    ):
        step = (function(a, b, t + 1e-4) - function(a, b, t)) / 1e-4
        np.testing.assert_allclose((step**2).sum(1), arrays[key], rtol=1e-8)


@pytest.mark.parametrize("space", "wz")
@pytest.mark.parametrize("end", ("full", "end"))
@pytest.mark.parametrize("crop", (False, True))
def test_sampler_equals_the_reference(arrays, expected, space, end, crop):
    def mapping(z, labels):
        assert labels is None
        return np.repeat(np.tanh(z @ arrays["ppl_Wm"])[:, None], 2, axis=1)

    def synthesis(w, labels):
        assert labels is None
        flat = np.tanh(w.reshape(len(w), -1) @ arrays["ppl_Ws"])
        return flat.reshape(-1, 3, 8, 8).transpose(0, 2, 3, 1)

    def features(images):
        flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        return np.tanh((flat - 127.5) @ arrays["ppl_Wv"][: flat.shape[1]])

    found = path_length.distances(
        path_length.Path(mapping, synthesis),
        lambda a, b: ((features(a) - features(b)) ** 2).sum(1),
        arrays["ppl_z0"],
        arrays["ppl_z1"],
        arrays[f"ppl_t_{end}"],
        space=space,
        crop=crop,
    )
    name = f"{space}_{end}" + ("_crop" if crop else "")
    np.testing.assert_allclose(found, arrays[f"ppl_dist_{name}"], rtol=1e-6)
    wanted = expected["ppl_cases"][name]
    kept = path_length.trim(found)
    assert len(kept) == wanted["kept"]
    assert kept.mean() == pytest.approx(wanted["ppl"], rel=1e-6)


def test_trimming_equals_the_reference(arrays, expected):
    kept = path_length.trim(arrays["trim_dist"])
    wanted = expected["trim"]
    assert len(kept) == wanted["kept"]
    assert kept.mean() == pytest.approx(wanted["mean"], rel=1e-9)
    assert kept.min() >= wanted["lo"] and kept.max() <= wanted["hi"]


@pytest.mark.parametrize("name", ("lerp", "slerp_any", "slerp_unit"))
def test_a_linear_generator_as_torch_fidelity_measures_it(arrays, expected, name):
    rng = np.random.RandomState(2020)
    if name == "slerp_unit":
        ends = [unit(rng.rand(300, 16)).astype(np.float32) for _ in range(2)]
    else:
        ends = [rng.randn(300, 16).astype(np.float32) for _ in range(2)]
        np.testing.assert_allclose(ends[0][:5], arrays["tf_ppl_lat0_normal"])
        np.testing.assert_array_equal(ends[1][:5], arrays["tf_ppl_lat1_normal"])
    function = {
        "lerp": path_length.lerp,
        "slerp_any": path_length.slerp_lengths,
        "slerp_unit": lambda a, b, t: unit(path_length.slerp_lengths(a, b, t)),
    }[name]
    near = function(*ends, np.full(300, 0.01, np.float32)).astype(np.float32)
    images = [z.astype(np.float64) @ arrays["tf_ppl_Wg"] for z in (ends[0], near)]
    values = ((images[0] - images[1]) ** 2).mean(1) / 0.01**2
    kept = path_length.trim(values)
    wanted = expected[f"torch-fidelity ppl {name}"]
    assert len(kept) == wanted["kept"]
    assert kept.mean() == pytest.approx(wanted["mean"], rel=1e-4)
    assert kept.std() == pytest.approx(wanted["std"], rel=1e-4)
    np.testing.assert_allclose(
        np.sort(kept), np.sort(arrays[f"tf_ppl_raw_{name}"]), rtol=2e-4
    )


def test_crop_and_shrink_by_hand():
    image = np.arange(16.0).reshape(1, 1, 16, 1) + 100 * np.arange(16).reshape(16, 1, 1)
    part = path_length.crop_centre(image)
    assert part.shape == (1, 8, 8, 1)
    assert part[0, 0, 0, 0] == 604 and part[0, -1, -1, 0] == 1311
    large = np.arange(512.0 * 512).reshape(1, 512, 512, 1)
    small = path_length.shrink(large)
    assert small.shape == (1, 256, 256, 1)
    assert small[0, 0, 0, 0] == (0 + 1 + 512 + 513) / 4
    assert path_length.shrink(image) is image
