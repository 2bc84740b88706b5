"""Parts that fit memory: what is chosen, and that it changes no gradient."""

import types

import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.cost import memory
from dglgan_tf.runs import auto_parts, build, plan, run_options
from dglgan_tf.training import layout, settings


def wanted(**options):
    given = {
        "g_optimizer": tiny.sgd,
        "d_optimizer": tiny.sgd,
        "ema_decay": tiny.half_life,
    }
    return settings.Settings(objective=tiny.goal(), **{**given, **options})


@pytest.fixture
def pair(logical_devices):
    """A StyleGAN2 pair whose discriminator compares groups of two."""
    train = tiny.make(tiny.stylegan2_pair(), logical_devices[:1], tiny.goal())
    return train.state.networks, train.strategy


def needs(networks, images):
    parts = auto_parts.networks_of(networks, False)
    return memory.training_bytes(parts, images)["total"]


def test_less_memory_means_smaller_parts_of_whole_groups(pair):
    networks, strategy = pair
    found = [
        auto_parts.choose(wanted(batch_size=8), networks, strategy, lanes, free)
        for lanes, free in (
            (1, needs(networks, 8)),
            (1, needs(networks, 8) - 1),
            (1, needs(networks, 4) - 1),
            (1, 0),
            (2, 0),
        )
    ]
    assert found == [8, 4, 2, 2, 4]


def test_both_batches_divide(pair):
    networks, strategy = pair
    batches = wanted(batch_size=12, d_batch_size=24)
    free = needs(networks, 8)
    part = auto_parts.choose(batches, networks, strategy, 1, free)
    assert part == 6
    cut = batches.layout(1, 1).limited(part)
    assert (cut.g_microbatches, cut.d_microbatches) == (2, 4)


def test_parts_change_no_gradient(logical_devices):
    """Of a network in which nothing depends on the split."""
    found = []
    for part in (None, 2):
        train = tiny.make(
            tiny.toy(), logical_devices[:1], tiny.goal(), max_microbatch=part
        )
        tiny.steps(train, 2)
        found.append(tiny.everything(train))
    assert auto_parts.part_of(train) == 2
    tiny.assert_close(*found, 1e-5)


def test_auto_is_resolved_once_and_remembered(monkeypatch, tmp_path):
    made = wanted(batch_size=8, max_microbatch="auto")
    monkeypatch.setattr(auto_parts.settings, "Settings", lambda: made)
    monkeypatch.setattr(auto_parts, "available_bytes", lambda strategy: 0)
    source = types.SimpleNamespace(num_classes=0)
    built = build.build(source, *tiny.toy())
    assert auto_parts.part_of(built.trainer) == 1
    built = build.build(source, *tiny.toy(), plan.Beginning(part=4))
    assert auto_parts.part_of(built.trainer) == 4
    directory = types.SimpleNamespace(path=tmp_path)
    assert run_options.remembered_part(directory) is None
    (tmp_path / "training_options.json").write_text('{"max_microbatch": 4}')
    assert run_options.remembered_part(directory) == 4


def test_a_step_without_memory_goes_on_in_smaller_parts(logical_devices, monkeypatch):
    whole, train = (
        tiny.make(tiny.toy(), logical_devices[:1], tiny.goal()) for _ in range(2)
    )
    real = train._step_of

    def scarce(item):
        def step(*given):
            if item.batch_size // item.microbatches > 4:
                raise tf.errors.ResourceExhaustedError(None, None, "no room")
            return real(item)(*given)

        return step

    monkeypatch.setattr(train, "_step_of", scarce)
    tiny.steps(train, 2)
    tiny.steps(whole, 2)
    tiny.assert_close(tiny.everything(train), tiny.everything(whole), 1e-5)
    assert all(value == 1 for value in train.trace_counts().values())


def test_a_group_is_never_cut():
    judge = types.SimpleNamespace(mbstd_group_size=4)
    networks = types.SimpleNamespace(discriminator=judge, teachers=[])
    assert layout.group_of(networks) == 4
    judge.mbstd_group_size = None
    assert layout.group_of(networks) == 0
