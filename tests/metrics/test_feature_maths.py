"""FID, KID, Inception Score, precision and recall and so on against the packages."""

import json

import numpy as np
import pytest
import scipy.linalg

from dglgan_tf.metrics import (
    feature_store,
    frechet,
    inception_score,
    kernel,
    precision_recall,
)

CASES = ("main", "rankdef", "identical", "duplicates")


@pytest.fixture(scope="module")
def arrays(reference):
    with np.load(reference / "metrics/features.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def expected(reference):
    return json.loads((reference / "metrics/features_expected.json").read_text())


def rows(seed, count=60, dimension=8, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dimension, dimension))
    return rng.standard_normal((count, dimension)) @ mixing + shift


@pytest.mark.parametrize("case", CASES)
def test_frechet_distance_equals_the_packages(arrays, expected, case):
    found = frechet.distance(
        frechet.moments(arrays[f"{case}_gen"]), frechet.moments(arrays[f"{case}_real"])
    )
    wanted = expected["cases"][case]["fid"]["pytorch-fid calculate_frechet_distance"]
    if case == "identical":
        assert abs(found - wanted) < 1e-6
    else:
        tolerance = 1e-7 if case == "rankdef" else 1e-9
        assert found == pytest.approx(wanted, rel=tolerance)


def test_frechet_distance_of_commuting_covariances_is_the_closed_form():
    mean, one, two = np.zeros(3), np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 0.0])
    found = frechet.distance(
        frechet.Moments(mean, one), frechet.Moments(mean + [1, 2, 3], two)
    )
    assert found == pytest.approx(14 + (1 + 0 + 9), rel=1e-12)


def test_frechet_distance_equals_sqrtm_on_random_features():
    first, second = frechet.moments(rows(1)), frechet.moments(rows(2, shift=0.5))
    root = scipy.linalg.sqrtm(first.covariance @ second.covariance).real
    wanted = np.sum((first.mean - second.mean) ** 2) + np.trace(
        first.covariance + second.covariance - 2 * root
    )
    assert frechet.distance(first, second) == pytest.approx(wanted, rel=1e-10)


def test_streaming_moments_equal_numpy_whatever_the_batches():
    data = rows(3, count=101, shift=1e4)
    stream = frechet.StreamingMoments(8)
    for part in np.split(data, [1, 2, 40, 40, 99]):
        stream.update(part)
    found = stream.result()
    np.testing.assert_allclose(found.mean, data.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(data, rowvar=False), rtol=1e-9)
    assert found.count == 101


def test_moments_refuse_one_image_other_dimensions_and_nan():
    with pytest.raises(ValueError, match="at least 2 images"):
        frechet.moments(rows(0, count=1))
    with pytest.raises(ValueError, match="dimension 8 .* dimension 4"):
        frechet.distance(frechet.moments(rows(0)), frechet.moments(rows(0)[:, :4]))
    broken = rows(0)
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        frechet.distance(frechet.moments(broken), frechet.moments(rows(0)))


@pytest.mark.parametrize("case", CASES)
def test_kernel_distance_equals_the_packages(arrays, expected, case):
    fake, real = arrays[f"{case}_gen"], arrays[f"{case}_real"]
    wanted = expected["cases"][case]["kid"]
    index = list(
        zip(arrays[f"{case}_kid_idx_gen"], arrays[f"{case}_kid_idx_real"], strict=True)
    )
    drawn = kernel.subset_indices(
        len(fake), len(real), len(index), len(index[0][0]), seed=2020
    )
    np.testing.assert_array_equal(drawn, index)
    found = kernel.subsets_mmd2(fake.__getitem__, real.__getitem__, index)
    np.testing.assert_allclose(
        found, arrays[f"{case}_kid_mmd_per_subset"], rtol=0, atol=1e-9
    )
    subsets = wanted["torch-fidelity subsets"]
    assert found.mean() == pytest.approx(subsets["mean"], abs=1e-9)
    assert found.std() == pytest.approx(subsets["std"], abs=1e-9)
    for unbiased, name in ((True, "unbiased"), (False, "biased")):
        whole = kernel.mmd2(fake, real, unbiased=unbiased)
        key = f"full sets, {name} (scikit-learn polynomial_kernel)"
        assert whole == pytest.approx(wanted[key], abs=1e-9)


@pytest.mark.slow
def test_kernel_distance_with_the_default_subsets(arrays, expected):
    fake, real = arrays["main_gen"], arrays["main_real"]
    indices = kernel.subset_indices(len(fake), len(real), 100, 1000, seed=2020)
    found = kernel.subsets_mmd2(fake.__getitem__, real.__getitem__, indices)
    wanted = expected["cases"]["main"]["kid"]["torch-fidelity defaults"]
    assert found.mean() == pytest.approx(wanted["mean"], abs=1e-9)
    assert found.std() == pytest.approx(wanted["std"], abs=1e-9)


