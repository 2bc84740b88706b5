"""The evaluator: names, latents, one pass, floor, protocol, bad input."""

import json
import os

import numpy as np
import pytest

from dglgan_tf.metrics import (
    evaluator,
    extractors,
    frechet,
    image_sets,
    kernel,
    names,
    protocol,
    scores,
    scoring,
)


def pictures(seed, count=240, noise=0.0):
    """Discs of ten sizes at random places: uint8 [count, 32, 32, 1] and labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.int32)
    grid = np.mgrid[:32, :32][:, None]
    centre = rng.uniform(12, 20, (2, count, 1, 1))
    inside = ((grid - centre) ** 2).sum(0) < (labels[:, None, None] + 4) ** 2
    values = 200.0 * inside + rng.normal(0, 1 + noise, inside.shape)
    return np.clip(values, 0, 255).astype(np.uint8)[..., None], labels


def stored(seed, count=240, batch=50, fingerprint="f", **change):
    array, labels = pictures(seed, count, **change)

    def batches():
        for start in range(0, count, batch):
            yield array[start : start + batch], labels[start : start + batch]

    return image_sets.StoredImages(
        batches, {"data": "discs", "split": "a"}, fingerprint
    )


def generate(z, labels):
    """A generator with ten classes: bars whose width is the class."""
    shade = 0.5 + 0.1 * np.tanh(z[:, :1, None])
    bars = np.arange(32)[None, None] < (labels + 4)[:, None, None]
    pixels = np.broadcast_to(bars * shade * 2 - 1, (len(z), 32, 32))
    return np.ascontiguousarray(pixels[..., None], np.float32)


def judge(reals, metrics, **arguments):
    return evaluator.Evaluator(
        reals,
        metrics,
        extractor="efficientnet_lite0",
        extractor_arguments={"efficientnet_lite0": {"input_size": 32}},
        **arguments,
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    (
        ("fid50k_full", ("fid", 50000, None, 0, "inception", "fid50k_full")),
        ("kid1k", ("kid", 1000, 1000, 0, "inception", "kid1k")),
        ("is2500", ("is", 2500, 2500, 0, "inception", "is2500")),
        ("pr50k3_full", ("pr", 50000, None, 3, "vgg16", "pr50k3_full")),
        ("dc10k7[inception]", ("dc", 10000, 10000, 7, "inception", "dc10k7")),
        (
            "fid1k[efficientnet_lite0]",
            ("fid", 1000, 1000, 0, "efficientnet_lite0", "fid1k[efficientnet_lite0]"),
        ),
        ("ppl2_wend", ("ppl2", 50000, 50000, 0, "vgg16_lpips", "ppl2_wend")),
        ("ppl_2k_zfull", ("ppl", 2000, 2000, 0, "vgg16_lpips", "ppl_2k_zfull")),
    ),
)
def test_names_of_metrics(name, wanted):
    metric = names.parse(name)
    found = (
        metric.kind,
        metric.num_generated,
        metric.num_real,
        metric.neighbours,
        metric.extractor,
        metric.name,
    )
    assert found == wanted


@pytest.mark.parametrize("name", ("fid", "fid50k_half", "kid1", "fid1k3", "pr1k0", "x"))
def test_wrong_names_are_refused(name):
    with pytest.raises(ValueError, match="metrics="):
        names.parse(name)


def test_latents_and_labels_do_not_depend_on_the_batch_size():
    def drawn(batch_size):
        source = image_sets.GeneratedImages(
            generate, 7, num_classes=5, batch_size=batch_size
        )
        z, labels = zip(*source.latents(30, False, seed=3), strict=True)
        return np.concatenate(z)[:30], np.concatenate(labels)[:30]

    for one, two in zip(drawn(4), drawn(30), strict=True):
        np.testing.assert_array_equal(one, two)


def test_labels_follow_the_asked_frequencies():
    weights = [1, 0, 3]
    source = image_sets.GeneratedImages(generate, 2, 3, weights, batch_size=500)
    labels = np.concatenate([label for _, label in source.latents(4000, False, 0)])
    share = np.bincount(labels, minlength=3) / len(labels)
    np.testing.assert_allclose(share, [0.25, 0, 0.75], atol=0.03)
    uniform = image_sets.GeneratedImages(generate, 2, 3, batch_size=500)
    labels = np.concatenate([label for _, label in uniform.latents(4000, False, 0)])
    np.testing.assert_allclose(np.bincount(labels) / len(labels), 1 / 3, atol=0.03)
    balanced = next(uniform.latents(9, True, 0))[1][:9]
    np.testing.assert_array_equal(balanced, [0, 1, 2] * 3)
    with pytest.raises(ValueError, match="unconditional"):
        image_sets.GeneratedImages(generate, 2, 0, weights)


def test_bytes_are_those_of_the_reference_tools():
    values = np.array([-2.0, -1.0, -0.9999, 0.0, 0.999, 1.0, 5.0], np.float32)
    found = image_sets.to_uint8(values.reshape(1, 1, 7, 1)).ravel()
    np.testing.assert_array_equal(found, [0, 0, 0, 128, 255, 255, 255])


@pytest.mark.slow
def test_every_metric_equals_its_maths_on_the_extracted_features():
    reals = stored(0)
    wanted = (
        "fid100 fid120_full kid100 kid100_full kidall100_full is100 pr100 dc100_full "
        "ifid10_full"
    ).split()
    settings = scoring.Settings(kid_subsets=5, kid_subset_size=40, is_splits=4)
    machine = judge(reals, wanted, settings=settings)
    subject = image_sets.GeneratedImages(generate, 4, 10, batch_size=32)
    seen = []
    found = machine.evaluate(subject, progress=lambda done, total: seen.append(done))
    machine.close()
    score = {one["metric"].split("[")[0]: one for one in found}
    assert list(score) == wanted
    assert all(one["metric"].endswith("[efficientnet_lite0_32]") for one in found)

    network = extractors.efficientnet_lite0_extractor(input_size=32)
    fake = np.concatenate([pixels for pixels, _ in subject.draw(120)])
    fake, logits = network(fake)
    real, _ = network(pictures(0)[0])
    moments = frechet.moments
    value = frechet.distance(moments(fake[:100]), moments(real[:100]))
    assert score["fid100"]["value"] == pytest.approx(value, rel=1e-4)
    value = frechet.distance(moments(fake), moments(real))
    assert score["fid120_full"]["value"] == pytest.approx(value, rel=1e-4)
    floor = frechet.distance(moments(real[0:200:2]), moments(real[1:200:2]))
    assert score["fid100"]["floor"]["value"] == pytest.approx(floor, rel=1e-4)
    assert score["fid100"]["floor"]["images"] == 100
    index = kernel.subset_indices(100, 240, 5, 40, 2020)
    value = np.mean([kernel.mmd2(fake[i], real[j]) for i, j in index])
    assert score["kid100_full"]["value"] == pytest.approx(value, rel=1e-4)
    value = kernel.mmd2(fake[:100], real)
    assert score["kidall100_full"]["value"] == pytest.approx(value, rel=1e-4)
    assert score["is100"]["protocol"]["splits"] == 4
    assert 1 <= score["is100"]["value"] <= 1000
    assert logits.shape == (120, 1000)
    assert len(score["ifid10_full"]["values"]) == 10
    json.dumps(found)
    assert seen[-1] == 100 and 120 in seen


def test_real_against_real_is_at_the_floor_and_noise_rises():
    machine = judge(stored(0, 400), ["kid200"])
    value = {
        noise: machine.evaluate(stored(9, 400, noise=noise))[0]["value"]
        for noise in (0.0, 20.0, 60.0)
    }
    machine.close()
    assert abs(value[0.0]) < 0.1 * value[20.0]
    assert value[0.0] < value[20.0] < value[60.0]


def test_the_same_seed_gives_the_same_score_and_another_seed_another():
    machine = judge(stored(0), ["kid60"])
    subject = image_sets.GeneratedImages(generate, 4, 10)
    first, again, other = (machine.evaluate(subject, seed=s)[0] for s in (1, 1, 2))
    machine.close()
    assert first["value"] == again["value"] != other["value"]
    merged = scores.mean_and_deviation([first, other])
    values = [first["value"], other["value"]]
    assert merged["value"] == pytest.approx(np.mean(values))
    assert merged["values"]["std_of_repeats"] == pytest.approx(np.std(values, ddof=1))
    assert merged["protocol"]["seed"] == [1, 2]


def test_reals_are_read_once():
    reals, passes = stored(0), []
    counted = image_sets.StoredImages(
        lambda: (passes.append(1), reals.batches())[1], {"data": "discs"}
    )
    machine = judge(counted, ["kid60", "fid60"])
    for _ in range(2):
        machine.evaluate(image_sets.GeneratedImages(generate, 4, 10))
    machine.close()
    assert len(passes) == 1


def test_different_protocols_are_not_compared():
    subject = image_sets.GeneratedImages(generate, 4, 10, protocol={"truncation": 1.0})
    score = evaluator.evaluate(
        generate,
        stored(0),
        ["kid60"],
        4,
        10,
        protocol={"truncation": 1.0, "weights": "ema"},
        extractor="efficientnet_lite0",
        extractor_arguments={"efficientnet_lite0": {"input_size": 32}},
    )[0]
    assert subject.protocol == {"truncation": 1.0}
    same = dict(score, protocol=score["protocol"] | {"seed": 5})
    protocol.require_comparable([score, same])
    for change in (
        {"resize": "legacy_pytorch"},
        {"num_real": 61},
        {"real_fingerprint": "other"},
        {"generated": {"truncation": 0.5, "labels": "uniform"}},
        {"real": {"data": "discs", "split": "b"}},
    ):
        other = dict(score, protocol=score["protocol"] | change)
        with pytest.raises(ValueError, match="not made the same way"):
            protocol.require_comparable([score, other])
        protocol.require_comparable([score, other], force=True)


def test_bad_input_gets_one_sentence():
    subject = image_sets.GeneratedImages(generate, 4, 10)
    with pytest.raises(ValueError, match="needs 300 real images, but there are 240"):
        judge(stored(0), ["kid300"]).evaluate(subject)
    with pytest.raises(ValueError, match="needs 500 generated images.* are 240"):
        judge(stored(0), ["kid500_full"]).evaluate(stored(1))
    broken = image_sets.GeneratedImages(
        lambda z, labels: np.full((len(z), 8, 8, 1), np.nan, np.float32), 4
    )
    with pytest.raises(ValueError, match="NaN or infinity"):
        judge(stored(0), ["kid60"]).evaluate(broken)
    unconditional = image_sets.GeneratedImages(generate, 4)
    with pytest.raises(ValueError, match="unconditional"):
        judge(stored(0), ["ifid10"]).evaluate(unconditional)
    with pytest.raises(ValueError, match="metrics is empty"):
        judge(stored(0), [])
    with pytest.raises(ValueError, match="at least as many images"):
        judge(stored(0), ["is5"]).evaluate(subject)


def test_temporary_files_go_away(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    machine = judge(stored(0), ["kid60"])
    machine.evaluate(image_sets.GeneratedImages(generate, 4, 10))
    assert len(os.listdir(tmp_path)) == 1
    machine.close()
    assert not os.listdir(tmp_path)
