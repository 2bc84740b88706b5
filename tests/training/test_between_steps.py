"""What moves between optimizer steps, and when."""

import types

from dglgan_tf.training import between_steps, state


class Masks:
    """Notes what is asked of it."""

    growth = "growth of g"
    of_generator = True

    def __init__(self, calls):
        self._calls = calls

    def follows(self, item):
        return item == "g"

    def apply(self):
        self._calls.append("applied")

    def is_due(self, step):
        return step == 3

    def move(self, images):
        self._calls.append(images)

    def variables(self):
        return {"mask/g": "variable"}


def test_masks_follow_their_network_and_move_when_due():
    calls = []
    sparsity = types.SimpleNamespace(masks=lambda networks, phases: [Masks(calls)])
    train_state = types.SimpleNamespace(networks=None, slots={})
    goal = types.SimpleNamespace(augment=None)
    between = between_steps.BetweenSteps(train_state, goal, sparsity, ["g", "d"], 8)
    assert train_state.slots == {"mask/g": "variable"}
    between.after_phase("d")
    assert calls == []
    between.after_phase("g")
    between.after_average()
    assert calls == ["applied", "applied"]
    for step in (2, 3):
        between.after_step(state.Counters(step=step, images=8 * step), calls.append)
    assert calls[2:] == ["growth of g", 24]


def test_strength_moves_every_interval_by_the_batch():
    moved = []
    augment = types.SimpleNamespace(
        is_due=lambda step: (step + 1) % 2 == 0,
        adapt=lambda batch_size: moved.append(batch_size.shape),
    )
    goal = types.SimpleNamespace(augment=augment)
    train_state = types.SimpleNamespace(networks=None, slots={})
    between = between_steps.BetweenSteps(train_state, goal, None, [], 8)
    for step in range(4):
        between.after_step(state.Counters(step=step), None)
    assert moved == [()]  # at steps 1 and 3, traced once
