"""Statistics files, the cache, weight files, agreement, behaviour on real images."""

import hashlib
import io

import numpy as np
import pytest

from dglgan_tf.data import sources
from dglgan_tf.metrics import (
    agreement,
    collector,
    evaluator,
    extractors,
    frechet,
    image_sets,
    kernel,
    names,
    real_side,
    statistics_file,
    weights,
)


def moments(seed=0):
    return frechet.moments(np.random.default_rng(seed).normal(0, 1, (30, 5)))


def test_statistics_in_the_form_of_the_known_tools(tmp_path):
    """mu and sigma as numpy.savez writes them; what we write reads the same way."""
    found = moments()
    np.savez(tmp_path / "theirs.npz", mu=found.mean, sigma=found.covariance)
    theirs, features = statistics_file.read(tmp_path / "theirs.npz")
    assert theirs.count == 0 and features is None
    assert frechet.distance(theirs, found) == pytest.approx(0, abs=1e-12)
    statistics_file.write(tmp_path / "ours.npz", found)
    with np.load(tmp_path / "ours.npz") as file:
        np.testing.assert_array_equal(file["mu"], found.mean)
        np.testing.assert_array_equal(file["sigma"], found.covariance)
    np.savez(tmp_path / "kid.npz", feats=np.ones((4, 5), np.float32))
    none, features = statistics_file.read(tmp_path / "kid.npz")
    assert none is None and features.shape == (4, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    (
        (None, "no statistics at"),
        (b"text", "is not an .npz file"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, "do not fit together"),
        ({"x": np.zeros(3)}, "neither mu and sigma"),
        ({"mu": np.array([object()]), "sigma": np.eye(1)}, "is not an .npz file"),
    ),
)
def test_other_statistics_are_refused(tmp_path, content, message):
    path = tmp_path / "s.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(ValueError, match=message):
        statistics_file.read(path)


def test_the_cache_is_filled_once_and_never_by_halves(tmp_path):
    needs = collector.Needs(moments=(None,), halves=(4,), stored=None, labels=True)
    rows = np.random.default_rng(0).normal(0, 1, (10, 3)).astype(np.float32)
    calls = []

    def fill(folder):
        calls.append(folder)
        made = collector.Collector(needs, 3, folder)
        made.update(rows[:6], np.zeros((6, 1)), np.arange(6) % 2)
        made.update(rows[6:], np.zeros((4, 1)), np.arange(4) % 2)
        made.finish()
        return made

    def broken(folder):
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        statistics_file.cached(tmp_path, {"a": 1}, broken, needs, 3)
    assert not list(tmp_path.iterdir())
    first = statistics_file.cached(tmp_path, {"a": 1}, fill, needs, 3)
    again = statistics_file.cached(tmp_path, {"a": 1}, fill, needs, 3)
    statistics_file.cached(tmp_path, {"a": 2}, fill, needs, 3)
    assert len(calls) == 3 and len(list(tmp_path.iterdir())) == 2
    for made in (first, again):
        assert made.count == 10
        np.testing.assert_array_equal(made.store.rows(range(10)), rows)
        np.testing.assert_allclose(
            made.moments[None].result().covariance, np.cov(rows.T), rtol=1e-5
        )
        np.testing.assert_allclose(made.halves[4][1].mean, rows[1:8:2].mean(0), 1e-5)
        odd = made.class_moments(1, None)
        np.testing.assert_allclose(odd.mean, rows[[1, 3, 5, 7, 9]].mean(0), 1e-5)
        made.close()


def test_changed_images_are_seen_again(tmp_path):
    """The fingerprint of the data is part of the key."""

    def score(fingerprint, level):
        pixels = np.random.default_rng(0).integers(0, level, (30, 32, 32, 1), np.uint8)
        reals = image_sets.StoredImages(lambda: iter([(pixels, None)]), {}, fingerprint)
        judge = evaluator.Evaluator(
            reals,
            ["kid20"],
            extractor="efficientnet_lite0",
            extractor_arguments={"efficientnet_lite0": {"input_size": 32}},
            cache=str(tmp_path),
        )
        subject = np.random.default_rng(1).integers(0, 256, (30, 32, 32, 1), np.uint8)
        fixed = image_sets.StoredImages(lambda: iter([(subject, None)]))
        found = judge.evaluate(fixed)[0]["value"]
        judge.close()
        return found

    first = score("one", 256)
    assert score("one", 64) == first
    assert score("two", 64) != first


def test_moments_of_all_reals_need_a_metric_that_takes_all():
    reals = image_sets.StoredStatistics(moments(), None, {"statistics": "s.npz"})

    class Network:
        name, dimension = "flat", 5

    full, some = (
        names.parse(name, "flat") for name in ("fid9_full[flat]", "fid9[flat]")
    )
    side = real_side.RealSide(reals, [full], {"flat": Network()}, None)
    name, found = side.moments()
    assert name == "flat" and found.count == 30
    side = real_side.RealSide(reals, [some], {"flat": Network()}, None)
    with pytest.raises(ValueError, match="takes 9 real images.* fid9_full"):
        side.moments()
    pixels = np.zeros((9, 4, 4, 1), np.uint8)
    stored = image_sets.StoredImages(lambda: iter([(pixels, None)]))

    class Flat(Network):
        def __call__(self, pixels):
            return np.zeros((len(pixels), 5), np.float32), np.zeros((len(pixels), 1))

    kid = names.parse("kid9[flat]")
    side = real_side.RealSide(stored, [kid], {"flat": Flat()}, None)
    with pytest.raises(ValueError, match="computed for fid..._full metrics"):
        side.moments()
    side.close()


