"""Other tools' command lines: each row is a habit and what it means here."""

import subprocess
import sys
from pathlib import Path

import pytest

from dglgan_tf.cli import peers

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN = {
    "resume_from": False, "metrics": False, "mirror": True, "cond": True,
    "gpus": False, "augpipe": False, "batch_gpu": False, "target": False,
    "dry_run": True, "data": False, "seed": False,
}  # fmt: skip
SAMPLE = {"network": False, "seeds": False, "noise_mode": False, "batch": False}
EXPLORE = {
    "show": False, "seeds": False, "styles": False, "layers": False, "image": False,
    "search_steps": False, "network": False,
}  # fmt: skip
EVALUATE = {
    "network": False, "metrics": False, "images": False, "data": False, "batch": False,
    "mirror": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "known, given, said",
    [
        (TRAIN, "--resume=a.pkl", "--resume_from=a.pkl"),
        (TRAIN, "--resume a.pkl", "--resume_from=a.pkl"),
        (TRAIN, "--resume=noresume", ""),
        (TRAIN, "--metrics=none", "--metrics="),
        (TRAIN, "--metrics none --seed 1", "--metrics= --seed=1"),
        (TRAIN, "--mirror 1 --cond=yes", "--mirror=1 --cond=true"),
        (TRAIN, "--mirror --cond false", "--mirror --cond=false"),
        (TRAIN, "--nomirror 1", "--nomirror 1"),  # 1 is an argument: refused later
        (TRAIN, "--batch-gpu=4 --dry-run", "--batch_gpu=4 --dry_run"),
        (TRAIN, "--target=0.6 -n", "--target=0.6 -n"),
        (TRAIN, "--data x -- --mirror 1", "--data=x -- --mirror 1"),
        (TRAIN, "--mirr 1", "--mirr 1"),  # nobody's: absl refuses it
        (SAMPLE, "--noise-mode=none --seed=7", "--noise_mode=none --seeds=7"),
        (SAMPLE, "--batch-size 8", "--batch=8"),
        (EXPLORE, "--target=a.png --num-steps=9", "--image=a.png --search_steps=9"),
        (EVALUATE, "--fid --kid --input1 a --input2 b",
         "--images=a --data=b --metrics=fid,kid"),
        (EVALUATE, "--isc --prc --input1=a", "--images=a --metrics=is,pr"),
        (EVALUATE, "a b --batch-size 50", "a b --batch=50"),
    ],
)  # fmt: skip
def test_a_habit_means(known, given, said):
    found, notes = peers.translate(given.split(), known)
    assert (found, notes) == (said.split(), [])


@pytest.mark.parametrize(
    "known, given, note",
    [
        (TRAIN, "--workers=3", "--workers=3 has no"),
        (TRAIN, "--nobench 1", "--nobench=1 has no"),
        (TRAIN, "--fp32 --mirror 1", "--fp32 has no"),
        (EVALUATE, "--gpus=1", "--gpus=1 has no"),
        (EVALUATE, "--device cuda:0", "--device=cuda:0 has no"),
        (EVALUATE, "--dims 2048", "--dims=2048 has no"),
    ],
)
def test_what_has_no_meaning_is_left_out_with_a_note(known, given, note):
    found, notes = peers.translate(given.split(), known)
    assert len(notes) == 1 and notes[0].startswith(note)
    assert found == (["--mirror=1"] if "mirror" in given else [])


@pytest.mark.parametrize("given", ["--resume=ffhq256", "--dims=64"])
def test_what_would_mean_something_else_is_refused(given):
    with pytest.raises(ValueError, match=given):
        peers.translate([given], TRAIN)


@pytest.mark.parametrize(
    "name, given, ours, said",
    [
        ("generate", "--seeds=1", "sample", "--seeds=1"),
        ("style-mixing", "--rows=1,2 --cols=3 --styles=0-2", "explore",
         "--show=mixing --seeds=1,2 --styles=3 --layers=0-2"),
        ("style_mixing", "--rows 1 --cols 3", "explore",
         "--show=mixing --seeds 1 --styles 3"),
        ("projector", "--target=a.png", "explore", "--show=projection --target=a.png"),
        ("calc-metrics", "--metrics=kid1k", "evaluate", "--metrics=kid1k"),
        ("pytorch-fid", "a b", "evaluate", "a b"),
    ],
)  # fmt: skip
def test_a_command_of_another_tool(name, given, ours, said):
    assert peers.command(name, given.split()) == (ours, said.split())


def test_other_names_stay():
    assert peers.command("train", []) is None and peers.command("trian", []) is None


def test_a_switch_takes_its_value_and_an_unknown_flag_the_nearest_of_its_command():
    """Through the real command, where TensorFlow cannot be imported."""
    code = (
        "import runpy, sys\nsys.modules['tensorflow'] = None\n"
        "sys.argv = ['dglgan', *sys.argv[1:]]\n"
        "runpy.run_module('dglgan_tf', run_name='__main__')\n"
    )

    def said(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=False,
            capture_output=True, text=True, cwd=REPOSITORY, timeout=120,
        )  # fmt: skip
        assert done.returncode == 2
        return done.stderr

    assert said("train", "--mirror", "1", "--workers=3") == (
        "note: --workers=3 has no meaning here and is left out\n"
        "dglgan train: no --gin_file given, nor --data: name a configuration, for "
        "instance --gin_file=gin/quickstart.gin, or a folder of images\n"
    )
    assert said("generate", "--sed=3") == (
        "dglgan generate: unknown flag --sed; did you mean --seeds, --square?\n"
    )