def test_kernel_distance_with_another_kernel(arrays, expected):
    def gaussian(x, y):
        squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
        return np.exp(-squared / (2 * 10.0**2))

    wanted = expected["cases"]["main"]["kid"]["torch-fidelity rbf sigma 10, 20 subsets"]
    found = [
        kernel.mmd2(arrays["main_gen"][i], arrays["main_real"][j], gaussian)
        for i, j in zip(
            arrays["main_kid_idx_gen"], arrays["main_kid_idx_real"], strict=True
        )
    ]
    assert np.mean(found) == pytest.approx(wanted["mean"], abs=1e-9)


def test_kernel_distance_by_blocks_equals_the_whole():
    fake, real = rows(5, count=47), rows(6, count=61, shift=0.2)
    store_fake, store_real = map(feature_store.selection, (fake, real))
    found = kernel.mmd2_blocks(
        lambda: store_fake.blocks(10), lambda: store_real.blocks(7)
    )
    assert found == pytest.approx(kernel.mmd2(fake, real), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("k", (3, 5))
def test_manifold_metrics_equal_the_packages(arrays, expected, case, k):
    fake = feature_store.selection(arrays[f"{case}_gen"])
    real = feature_store.selection(arrays[f"{case}_real"])
    wanted = expected["cases"][case]["prdc"]
    found = precision_recall.precision_recall(fake, real, k)
    package = wanted[f"torch-fidelity k={k} float64"]
    assert found == pytest.approx((package["precision"], package["recall"]), abs=1e-7)
    found = precision_recall.density_coverage(fake, real, k)
    package = wanted[f"prdc k={k} float64"]
    assert found == pytest.approx((package["density"], package["coverage"]), abs=1e-12)


def test_manifold_metrics_do_not_depend_on_the_blocks(arrays, monkeypatch):
    def both():
        fake = feature_store.selection(arrays["duplicates_gen"])
        real = feature_store.selection(arrays["duplicates_real"])
        found = precision_recall.density_coverage(fake, real, 5)
        return found, precision_recall.precision_recall(fake, real, 7)

    whole = both()
    monkeypatch.setattr(precision_recall, "BLOCK", 64)
    monkeypatch.setattr(precision_recall, "_PAIRS", 100)
    assert both() == whole


def test_balls_by_hand():
    """Points on a line: radii to the first neighbour are 1, 1, 2."""
    real = feature_store.selection(np.array([[0.0], [1.0], [3.0]], np.float32))
    fake = feature_store.selection(np.array([[0.5], [2.0], [9.0]], np.float32))
    radii = precision_recall.squared_radii(real, 1)
    np.testing.assert_array_equal(radii, [1, 1, 4])
    closed = precision_recall.balls(real, radii, fake, closed=True)
    np.testing.assert_array_equal(closed[0], [2, 2, 0])
    np.testing.assert_array_equal(closed[1], [1, 2, 1])
    np.testing.assert_array_equal(closed[2], [0, 0, 0])
    other = precision_recall.squared_radii(fake, 1)  # 2.25, 2.25, 49
    both = precision_recall.balls(real, radii, fake, True, query_radius=other)
    np.testing.assert_array_equal(both[2], [1, 2, 2])
    opened = precision_recall.balls(real, radii, fake, closed=False)
    np.testing.assert_array_equal(opened[0], [2, 1, 0])
    with pytest.raises(ValueError, match="k=3 neighbours need more than 3"):
        precision_recall.squared_radii(real, 3)


@pytest.mark.parametrize("name", ("is_logits", "is_uniform"))
@pytest.mark.parametrize("splits", (1, 10))
def test_inception_score_equals_the_packages(arrays, expected, name, splits):
    logits, wanted = arrays[name], expected["inception_score"][name]
    for order, key in (
        (np.arange(len(logits)), f"torch-fidelity splits={splits} shuffle=False"),
        (
            np.random.RandomState(2020).permutation(len(logits)),
            f"torch-fidelity splits={splits} shuffle=True "
            "(RandomState(2020).permutation(N))",
        ),
    ):
        mean, deviation = inception_score.score(logits[order], splits)
        assert mean == pytest.approx(wanted[key]["mean"], rel=1e-9)
        assert deviation == pytest.approx(wanted[key]["std"], rel=1e-9, abs=1e-12)


def test_inception_score_by_hand_and_in_batches():
    """Certain predictions of four classes in equal shares score exactly 4."""
    logits = np.where(np.eye(4)[np.arange(40) % 4] > 0, 0.0, -2000.0)
    stream = inception_score.StreamingScore(40, splits=5)
    for part in np.split(logits, [1, 17, 18]):
        stream.update(part)
    assert stream.result() == pytest.approx((4.0, 0.0), abs=1e-12)
    with pytest.raises(ValueError, match="expected 41 images, but 40 came"):
        short = inception_score.StreamingScore(41)
        short.update(logits)
        short.result()


def test_feature_file_returns_what_went_in(tmp_path):
    data = rows(7, count=30).astype(np.float32)
    store = feature_store.FeatureStore(tmp_path / "f", 8)
    store.append(data[:11])
    store.append(data[11:])
    assert len(store) == 30
    odd = store.select(range(1, 30, 2))
    np.testing.assert_array_equal(odd.rows([0, 14]), data[[1, 29]])
    np.testing.assert_array_equal(np.concatenate(list(odd.blocks(4))), data[1::2])
    store.close()
