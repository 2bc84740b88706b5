"""Codes, sheets, directions, projection: equal to the network, and to NumPy."""

import numpy as np
import pytest

from dglgan_tf.foundation import seeding
from dglgan_tf.gallery import projector, sheets
from dglgan_tf.networks import base, codes, sefa
from dglgan_tf.sampling import paths, sampler

FAMILIES = ("biggan", "stylegan2")


def _sampled(view, seeds, classes, psi=None):
    """The same images by the sampler, which knows nothing of codes."""
    labels = np.int32(classes) if view.facts.num_classes else None
    z = seeding.latents(seeds, view.facts.z_dim)
    return sampler.generate(view.network, z, labels, psi).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_codes_are_those_of_the_network(views, family):
    view = views[family]
    assert codes.count(view.network) == {
        "biggan": (4, 4), "stylegan2": (6, 12)
    }[family]  # fmt: skip
    for psi in (None, 0.6):
        np.testing.assert_allclose(
            view.of_seeds([3, 4, 5], [0, 2, 1], psi),
            _sampled(view, [3, 4, 5], [0, 2, 1], psi),
            atol=2e-5,
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_interpolation_starts_at_its_seeds(views, family):
    view = views[family]
    sheet = sheets.interpolation(view, [1, 2], [0, 1], 2)
    ends = _sampled(view, [1, 2], [0, 1])
    np.testing.assert_allclose(sheet.images[[0, 2]], ends, atol=2e-5)
    z = seeding.latents([1, 2], view.facts.z_dim)
    weights = view.class_weights([0, 1])
    weights = None if weights is None else weights.mean(0, keepdims=True)
    middle = view.images(view.encode(paths.slerp(*z, 0.5)[None], weights), weights)
    np.testing.assert_allclose(sheet.images[[1, 3]], [*middle] * 2, atol=2e-5)
    assert sheet.columns == 2 and sheet.rows == ("1 to 2", "2 to 1")
    flat = sheets.interpolation(view, [1, 2], [0, 0], 2, "w", paths.lerp)
    mean = view.encode(z, view.class_weights([0, 0])).mean(0, keepdims=True)
    np.testing.assert_allclose(
        flat.images[1:2], view.images(mean, view.class_weights([0])), atol=2e-5
    )


def test_sweep_sheet_and_walk(views):
    view = views["biggan"]
    sweep = sheets.truncation_sweep(view, [1, 2], [0, 1], (0.5, 5.0))
    expected = [_sampled(view, [1, 2], [0, 1], psi) for psi in (0.5, 5.0)]
    np.testing.assert_allclose(
        sweep.images, np.stack(expected, 1).reshape(sweep.images.shape), atol=2e-5
    )
    assert sweep.frames().shape[:2] == (2, 2)
    np.testing.assert_array_equal(sweep.frames()[1, 0], sweep.images[1])
    sheet = sheets.class_sheet(view, [5, 6], [2, 0], ["coat", "bag"])
    expected = _sampled(view, [5, 6, 5, 6], [2, 2, 0, 0])
    np.testing.assert_allclose(sheet.images, expected, atol=2e-5)
    assert sheet.rows == ("class 2", "coat")
    walk = sheets.class_walk(view, [7], [0, 2], 2)
    ends = _sampled(view, [7, 7], [0, 2])
    np.testing.assert_allclose(walk.images[[0, 2]], ends, atol=2e-5)
    assert np.abs(walk.images[1] - walk.images[0]).max() > 0.01
    with pytest.raises(ValueError, match="needs classes"):
        sheets.class_walk(views["stylegan2"], [7], [0, 2], 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_mixing_all_layers_gives_the_columns(views, family):
    view = views[family]
    depth = codes.count(view.network)[0]
    whole = sheets.mixing(view, [1, 2], [0, 1], [8, 9], list(range(depth)))
    rows = whole.images.reshape(2, 3, *whole.images.shape[1:])
    np.testing.assert_allclose(rows[:, 0], _sampled(view, [1, 2], [0, 1]), atol=2e-5)
    np.testing.assert_allclose(rows[0, 1:], _sampled(view, [8, 9], [0, 0]), atol=2e-5)
    part = sheets.mixing(view, [1, 2], [0, 1], [8, 9], [depth - 1])
    part = part.images.reshape(rows.shape)
    near = np.abs(part[:, 1:] - rows[:, :1]).mean()  # late codes: small changes
    assert 0 < near < np.abs(rows[:, 1:] - rows[:, :1]).mean()
    with pytest.raises(ValueError, match=f"from 0 to {depth - 1}"):
        sheets.mixing(view, [1], [0], [8], [depth])


def test_directions_are_right_singular_vectors(networks):
    network = networks["stylegan2"]
    kernels = [
        variable.numpy()
        for name, variable in base.named_variables(network).items()
        if name.endswith("affine/kernel")
    ]
    assert len(kernels) == 8  # conv1, to_rgb at 4; conv0, conv1, to_rgb at 8 and 16
    _, singular, rows = np.linalg.svd(np.concatenate(kernels, axis=1).T)
    found, values = sefa.directions(network, count=5)
    np.testing.assert_allclose(values, singular[:5] ** 2, rtol=1e-4)
    np.testing.assert_allclose(np.abs((found * rows[:5]).sum(1)), 1, rtol=1e-4)
    first = base.named_variables(network)["blocks/4/conv1/affine/kernel"].numpy()
    found, _ = sefa.directions(network, [0], 1)
    _, _, rows = np.linalg.svd(first.T)
    assert abs(found[0] @ rows[0]) == pytest.approx(1, rel=1e-4)
    with pytest.raises(ValueError, match="layers="):
        sefa.directions(network, [6])


def test_directions_of_a_biggan_move_its_first_layer_most(networks):
    network = networks["biggan"]
    found, values = sefa.directions(network, [0], 4)
    kernel = network.linear.kernel.numpy() / float(network.linear.sigma(False))
    np.testing.assert_allclose(
        np.linalg.norm(found @ kernel, axis=1) ** 2, values, rtol=1e-4
    )
    assert (np.diff(values) <= 0).all()
    assert len(codes.directions_of(network)[1]) == 4  # gain and bias of two norms


@pytest.mark.slow
@pytest.mark.parametrize("family,space", [("biggan", "w"), ("stylegan2", "w+")])
def test_projection_recovers_the_network_s_own_samples(views, family, space):
    view = views[family]
    targets = _sampled(view, [11, 12], [1, 2])
    labels = [1, 2] if view.facts.num_classes else None
    found = projector.project(
        view.network, targets, labels, space, steps=150, candidates=8
    )
    assert found.losses.shape == (151, 2)
    assert (found.losses[-1] < 0.1 * found.losses[0]).all()
    variance = targets.var(axis=(1, 2, 3))
    missed = ((found.images - targets) ** 2).mean(axis=(1, 2, 3))
    assert (missed < 0.1 * variance).all()
    weights = view.class_weights(labels) if labels else None
    np.testing.assert_allclose(
        view.images(found.codes, weights), found.images, atol=1e-4
    )


def test_projection_refuses_other_sizes(views):
    network = views["stylegan2"].network
    with pytest.raises(ValueError, match="the network makes"):
        projector.project(network, np.zeros([1, 8, 8, 1]))
    with pytest.raises(ValueError, match="space="):
        projector.project(network, np.zeros([1, 16, 16, 1]), space="z")