class Response(io.BytesIO):
    """What urlopen gives."""


def test_weights_are_found_fetched_and_checked(tmp_path):
    data = b"weights of a network"
    digest = hashlib.sha256(data).hexdigest()
    file = weights.PublicFile("net.pth", "https://example.org/net.pth", digest[:8])
    found = weights.fetch(file, tmp_path, lambda url, timeout: Response(data))
    assert found.read_bytes() == data
    wrong = weights.PublicFile("other.pth", "https://example.org/other.pth", "0" * 8)
    with pytest.raises(ValueError, match="gave another file"):
        weights.fetch(wrong, tmp_path, lambda url, timeout: Response(data))

    def offline(url, timeout):
        raise OSError("no route to host")

    with pytest.raises(ValueError, match="could not be fetched .* by hand"):
        weights.fetch(wrong, tmp_path, offline)
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]
    (tmp_path / "classify_image_graph_def.pb").write_bytes(b"")
    path = weights.locate("inception", folder=tmp_path)
    assert path.name == "classify_image_graph_def.pb"
    with pytest.raises(ValueError, match="is torchvision's Inception-v3, not FID's"):
        weights.locate("inception", tmp_path / "inception_v3_google-1a9a5a14.pth")
    with pytest.raises(ValueError, match="put vgg16-397923af.pth there"):
        weights.locate("vgg16", tmp_path / "missing.pth")
    with pytest.raises(ValueError, match="which needs no download"):
        weights.locate("vgg16", folder=tmp_path)


def test_a_missing_network_does_not_stop_a_training(tmp_path):
    reals = image_sets.StoredImages(lambda: iter(()))
    with pytest.raises(ValueError, match="weights of inception are not part"):
        evaluator.Evaluator(reals, ["fid1k"])
    judge = evaluator.Evaluator(reals, ["fid1k", "ppl2_1k_zend"], fallback=True)
    assert [m.name for m in judge.metrics] == [
        "fid1k[efficientnet_lite0]",
        "ppl2_1k_zend[efficientnet_lite0]",
    ]


def test_structural_similarity_by_hand():
    """Flat images have no structure: SSIM is the luminance term alone.

    In float32 their variances are not exactly 0: 1.0009e-4 was seen on one processor.
    """
    flat = [np.full((1, 16, 16, 1), value, np.uint8) for value in (100, 150)]
    c1 = (0.01 * 255) ** 2
    wanted = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    found = agreement.structural_similarity(*flat)
    assert found == pytest.approx([wanted], rel=2e-4)
    small = [image[:, :4, :4] for image in flat]
    assert agreement.structural_similarity(*small) == pytest.approx([wanted], rel=2e-4)


def test_agreement_needs_the_same_latents_and_measures_pixels():
    def generator(level, z_dim=4):
        def generate(z, labels):
            return np.full((len(z), 16, 16, 1), level / 127.5 - 1, np.float32)

        return image_sets.GeneratedImages(generate, z_dim, batch_size=4)

    class Distance:
        name = "flat"

        def describe(self):
            return {"extractor": self.name}

        def __call__(self, first, second):
            return np.abs(np.float32(first) - second).mean((1, 2, 3))

    found = agreement.compare(generator(100.5), generator(110.5), 6, Distance())
    assert found["values"]["pixel_l1"] == 10 == found["values"]["pixel_rmse"]
    assert found["value"] == 10 and found["metric"] == "agreement6[flat]"
    with pytest.raises(ValueError, match="z_dim=4 and the teacher z_dim=5"):
        agreement.compare(generator(1), generator(1, 5), 6, Distance())


@pytest.fixture(scope="module")
def garments():
    """Features of 600 embedded images, and a function for changed ones."""
    source = sources.embedded()
    pixels = source.images(np.random.default_rng(0).permutation(10_000)[:600])
    network = extractors.build("efficientnet_lite0", input_size=96, batch_size=50)
    return pixels, lambda changed: network(changed)[0]


@pytest.mark.slow
def test_kernel_distance_on_real_images(garments):
    """Real against real is zero within its error; damage raises it, strictly."""
    pixels, features = garments
    real, rest = features(pixels[:300]), features(pixels[300:])
    parts = [kernel.mmd2(rest[i::5], real[i::5]) for i in range(5)]
    error = np.std(parts, ddof=1) / np.sqrt(5)
    assert abs(np.mean(parts)) < 3 * error

    rng = np.random.default_rng(1)
    other = pixels[300:]

    def noisy(sigma):
        return np.clip(other + rng.normal(0, sigma, other.shape), 0, 255)

    def blurred(size):
        padded = np.pad(other.astype(float), [(0, 0), *[(size // 2,) * 2] * 2, (0, 0)])
        shifts = [(y, x) for y in range(size) for x in range(size)]
        return np.mean([padded[:, y : y + 32, x : x + 32] for y, x in shifts], axis=0)

    def repeated(count):
        return other[np.arange(300) % count]

    clean = kernel.mmd2(rest, real)
    for damage, strengths in (
        (noisy, (10, 40)),
        (blurred, (3, 7)),
        (repeated, (30, 5)),
    ):
        weak, strong = (
            kernel.mmd2(features(damage(s).astype(np.uint8)), real) for s in strengths
        )
        assert clean < weak < strong, damage.__name__
