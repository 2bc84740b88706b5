"""Every training of the gin folder has the parameters that it had before recipes.

`support/effective_parameters.json` was written by `support.effective` from the gin
files of the commit that it names, in which each stage of a published row had its own
file: of each training what its family has in common and what differs (null = not set).
"""

import json
from pathlib import Path

import gin
import pytest
from support import effective

from dglgan_tf.config import gin_files, removed_files

EXPECTED = json.loads(
    (Path(__file__).parent / "support/effective_parameters.json").read_text()
)
FOLDER = gin_files.gin_roots()[0]
PUBLISHED, TEACHER = ("biggan", "stylegan2_"), "biggan128_teacher.gin"
# Made since then: what each changes in what the variants share.
ADDED = {
    "baselines/distribution_matching.gin": {
        "DistributionMatching.features",
        "Objective.guidance_weight",
        "Objective.terms",
    },
    "baselines/latent_directions.gin": {
        "@student/BigGANGenerator.shared_dim",
        "LatentDirections.features",
        "Objective.terms",
        "diversity_aware.images",
        "train.initialize_from",
        "train.prune",
    },
    "variants/balanced_weight.gin": {"Objective.guidance_weight"},
}
# Changed since then: the quickstart starts from the pruned teacher.
CHANGED = {
    "quickstart.gin": {
        "@student/BigGANGenerator.shared_dim": 64,
        "Schedule.grid_every_images": 19200,
        "Schedule.snapshot_every_images": 19200,
        "Schedule.tick_images": 3840,
        "Schedule.total_images": 38400,
        "diversity_aware.images": 256,
        "train.initialize_from": "bundled/fashion_biggan_teacher",
        "train.prune": "@diversity_aware",
    },
}
# In files of earlier versions weights were run directories, now they are stages.
RENAMED = {f"runs/{name}": stage for name, (_, stage) in removed_files._STAGES.items()}


def now(name):
    """Returns the file and the stage in which a training of that commit is today."""
    file, _, stage = name.partition(":")
    moved = removed_files._STAGES.get(file.removesuffix(".gin"))
    if moved is not None:
        return f"{moved[0]}.gin", moved[1]
    if file.startswith(PUBLISHED) and file != TEACHER:
        return file, "guided"
    return file, stage


@pytest.mark.parametrize("name", EXPECTED["trainings"])
def test_parameters_are_what_they_were(name):
    family, changes = EXPECTED["trainings"][name]
    before = {
        key: value
        for key, value in {**EXPECTED["families"][family], **changes}.items()
        if value is not None
    }
    start = before.get("train.initialize_from")
    if isinstance(start, str) and start in RENAMED:
        before["train.initialize_from"] = RENAMED[start]
    if "train.teachers" in before:
        teachers = before["train.teachers"]
        before["train.teachers"] = [RENAMED.get(name, name) for name in teachers]
    file, stage = now(name)
    # Since then the published sizes let memory decide.
    if file.startswith((*PUBLISHED, "fit_discriminator")):
        before["Trainer.max_microbatch"] = "auto"
    before |= CHANGED.get(file, {})
    gin_files.parse([file], [])
    assert effective.effective(stage) == before


ROWS = sorted(
    {now(n)[0] for n in EXPECTED["trainings"] if n.startswith(PUBLISHED)} - {TEACHER}
)


@pytest.mark.parametrize("file", ROWS)
def test_a_row_without_a_scope_is_its_guided_stage(file):
    """So that flags and bindings without a scope change what `train` trains."""
    gin_files.parse([file], [])
    assert effective.effective("") == effective.effective("guided")


def test_there_are_thirteen_rows():
    assert len(ROWS) == 13


def test_every_training_is_compared():
    """None of today's was added without an expectation, and none was lost."""
    found = set()
    for path in (*FOLDER.glob("*.gin"), *FOLDER.glob("[vb]a*/*.gin")):
        name = path.relative_to(FOLDER).as_posix()
        gin_files.parse([name], [])
        try:
            stages = gin.query_parameter("compress.stages")
        except ValueError:
            stages = [""]
        found |= {(name, stage) for stage in stages}
    assert found == {now(name) for name in EXPECTED["trainings"]} | {
        (name, "") for name in ADDED
    }


@pytest.mark.parametrize("name", ADDED)
def test_an_added_variant_changes_what_it_says(name):
    gin_files.parse(["toy/fashion_biggan_second_stage.gin"], [])
    before = effective.effective("")
    gin_files.parse([name], [])
    after = effective.effective("")
    assert {key for key in after if after[key] != before.get(key)} == ADDED[name]


def test_a_changed_value_is_seen():
    """The comparison looks into networks, optimizers and what a stage alone has."""
    file = "biggan_cifar10.gin"
    gin_files.parse([file], [])
    before = {s: effective.effective(s) for s in ("teacher", "student", "guided")}
    for binding, stages in {
        "student/BigGANGenerator.ch = 47": ["student", "guided"],
        "g/adam.learning_rate = 1e-3": list(before),
        "student/Schedule.total_images = 1": ["student"],
        "Schedule.total_images = 1": ["guided"],
        "train.teachers = []": ["guided"],
    }.items():
        gin_files.parse([file], [binding])
        changed = [s for s in before if effective.effective(s) != before[s]]
        assert changed == stages, binding
