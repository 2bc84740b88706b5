"""Every term, smoothed losses, adaptive strength: XLA trains as graph mode does."""

import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import keras, tf
from dglgan_tf.losses import distillation, smoothing
from dglgan_tf.training import optimizers, scores
from dglgan_tf.training.augmentation import adaptive, augment
from dglgan_tf.training.terms import of_discriminator as d_terms
from dglgan_tf.training.terms import of_generator as g_terms
from dglgan_tf.training.terms import term


def features():
    """A fixed network's stand-in: two sides, four channels."""
    kernel = tf.constant(np.random.RandomState(0).randn(1, 1, 1, 4), tf.float32)

    def taps(images):
        first = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return [first, tf.nn.avg_pool2d(first, 2, 2, "SAME")]

    return taps


def all_terms():
    """One of each class; a list that misses a new one fails a test below."""
    rejected = distillation.d_teacher_samples_logistic
    return [
        g_terms.SelfSupervised(),
        g_terms.OutputL1(),
        g_terms.Perceptual(features),
        g_terms.DistributionMatching(features),
        g_terms.LatentDirections(features, directions=2),
        g_terms.FeatureL1([1]),
        d_terms.FeatureAlignment([1]),
        d_terms.LogitAlignment(loss=distillation.logit_divergence),
        d_terms.TeacherSamplesRejected(loss=rejected),
        d_terms.TeacherSamplesAsData(),
        d_terms.LeCam(),
        g_terms.TopK(epoch_images=16, decay=0.5),
    ]


def trained(devices, jit):
    """Three steps; returns (metrics of each, all values at the end)."""
    goal = tiny.goal(
        d_loss=smoothing.d_logistic_smooth,
        g_loss=smoothing.g_logistic_rejected,
        d_scores=scores.scores_joint,
        guidance_weight=0.0,
        terms=all_terms(),
        augment=adaptive.Augmentation(
            augment.mirror, 0.3, target=0.6, interval_steps=2, ramp_images=200
        ),
    )
    keras.utils.set_random_seed(0)  # of the projections
    adam = functools.partial(optimizers.adam, 0.01)
    train = tiny.make(
        tiny.toy(num_classes=3, bend=0.3),
        devices[:1],
        goal,
        teachers=[lambda: tiny.Quadratic(num_classes=3, width=3)],
        imitated=lambda: tiny.Linear(num_classes=3, width=4),
        jit=jit,
        g_optimizer=adam,
        d_optimizer=adam,
        g_microbatches=2,
    )
    assert train.jit == jit
    return tiny.steps(train, 3), tiny.everything(train)


def test_the_list_is_complete():
    public = {
        value
        for module in (g_terms, d_terms)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, term.Term)
        and not value.__name__.startswith("_")
    }
    assert public == {type(part) for part in all_terms()}


@pytest.mark.slow
def test_all_terms_train_the_same_with_and_without_xla(logical_devices):
    (graph, kept), (xla, compiled) = (
        trained(logical_devices, jit) for jit in (False, True)
    )
    expected = {term.name for term in all_terms()} - {
        "teacher_samples_as_data",  # takes the place of reals
        "top_k",  # weighs samples
    }
    assert {name.split("/")[1] for name in graph[0]} > expected
    for one, other in zip(graph, xla, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value == pytest.approx(other[name], rel=1e-3, abs=1e-4), name
    tiny.assert_close(kept, compiled, 1e-3)
