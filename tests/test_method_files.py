"""Every variant and baseline trains the first steps of its gin file on embedded images.

Networks are tiny and StyleGAN2's images are shrunk to 8 px; what the file configures is
built by `train` itself, from files of weights, and its steps run eagerly.
"""

import functools
import itertools

import gin
import numpy as np
import pytest
import test_gin_files as gin_files

from dglgan_tf.compat import tf
from dglgan_tf.config import gin_files as config
from dglgan_tf.data import sources
from dglgan_tf.networks import base, files
from dglgan_tf.runs import plan, training_run

TINY = [
    "DynamicSparsity.interval_steps = 1",
    "content_aware.images = 16",
    "diversity_aware.images = 16",
    "diversity_aware.directions = 1",
    "three_quarters/BigGANGenerator.ch = 1",
    "three_quarters/BigGANGenerator.shared_dim = 4",
    "three_quarters/BigGANDiscriminator.ch = 1",
    "FeatureL1.resolutions = [8]",
    "FeatureAlignment.resolutions = [4]",
]
# What an earlier step has left moves these.
TWO_STEPS = (
    "variants/ada.gin",
    "variants/balanced_weight.gin",
    "variants/lecam.gin",
    "variants/updated_teacher.gin",
    "variants/updated_teacher_stylegan2.gin",
    "variants/weight_warmup.gin",
    "baselines/dynamic_sparse.gin",
)
PAIR = ("generator", "discriminator")


@pytest.fixture(scope="module")
def embedded():
    """Four real images [4, 32, 32, 1] in [-1, 1] and their labels."""
    source = sources.embedded()
    images, labels = source.images(np.arange(4)), source.labels[:4]
    return images.astype(np.float32) / 127.5 - 1.0, labels.astype(np.int32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Returns names of networks in gin -> a file of them, made once."""
    folder, made = tmp_path_factory.mktemp("weights"), {}

    def save(references):
        key = tuple(str(reference) for reference in references)
        if key not in made:
            made[key] = str(folder / f"{len(made)}.safetensors")
            networks = [reference.scoped_configurable_fn() for reference in references]
            files.save_networks(made[key], dict(zip(PAIR, networks, strict=True)))
        return made[key]

    return save


def _train(embedded, ran, steps, built, begin, when, directory, team):
    """Takes the place of the loop: a step or two, nothing is written."""
    del begin, when, directory, team
    train, networks = built.trainer, built.networks
    images, labels = embedded
    shrink = images.shape[1] // networks.generator.resolution
    images = tf.nn.avg_pool2d(images, shrink, shrink, "VALID")
    batch = {"images": images, "labels": tf.constant(labels)}
    before = [v.numpy() for v in networks.generator.trainable_variables]
    found = [train.train_step(itertools.repeat(batch)) for _ in range(steps)]
    for metrics in found:
        assert all(np.isfinite(float(value)) for value in metrics.values()), metrics
        assert not any(float(v) for n, v in metrics.items() if n.endswith("/skipped"))
    after = networks.generator.trainable_variables
    assert any(np.any(x != y) for x, y in zip(before, after, strict=True))
    for network in networks.by_role().values():
        for name, variable in base.named_variables(network).items():
            assert np.isfinite(variable).all(), name
    ran.append(train)


def test_what_is_imitated_is_the_embedded_data(embedded):
    images, labels = embedded
    assert images.shape == (4, 32, 32, 1) and images.min() == -1 < images.max() <= 1
    assert set(labels) <= set(range(10))


@pytest.mark.slow
@pytest.mark.parametrize("name", gin_files.METHOD_FILES)
def test_real_steps(name, embedded, weights, tmp_path, monkeypatch):
    ran, steps = [], 2 if name in TWO_STEPS else 1
    monkeypatch.setattr(
        training_run, "_train", functools.partial(_train, embedded, ran, steps)
    )
    bindings = gin_files.of_used_scopes(name, TINY)
    config.parse([name], [*gin_files.tiny(name), *bindings])
    stages = gin_files.stages()
    tf.config.run_functions_eagerly(True)  # steps cost less than a trace
    try:
        for stage in stages:
            with gin.config_scope(stage or None):
                _run(weights, tmp_path / (stage or "run"))
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(ran) == len(stages)


def _run(weights, folder):
    query, overrides = gin_files.query, {}
    wide = query("teacher_networks")
    if teachers := query("teachers"):
        overrides["teachers"] = [weights(wide)] * len(teachers)
    if start := query("initialize_from"):
        path = weights(wide if query("prune") else [query(role) for role in PAIR])
        by_role = isinstance(start, dict)
        overrides["initialize_from"] = dict.fromkeys(start, path) if by_role else path
    training_run.run(run_dir=str(folder), plan=plan.Plan(**overrides))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        f"baselines/{name}.gin"
        for name in ("feature_l1", "feature_alignment", "perceptual", "dynamic_sparse")
    ],
)
def test_a_dry_run_needs_no_weights(name, tmp_path, capsys):
    config.parse([name], [])
    assert training_run.run(run_dir=str(tmp_path / "run"), dry_run=True) == {}
    assert "phases " in capsys.readouterr().out
