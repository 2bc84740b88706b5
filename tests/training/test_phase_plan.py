"""Which phases a training has, in which order, on which reals.

`phase_plan` orders them, `teacher_phases` has those of updated teachers.
"""

import pytest
from support import tiny_training as tiny

from dglgan_tf.losses import adversarial

RELATIVISTIC = {
    "d_loss": adversarial.d_relativistic,
    "g_loss": adversarial.g_relativistic,
    "guidance_weight": 0.0,
}


def plan(logical_devices, goal, teachers=0, **options):
    """Returns [(name, batch, parts, interval, repeats, reals)] of a toy training."""
    train = tiny.make(tiny.toy(), logical_devices[:1], goal, teachers, **options)
    return [
        (p.name, p.batch_size, p.microbatches, p.interval, p.repeats, p.reals)
        for p in train.phases
    ]


def test_stylegan2_order(logical_devices):
    goal = tiny.goal(r1_gamma=1.0, path_length_weight=2.0)
    assert plan(logical_devices, goal, g_microbatches=4) == [
        ("g", 8, 4, 1, 1, None),
        ("g_reg", 4, 4, 4, 1, None),  # half the batch, as many parts as it gives
        ("d", 8, 1, 1, 1, "next"),
        ("d_reg", 8, 1, 16, 1, "last"),
    ]


def test_biggan_order(logical_devices):
    found = plan(logical_devices, tiny.goal(), d_first=True, d_steps=3, d_batch_size=4)
    assert found == [("d", 4, 1, 1, 3, "next"), ("g", 8, 1, 1, 1, None)]


@pytest.mark.parametrize("d_first", [True, False])
def test_a_relativistic_pair_shares_a_batch_of_reals(logical_devices, d_first):
    found = plan(logical_devices, tiny.goal(**RELATIVISTIC), d_first=d_first)
    assert [item[-1] for item in found] == ["next", "last"]


def test_updated_teachers_come_last_on_the_same_reals(logical_devices):
    goal = tiny.goal(r1_gamma=1.0, update_teachers=True)
    names = [(item[0], item[-1]) for item in plan(logical_devices, goal, teachers=2)]
    assert names[3:] == [
        ("teacher0", "last"),
        ("teacher0_reg", "last"),
        ("teacher1", "last"),
        ("teacher1_reg", "last"),
    ]


def test_without_a_game_nobody_trains_the_discriminator(logical_devices):
    goal = tiny.goal(adversarial_weight=0.0)
    assert [item[0] for item in plan(logical_devices, goal, teachers=1)] == ["g"]


def test_new_state_has_an_optimizer_for_each_player(logical_devices):
    """`new_state` builds what `phase_plan` hands out."""
    goal = tiny.goal(update_teachers=True, path_length_weight=1.0)
    made = tiny.make(tiny.toy(), logical_devices[:1], goal, teachers=1).state
    assert list(made.optimizers) == ["g", "d", "teacher0"]
    assert list(made.slots) == ["path_length_mean"]
