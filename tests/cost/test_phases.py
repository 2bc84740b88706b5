"""Memory and work of phases: by hand, and in proportion to what is at once."""

import dataclasses
import types

import pytest
from support import tiny_training as tiny

from dglgan_tf.cost import backward, macs, memory, phases, rate


def part(name, parameters, macs, kept, peak, **options):
    cost = types.SimpleNamespace(
        parameters=parameters, macs=macs, activation_bytes=kept, peak_bytes=peak
    )
    return memory.Part(name, cost, **options)


PARTS = [
    part("g", 10, 100, 1000, 300, ema=True),
    part("d", 20, 200, 3000, 500),
    part("teacher", 40, 400, 7000, 900, trained=False),
]
STATE = 4 * (10 + 20 + 40) + 8 * (10 + 20) + 4 * 10


@pytest.mark.parametrize(
    "phase, images, beside",
    [
        ("g", 2, 2 * (1000 + 3000 + 7000) + 4 * 10),
        ("d", 2, 2 * 2 * 3000 + 4 * 20 + 2 * 300),
        ("d_reg", 2, 2 * 2 * 3000 + 4 * 20),
        ("g_reg", 1, 2 * 1000 + 4 * 10),
        ("diagnostics", 4, 4 * (3000 + 7000) + 4 * 300),
        ("grid", 8, 8 * 300),
        ("snapshot", 0, STATE),
    ],
)
def test_bytes_by_hand(phase, images, beside):
    assert phases.phase_bytes(PARTS, phase, images) == STATE + beside


def test_work_of_a_mean_step_by_hand():
    def phase(name, batch, interval=1, repeats=1):
        return types.SimpleNamespace(
            name=name, batch_size=batch, interval=interval, repeats=repeats
        )

    due = [phase("g", 8), phase("d", 8, repeats=2), phase("d_reg", 8, interval=16)]
    g, d = 8 * (300 + 400 + 800), 2 * 8 * (100 + 1200)
    assert phases.step_macs(PARTS, due) == g + d + 0.5 * 1800


def test_each_teacher_has_phases_of_its_own():
    assert phases.uses("teacher0") == phases.uses("teacher")
    assert phases.uses("teacher1_reg") == phases.uses("teacher_reg")


def test_a_rate_is_that_of_a_computer():
    assert 1e8 < rate.macs_per_second(0.0) < 1e16


def test_what_is_known_of_backward_passes_is_used():
    known = dataclasses.replace(PARTS[0], kept=400)
    changed = phases.phase_bytes([known, *PARTS[1:]], "g", 2)
    assert phases.phase_bytes(PARTS, "g", 2) - changed == 2 * (1000 - 400)
    whole, less = (memory.training_bytes([p], 3) for p in (PARTS[0], known))
    assert whole["activations"] - less["activations"] == 3 * 600


def test_a_backward_pass_keeps_part_of_what_a_forward_call_makes():
    for make in tiny.stylegan2_pair():
        network = make()
        cost, kept = macs.count(network), backward.kept_bytes(network)
        assert cost.peak_bytes / 4 < kept < cost.activation_bytes
