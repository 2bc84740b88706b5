"""Images by seed: from networks, files, run directories; the command itself."""

import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from support import deploy_networks

from dglgan_tf.compat import tf
from dglgan_tf.data import images as data_images
from dglgan_tf.deploy import opening
from dglgan_tf.foundation import pictures, seeding
from dglgan_tf.networks import files
from dglgan_tf.sampling import sampler, truncation

MAKERS = {
    "biggan": lambda: deploy_networks.biggan_generator(),
    "biggan_unconditional": lambda: deploy_networks.biggan_generator(0, 3),
    "stylegan2": lambda: deploy_networks.stylegan2_generator(),
    "stylegan2_conditional": lambda: deploy_networks.stylegan2_generator(3, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_an_image_depends_on_its_seed_alone(kind):
    drawn = sampler.from_network(MAKERS[kind]())
    together = drawn.images([5, 0, 9, 3, 7], batch=5)
    assert together.std(axis=0).max() > 1e-3
    in_pairs = drawn.images([3, 9, 5], batch=2)
    np.testing.assert_allclose(in_pairs, together[[3, 2, 0]], atol=1e-5)
    alone = drawn.images([9], batch=32)
    np.testing.assert_allclose(alone, together[2:3], atol=1e-5)


@pytest.mark.slow
def test_random_noise_is_each_seed_s_own():
    network = deploy_networks.stylegan2_generator()
    drawn = sampler.from_network(network, noise="random")
    together = drawn.images([0, 1, 2], batch=3)
    np.testing.assert_allclose(drawn.images([2]), together[2:], atol=1e-5)
    const = sampler.from_network(network).images([0, 1, 2])
    none = sampler.from_network(network, noise="none").images([0, 1, 2])
    for first, second in ((together, const), (together, none), (const, none)):
        assert np.abs(first - second).max() > 1e-3


def test_images_are_the_network_s_own():
    network = deploy_networks.biggan_generator()
    expected = network(seeding.latents([4, 5], network.z_dim), [1, 2])
    found = sampler.from_network(network).images([4, 5], [1, 2])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_truncation_of_latents_and_of_styles():
    network = deploy_networks.biggan_generator()
    z = truncation.truncate(seeding.latents([4], network.z_dim), 0.5)
    found = sampler.from_network(network).images([4], [1], truncation=0.5)
    np.testing.assert_allclose(found, network(z, [1]), atol=1e-5)

    network = deploy_networks.stylegan2_generator()
    ws = network.map(seeding.latents([4], network.z_dim))
    ws = network.w_avg + 0.5 * (ws - network.w_avg)
    found = sampler.from_network(network).images([4], truncation=0.5)
    np.testing.assert_allclose(found, network.synthesize(ws), atol=1e-5)
    at_mean = sampler.from_network(network).images([1, 2], truncation=0.0)
    np.testing.assert_allclose(at_mean[0], at_mean[1], atol=1e-5)


def test_unknown_mean_style_is_estimated():
    network = deploy_networks.stylegan2_generator(w_avg_known=False)
    network.w_avg.assign(tf.zeros_like(network.w_avg))
    sampler.from_network(network).images([0], truncation=0.5)
    assert np.abs(network.w_avg.numpy()).max() > 0


def test_class_is_drawn_from_the_seed_where_none_is_given():
    drawn = sampler.from_network(deploy_networks.biggan_generator())
    seeds = [0, 1, 2, 3, 4, 5]
    labels = seeding.random_labels(seeds, 3)
    assert len(set(labels)) > 1
    np.testing.assert_array_equal(drawn.images(seeds), drawn.images(seeds, labels))


@pytest.mark.parametrize(
    "options,message",
    [
        ({"labels": [3]}, "classes 0 to 2"),
        ({"labels": [-1]}, "classes 0 to 2"),
        ({"labels": [0, 1]}, "one for each of the 1 seeds"),
        ({"truncation": 0.0}, "must be above 0"),
        ({"truncation": float("nan")}, "must be a finite number"),
        ({"batch": 0}, "batch=0"),
    ],
)
def test_bad_requests_are_named(options, message):
    drawn = sampler.from_network(deploy_networks.biggan_generator())
    with pytest.raises(ValueError, match=message):
        drawn.images([0], **options)


@pytest.mark.slow
def test_files_and_run_directories_give_the_averaged_generator(tmp_path):
    plain = deploy_networks.biggan_generator()
    averaged = deploy_networks.biggan_generator()
    averaged.output_conv.bias.assign([0.9])
    older, newer = (
        tmp_path / f"network-snapshot-{number:06d}.safetensors" for number in (4, 12)
    )
    files.save_networks(older, {"generator": plain})
    both = {"generator": plain, "generator_ema": averaged}
    files.save_networks(newer, both, {"class_names": ["coat", "bag", "boot"]})
    expected = sampler.from_network(averaged).images([0, 1])
    for name in (newer, tmp_path):
        found = opening.load(name)
        np.testing.assert_allclose(found.images([0, 1]), expected, atol=1e-5)
        assert found.facts.class_names == ("coat", "bag", "boot")
        assert found.source == str(newer)
    expected = sampler.from_network(plain).images([0])
    np.testing.assert_allclose(opening.load(older).images([0]), expected, atol=1e-5)


def test_a_file_without_generator_is_an_error(tmp_path):
    path = tmp_path / "d.safetensors"
    files.save_networks(path, {})
    with pytest.raises(ValueError, match="no generator"):
        opening.load(path)


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dglgan_tf.sample", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_command_writes_files_grid_and_arrays(tmp_path):
    network = deploy_networks.biggan_generator()
    path = tmp_path / "g.safetensors"
    info = {"class_names": ["a", "b", "c"], "stretched": [24, 48]}
    files.save_networks(path, {"generator": network}, info)
    out = tmp_path / "out"
    done = _run(
        f"--network={path}", "--seeds=3,1", "--class=c,0", f"--outdir={out}",
        "--grid", "--npz", "--trunc=0.8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = sampler.from_network(network).images([3, 1] * 2, [2, 2, 0, 0], 0.8)
    expected = pictures.to_uint8(expected)
    # Trained on 24x48 images stretched to squares: samples are stretched back.
    back = [data_images.fit(image, 24, 48, "stretch") for image in expected]
    expected = np.stack(back)
    with np.load(out / "samples.npz") as held:
        assert np.abs(held["images"].astype(int) - expected).max() <= 1
        np.testing.assert_array_equal(held["seeds"], [3, 1, 3, 1])
        np.testing.assert_array_equal(held["labels"], [2, 2, 0, 0])
        drawn = held["images"]
    with Image.open(out / "grid.png") as grid:
        np.testing.assert_array_equal(
            np.asarray(grid)[..., None], pictures.grid(drawn, 2)
        )
    names = sorted(file.name for file in out.glob("seed*.png"))
    assert names == [
        f"seed{seed}-class{label}.png"
        for seed in ("0001", "0003")
        for label in ("000", "002")
    ]
    with Image.open(out / "seed0001-class002.png") as image:
        np.testing.assert_array_equal(np.asarray(image), drawn[1, ..., 0])
    assert "4 images in" in done.stdout


@pytest.mark.slow
def test_help_is_quick_and_errors_are_one_sentence(tmp_path):
    begin = time.perf_counter()
    done = _run("--help")
    seconds = time.perf_counter() - begin
    assert "--seeds" in done.stdout
    assert "tensorflow" not in done.stderr.lower()
    assert seconds < 5  # under one second on an idle machine
    done = _run("--network=x", "--seeds=a")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "write seeds such as" in done.stderr
    done = _run()
    assert done.returncode == 2 and "no --network given" in done.stderr
    done = _run(f"--network={tmp_path / 'nothing'}")
    assert done.returncode == 2
    assert "no weights at" in done.stderr and "Traceback" not in done.stderr
