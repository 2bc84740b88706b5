"""Three hundred mistakes: one sentence, exit code 2, no traceback, nothing written."""

import collections
import inspect
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import gin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import bad_bindings, bad_commands, commands, tiny_training

from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files, stylegan2
from dglgan_tf.runs import training_run

TINY = """
train.source = @synthetic
train.generator = @toys.Linear
train.discriminator = @toys.Quadratic
synthetic.num_examples = 16
synthetic.resolution = 4
synthetic.num_channels = 1
synthetic.num_classes = 0
Objective.d_loss = @d_logistic
Objective.g_loss = @g_logistic
Objective.d_scores = @scores_separate
Trainer.objective = @Objective()
Trainer.batch_size = 8
Trainer.g_optimizer = @sgd
Trainer.d_optimizer = @sgd
Schedule.total_images = 16
"""
# As it would run a command where gin's imports were on.
DYNAMIC = """
from __gin__ import dynamic_registration
import subprocess
train.source = @subprocess.getoutput
subprocess.getoutput.cmd = 'touch ran'
"""


def files_below(folder):
    """Returns {name: size} of everything there."""
    return {
        os.path.relpath(os.path.join(place, name), folder): os.path.getsize(
            os.path.join(place, name)
        )
        for place, folders, names in os.walk(folder)
        for name in (*folders, *names)
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a tiny configuration and files that are not what they seem."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("inputs")
    (folder / "tiny.gin").write_text(TINY)
    (folder / "imports.gin").write_text("include 'tiny.gin'\nimport os\n")
    (folder / "dynamic.gin").write_text(DYNAMIC)
    (folder / "including.gin").write_text("include 'imports.gin'\n")
    (folder / "loop.gin").write_text("include 'round.gin'\n")
    (folder / "round.gin").write_text("include 'loop.gin'\n")
    (folder / "empty").mkdir()
    (folder / "bad_images").mkdir()
    (folder / "photos").mkdir()
    for index in range(3):
        picture = Image.new("L", (4, 4), 40 * index)
        picture.save(folder / "photos" / f"{index}.png")
        picture.save(folder / "bad_images" / f"{index}.png")
    (folder / "bad_images" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    shutil.copy(folder / "bad_images" / "torn.png", folder / "torn.png")
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 nothing")
    (folder / "broken.hdf5").write_bytes(b"\x89HDF nothing")
    (folder / "text.safetensors").write_text("these are no weights")
    (folder / "zeros.safetensors").write_bytes(b"")
    (folder / "torn.safetensors").write_bytes(b'\x40\0\0\0\0\0\0\0{"a":')
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, folder / "foreign.safetensors")
    style = stylegan2.StyleGAN2Generator(
        resolution=8, channel_max=4, z_dim=4, w_dim=4, mapping_layers=1
    )
    files.save_networks(folder / "style.safetensors", {"generator": style})
    np.savez(folder / "odd.npz", images=np.zeros([2, 3]))
    (folder / "text.npz").write_text("no archive")
    (folder / "text.json").write_text("[1, 2]")
    (folder / "run").mkdir()
    (folder / "run" / "training_options.json").write_text("{}")
    (folder / "torn_run").mkdir()
    (folder / "torn_run" / "training_options.json").write_text("{}")
    torn = folder / "torn_run" / "network-snapshot-000001.safetensors"
    torn.write_bytes((folder / "style.safetensors").read_bytes()[:-50])
    return folder


@pytest.fixture(scope="module")
def known():
    """Every command, loaded once, and toy networks that gin files may name."""
    for toy in (tiny_training.Linear, tiny_training.Quadratic):
        if f"toys.{toy.__name__}" not in gin.config._REGISTRY:
            gin.external_configurable(toy, module="toys")
    names = ("train", "compress", "sample", "export", "evaluate", "profile", "report")
    names += ("convert", "prepare")
    found = {name: commands.Command(f"dglgan_tf/{name}.py") for name in names}
    return found


@pytest.fixture
def refused(known, place, monkeypatch):
    """Returns a function that runs a command and checks how it refuses."""
    monkeypatch.chdir(place)

    def no_training(*arguments):
        raise AssertionError("the training would have begun")

    monkeypatch.setattr(run_directory.RunDirectory, "prepare", no_training)

    def run(name, arguments, words):
        before = files_below(place)
        code, _, said = known[name](*arguments)
        assert code == 2, said
        assert said.startswith(f"{name}.py: ") and said.count("\n") == 1, said
        assert words in said and len(said) < 700, said
        assert files_below(place) == before

    return run


BINDINGS = [
    *bad_bindings.WRONG_TYPE,
    *bad_bindings.UNKNOWN,
    *bad_bindings.OUT_OF_RANGE,
    *bad_bindings.CONTRADICTORY,
]


@pytest.mark.parametrize("bindings, words", BINDINGS, ids=lambda v: v[:50])
def test_bindings(refused, bindings, words):
    given = [f"--gin_param={line}" for line in bindings.split("\n")]
    refused("train", ["--gin_file=tiny.gin", *given], words)


@pytest.mark.parametrize("line, words", bad_commands.LINES, ids=lambda v: v[:60])
def test_command_lines(refused, line, words):
    name, *arguments = shlex.split(line)
    refused(name, arguments, words)


# What a value may be in a gin file, right or wrong.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.floats(-2, 2, allow_nan=False).map(lambda x: round(x, 3)),
    st.sampled_from(["", "auto", "local", "GPU:0", "CPU:0", "nowhere", "generator"]),
    st.lists(st.one_of(st.integers(-1, 9), st.just("student")), max_size=2),
    st.dictionaries(st.just("a"), st.integers(0, 3), max_size=1),
    st.sampled_from(["@sgd", "@sgd()", "@g_hinge", "@embedded", "@Objective()"]),
)


