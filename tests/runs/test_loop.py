"""Runs that stop and continue: signals, full disks, bad numbers, exact resume."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from support import tiny_runs
from support import tiny_training as tiny

from dglgan_tf.cli import entry
from dglgan_tf.devices import team as teams
from dglgan_tf.foundation import atomic, run_directory
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import files
from dglgan_tf.runs import initial_weights, loop, progress, schedule, signals
from dglgan_tf.training import optimizers, scores, trainer

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:Even though the")  # tf.data: a graph


@pytest.fixture
def deterministic():
    """Op determinism during a test."""
    from tensorflow.python.framework import config as tf_config

    from dglgan_tf.compat import tf

    tf.config.experimental.enable_op_determinism()
    yield
    tf_config.disable_op_determinism()


@pytest.fixture
def stop_at(monkeypatch):
    """Returns a function: SIGTERM to this process at the tick of so many images."""

    def arm(images):
        tick = progress.Progress.tick

        def stopping(self, counters):
            means = tick(self, counters)
            if counters.images == images:
                os.kill(os.getpid(), signal.SIGTERM)
            return means

        monkeypatch.setattr(progress.Progress, "tick", stopping)

    return arm


def adam(reg_interval_steps=0):
    return optimizers.adam(0.01, reg_interval_steps=reg_interval_steps)


def toy_goal(**options):
    defaults = {
        "r1_gamma": 1.0,
        "r1_interval_steps": 3,
        "path_length_weight": 2.0,
        "path_length_interval_steps": 2,
    }
    return tiny.goal(**{**defaults, **options})


TOYS = tiny.toy(num_classes=3, bend=0.3)
SOURCE = tiny_runs.synthetic(tiny.SIDE, 3)


def assert_same_runs(one, other):
    left, right = tiny_runs.newest(one), tiny_runs.newest(other)
    assert left[1] == right[1]
    assert left[0].keys() == right[0].keys()
    for name, value in left[0].items():
        np.testing.assert_array_equal(value, right[0][name], err_msg=name)
    assert tiny_runs.records(one) == tiny_runs.records(other)


@pytest.mark.slow
def test_a_stopped_run_continues_as_if_it_had_not(
    tmp_path, monkeypatch, stop_at, deterministic, eager
):
    """SIGTERM saves; the same call again ends where the uninterrupted run does."""
    files.save_networks(tmp_path / "teacher.safetensors", {})

    def teacher(path, networks):
        made = TOYS[1]()
        tiny.fill(made, seed=8)
        return made

    monkeypatch.setattr(initial_weights, "load_teacher", teacher)
    tiny_runs.bind(
        toy_goal(update_teachers=True), 40, adam, Trainer__d_steps=2,
        Trainer__d_batch_size=4, Trainer__g_microbatches=2,
    )  # fmt: skip
    options = {"teachers": [str(tmp_path / "teacher.safetensors")]}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    tiny_runs.run(whole, TOYS, SOURCE, **options)
    stop_at(16)  # noted while step 2 is logged, obeyed after step 3
    with pytest.raises(signals.Interrupted) as stopped:
        tiny_runs.run(parts, TOYS, SOURCE, **options)
    assert stopped.value.code == 143
    assert tiny_runs.newest(parts)[1]["images"] == 24
    assert not (parts / "DONE").exists()
    said = (parts / "log.txt").read_text()
    assert "SIGTERM: state saved at 24 images" in said and "same command again" in said
    tiny_runs.run(parts, TOYS, SOURCE, **options)
    assert (parts / "DONE").exists()
    assert_same_runs(whole, parts)
    assert "teacher0/slope" in tiny_runs.newest(whole)[0]
    before = sorted(os.listdir(whole))
    assert tiny_runs.run(whole, TOYS, SOURCE, **options) == {}  # done: nothing to do
    assert sorted(os.listdir(whole)) == before


FAMILIES = {
    "biggan": (
        tiny.biggan_pair,
        {
            "d_loss": adversarial.d_hinge,
            "g_loss": adversarial.g_hinge,
            "d_scores": scores.scores_joint,
        },
        {
            "Trainer__d_steps": 2,
            "Trainer__d_first": True,
            "Trainer__ema_statistics": True,
        },
        (32, 3),
    ),
    "stylegan2": (
        tiny.stylegan2_pair,
        {
            "r1_gamma": 1.0,
            "r1_interval_steps": 2,
            "path_length_weight": 2.0,
            "path_length_interval_steps": 2,
        },
        {},
        (16, 0),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_killed_run_repeats_what_it_had_not_saved(
    tmp_path, monkeypatch, deterministic, eager, family
):
    """A folder as SIGKILL leaves it (logs ahead of the snapshot) ends the same."""
    pair, goal_options, options, (side, classes) = FAMILIES[family]
    tiny_runs.bind(
        tiny.goal(**goal_options), 12, adam, Trainer__batch_size=4,
        Schedule__tick_images=4, Schedule__snapshot_every_images=4,
        Schedule__keep_snapshots=9, **options,
    )  # fmt: skip
    monkeypatch.setattr(
        run_directory.RunDirectory,
        "snapshot_path",
        lambda self, images: self.path / f"network-snapshot-{images:06d}.safetensors",
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    source = tiny_runs.synthetic(side, classes)
    tiny_runs.run(whole, pair(), source)
    killed.mkdir()
    for name in ("training_options.json", "stats.jsonl", "log.txt"):
        shutil.copy(whole / name, killed)
    shutil.copy(whole / "network-snapshot-000004.safetensors", killed)
    with open(killed / "stats.jsonl", "a") as torn:
        torn.write('{"images": 1')
    (killed / ".network-snapshot-000008.safetensors.xyz").write_bytes(b"half")
    tiny_runs.run(killed, pair(), source)
    assert_same_runs(whole, killed)
    assert not list(killed.glob(".network*"))


def toy_run(folder, total=16, **bindings):
    tiny_runs.bind(tiny.goal(), total, tiny.sgd, **bindings)
    return tiny_runs.run(folder, TOYS, SOURCE)


@pytest.mark.slow
def test_a_full_disk_keeps_the_newest_snapshot(tmp_path, monkeypatch, capsys):
    real, snapshots = atomic.os.replace, []

    def replace(temporary, path):
        if "network-snapshot" in str(path):
            snapshots.append(path)
            if len(snapshots) > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(temporary, path)

    monkeypatch.setattr(atomic.os, "replace", replace)

    def main(argv):
        toy_run(tmp_path / "run", Schedule__snapshot_every_images=8)

    assert entry._guarded(main, ["x"]) == entry.USER_ERROR
    said = capsys.readouterr().err.strip().split("\n")[-1]
    assert "cannot save" in said and "No space left on device" in said
    assert "can continue from network-snapshot-000000" in said
    assert tiny_runs.newest(tmp_path / "run")[1]["images"] == 8
    assert not list((tmp_path / "run").glob(".network*"))
    monkeypatch.setattr(atomic.os, "replace", real)
    toy_run(tmp_path / "run", Schedule__snapshot_every_images=8)
    assert tiny_runs.newest(tmp_path / "run")[1]["images"] == 16


def nan_loss(real_logits, fake_logits):
    del fake_logits
    return real_logits * np.float32("nan")


@pytest.mark.slow
def test_a_run_that_stays_bad_gives_up_and_names_the_tensor(tmp_path, capsys):
    tiny_runs.bind(
        tiny.goal(d_loss=nan_loss), 80, tiny.sgd, Schedule__max_skipped=2,
        Schedule__tick_images=24, Schedule__snapshot_every_images=8,
    )  # fmt: skip

    def main(argv):
        tiny_runs.run(tmp_path / "run", TOYS, SOURCE)

    assert entry._guarded(main, ["x"]) == entry.DIVERGED
    said = capsys.readouterr().err.strip().split("\n")[-1]
    assert (
        "more than Schedule.max_skipped=2 updates were not finite before step 3" in said
    )
    assert "first in d: the gradient of discriminator/" in said
    assert not list((tmp_path / "run").glob("*.safetensors"))
    (record,) = tiny_runs.records(tmp_path / "run")
    assert record["d/skipped"] == 3 and np.isnan(record["d/loss"])
    assert record["g/skipped"] == 0 and np.isfinite(record["g/loss"])


@pytest.mark.slow
def test_a_run_that_turns_bad_goes_back_with_a_lower_rate(tmp_path, monkeypatch):
    train_step, rates = trainer.Trainer.train_step, []

    def turning_bad(self, iterator):
        metrics = train_step(self, iterator)
        counters = self.state.counters
        rates.append(optimizers.learning_rate(self.state.optimizers["g"]))
        if counters.step in (3, 4) and not counters.rollbacks:
            metrics["g/skipped"] = 2.0
        return metrics

    monkeypatch.setattr(trainer.Trainer, "train_step", turning_bad)
    tiny_runs.bind(
        tiny.goal(), 48, tiny.sgd, Schedule__max_skipped=1,
        Schedule__tick_images=16, Schedule__snapshot_every_images=8,
        Schedule__rollback_factor=0.25,
    )  # fmt: skip
    tiny_runs.run(tmp_path / "run", TOYS, SOURCE)
    _, counters = tiny_runs.newest(tmp_path / "run")
    assert (counters["images"], counters["rollbacks"]) == (48, 1)
    assert counters["reals"] == 48
    # Steps 3 and 4 were not saved: back to step 2, so they run again.
    assert rates == pytest.approx([0.02] * 4 + [0.005] * 4)
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "first in g: the gradient of generator/" in said
    assert "back to network-snapshot-000000.safetensors, learning rates times" in said
    images = [record["images"] for record in tiny_runs.records(tmp_path / "run")]
    assert images == [16, 32, 48]


def test_out_of_memory_names_the_next_value(logical_devices, monkeypatch):
    from dglgan_tf.compat import tf

    train = tiny.make(TOYS, logical_devices[:2], tiny.goal(), g_microbatches=2)

    def full(self, iterator):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(trainer.Trainer, "train_step", full)
    watched = types.SimpleNamespace(add=None)
    team = teams.Team(train.strategy)
    with pytest.raises(ValueError, match="parts of 4 images.*max_microbatch=2,"):
        loop.run(train, lambda: None, schedule.Schedule(8), watched, team)


def test_later_records_are_dropped(tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text('{"images": 8}\n{"images": 16}\n{"images": 24}\n{"ima')
    progress.drop_later_records(path, 16)
    assert path.read_text() == '{"images": 8}\n{"images": 16}\n'
    progress.drop_later_records(tmp_path / "none.jsonl", 16)
    assert not (tmp_path / "none.jsonl").exists()


def test_stop_signals_are_noted_and_handlers_restored():
    before = signal.getsignal(signal.SIGTERM)
    with signals.stop_signals() as received:
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_acts_at_once():
    with pytest.raises(KeyboardInterrupt), signals.stop_signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
        assert received == [signal.SIGINT]
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("total_images", 0, "integer >= 1"),
        ("total_images", "many", "integer >= 1"),
        ("tick_images", 2.5, "integer >= 1"),
        ("keep_snapshots", 0, "integer >= 1"),
        ("max_skipped", -1, "integer >= 0"),
        ("rollback_factor", 0.0, "positive"),
        ("snapshot_every_minutes", 0, "positive"),
        ("snapshot_every_minutes", float("nan"), "positive"),
    ],
)
def test_impossible_schedules_are_refused(name, value, rule):
    options = {"total_images": 8, name: value}
    with pytest.raises(ValueError, match=f"Schedule.{name}={value!r} must be .*{rule}"):
        schedule.Schedule(**options)


GIN = """
include 'families/stylegan2.gin'
train.source = @synthetic
synthetic.resolution = 4
synthetic.num_channels = 1
synthetic.num_classes = 0
train.generator = @StyleGAN2Generator
train.discriminator = @StyleGAN2Discriminator
StyleGAN2Generator.resolution = 4
StyleGAN2Generator.num_channels = 1
StyleGAN2Generator.channel_max = 8
StyleGAN2Generator.z_dim = 8
StyleGAN2Generator.w_dim = 8
StyleGAN2Generator.mapping_layers = 1
StyleGAN2Discriminator.resolution = 4
StyleGAN2Discriminator.num_channels = 1
StyleGAN2Discriminator.channel_max = 8
StyleGAN2Discriminator.mbstd_group_size = 2
Trainer.batch_size = 4
Schedule.total_images = {total}
Schedule.tick_images = 4
"""


@pytest.mark.slow
def test_sigterm_through_the_command(tmp_path):
    """Exit code 143, a message, and the same command continues and finishes."""
    path = tmp_path / "tiny.gin"
    path.write_text(GIN.format(total=1_000_000))
    command = [
        sys.executable, "-m", "dglgan_tf.train", f"--gin_file={path}", "--run_dir=run",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    stats = tmp_path / "run" / "stats.jsonl"
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.time() + 300
    while time.time() < deadline and process.poll() is None:
        if stats.is_file() and stats.read_text().count("\n") >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 143, said[-2000:]
    assert "SIGTERM: state saved at" in said and "Traceback" not in said
    _, counters = tiny_runs.newest(tmp_path / "run")
    total = counters["images"] + 4
    again = subprocess.run(
        [*command, f"--gin_param=Schedule.total_images={total}"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr[-2000:]
    assert "continuing run from network-snapshot" in again.stderr
    assert "the configuration changed since the last start" in again.stderr
    assert (tmp_path / "run" / "DONE").read_text() == f"{total} images\n"
    ticks = [record["images"] for record in tiny_runs.records(tmp_path / "run")]
    assert ticks == list(range(4, total + 1, 4))


@pytest.mark.slow
def test_waiting_for_data_is_counted(tmp_path):
    """Each batch takes 40 ms to load; four are ready when the first is asked for."""
    from dglgan_tf.compat import tf

    def slow(element):
        def load(images):
            time.sleep(0.04)
            return images

        shape = element["images"].shape
        images = tf.numpy_function(load, [element["images"]], tf.float32)
        return element | {"images": tf.ensure_shape(images, shape)}

    shares = {}
    for name, map_fn in (("fast", None), ("slow", slow)):
        tiny_runs.bind(
            tiny.goal(), 40 * 8, adam,
            Schedule__tick_images=160, make_dataset__map_fn=map_fn,
        )  # fmt: skip
        tiny_runs.run(tmp_path / name, TOYS, SOURCE)
        text = (tmp_path / name / "stats.jsonl").read_text().splitlines()
        last = json.loads(text[-1])
        shares[name] = last["timing/data_wait_percent"]
        waited = shares[name] / 100 * last["timing/sec_per_tick"]
        if name == "slow":  # 20 batches in the tick, a step takes far less than 40 ms
            assert 0.3 < waited < 3.0
    assert shares["fast"] < shares["slow"]
