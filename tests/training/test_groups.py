"""Batches and the groups of minibatch standard deviation: said before training."""

import types

import pytest

from dglgan_tf.cli import nvidia_flags
from dglgan_tf.networks import stylegan2_discriminator
from dglgan_tf.training import phase_checks, scores


def judge(group, channels=1):
    return stylegan2_discriminator.StyleGAN2Discriminator(
        resolution=4,
        channel_max=4,
        mbstd_group_size=group,
        mbstd_num_channels=channels,
    )


def networks(*groups):
    student, *teachers = (judge(group) for group in groups)
    return types.SimpleNamespace(discriminator=student, teachers=teachers)


def phases(name, batch, parts=1):
    item = types.SimpleNamespace(
        name=name, batch_size=batch, microbatches=parts, variables=[]
    )
    return [item]


def goal(d_scores=scores.scores_separate):
    return types.SimpleNamespace(d_scores=d_scores, path_length_batch_shrink=2)


@pytest.mark.parametrize("batch", range(1, 34))
def test_the_preset_chooses_a_group_that_divides(batch):
    group = nvidia_flags.group_of(batch, 4)
    assert batch % group == 0 and (group > 1 or batch == 1)
    phase_checks.check(phases("d", batch), 1, networks(group), goal())
    whole = phase_checks.whole_groups(networks(group), 32)
    assert whole % group == 0 and (whole <= 32 or whole == group)


@pytest.mark.parametrize(
    "batch, parts, groups", [(10, 1, (4,)), (12, 2, (4,)), (10, 1, (5, 4))]
)
def test_a_batch_of_other_groups_is_told(batch, parts, groups):
    with pytest.raises(ValueError, match="multiple of the group of 4 of minibatch"):
        phase_checks.check(phases("d", batch, parts), 1, networks(*groups), goal())
    phase_checks.check(phases("g_reg", batch, parts), 1, networks(*groups), goal())


def test_groups_of_reals_and_fakes_in_one_call():
    joint = goal(scores.scores_joint)
    with pytest.raises(ValueError, match="6 images are scored at once"):
        phase_checks.check(phases("d", 3), 1, networks(4), joint)
    phase_checks.check(phases("d", 3), 1, networks(4), goal())


def test_other_networks_have_no_groups():
    assert judge(4, channels=0).group_in(7) == 1
    assert judge(None).group_in(7) == 7


@pytest.mark.parametrize("batch, replicas, right", [(1, 1, 2), (6, 2, 4), (2, 4, 8)])
def test_path_length_regularization_needs_images(batch, replicas, right):
    cut = types.SimpleNamespace(batch_size=batch, replicas=replicas)
    with pytest.raises(ValueError, match=f"give --batch .* a multiple of {right}, or"):
        phase_checks.path_length_batch(goal(), cut)
    cut.batch_size = right
    assert phase_checks.path_length_batch(goal(), cut) == right // 2