def _parameters():
    """Every parameter that a binding of the tiny training reaches."""
    names = ("train", "Trainer", "Schedule", "Objective", "sgd", "half_life")
    names += ("synthetic", "Evaluation", "make_dataset")
    found = []
    for name in names:
        made = gin.config._REGISTRY.get_match(name)
        known = inspect.signature(made.wrapped).parameters
        hidden = set(made.denylist or ()) | {"kwargs", "source"}
        found += [
            f"{name}.{parameter}" for parameter in known if parameter not in hidden
        ]
    return sorted(found)


def _literal(value):
    return value if isinstance(value, str) and value[:1] == "@" else repr(value)


def test_random_bindings(known, place, monkeypatch):
    """Whatever is bound: a training that would start, or one sentence."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(training_run, "_train", lambda *arguments: {})
    before = files_below(place)
    bindings = st.dictionaries(st.sampled_from(_parameters()), VALUES, max_size=3)
    answers = collections.Counter()

    @settings(max_examples=120, deadline=None, derandomize=True, database=None)
    @given(bindings)
    def run(bound):
        given = [f"--gin_param={k}={_literal(v)}" for k, v in bound.items()]
        code, _, said = known["train"]("--gin_file=tiny.gin", *given)
        assert code in (0, 2), (bound, said)
        if code == 2:
            assert said.startswith("train.py: ") and said.count("\n") == 1, said
        answers[code] += 1

    run()
    assert files_below(place) == before
    assert answers[0] > 5 and answers[2] > 30


REAL = [
    ("train --gin_file=", "no gin file ''"),
    ("train --gin_file=empty", "no gin file 'empty'"),
    ("train --gin_file=quickstart --gin_param=Trainer.batch_size=8.0", "an integer"),
    ("compress", "no --gin_file given"),
    ("sample --network=style.safetensors --seeds=abc", "neither a number nor a range"),
    ("sample --batch=0", "batch"),
    ("export", "no --network given"),
    ("evaluate --run=a --network=b", "name one of --run, --network and --images"),
    ("profile --role=teacher", "role"),
    ("report", "no --runs given"),
    ("convert --source=torn.png", "no --dest given"),
    ("tools/convert_checkpoint.py --source=torn.png", "no --dest given"),
    ("tools/prepare_dataset.py --source=photos", "give either --dest to convert"),
]


@pytest.mark.slow
def test_real_command_lines(place):
    """The same through processes of their own."""
    before, started = files_below(place), []
    for line, _ in REAL:
        name, *arguments = shlex.split(line)
        where = ["-m", f"dglgan_tf.{name}"]
        if name.endswith(".py"):
            where = [str(commands.REPOSITORY / name)]
        started.append(
            subprocess.Popen(
                [sys.executable, *where, *arguments],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(commands.REPOSITORY)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process, (line, words) in zip(started, REAL, strict=True):
        try:
            _, said = process.communicate(timeout=300)
        finally:
            process.kill()
        assert process.returncode == 2, (line, said)
        assert words in said and "Traceback" not in said
        assert said.splitlines()[-1].startswith(Path(shlex.split(line)[0]).stem)
    assert files_below(place) == before
