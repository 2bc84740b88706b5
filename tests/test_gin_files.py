"""Every gin file: strict parsing, no stray macros, honest headers, first steps.

The steps of variants and baselines are in `test_method_files.py`.
"""

import re

import gin
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.config import gin_files
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files
from dglgan_tf.runs import plan, recipe, training_run

FOLDER = gin_files.gin_roots()[0]
USER_FILES = sorted(p.relative_to(FOLDER).as_posix() for p in FOLDER.glob("*.gin"))
METHOD_FILES = sorted(
    p.relative_to(FOLDER).as_posix()
    for folder in ("variants", "baselines")
    for p in FOLDER.glob(f"{folder}/*.gin")
)
ROWS = [name for name in USER_FILES if name.startswith(("biggan", "stylegan2_"))]
USER_FILES += METHOD_FILES
ALL_FILES = sorted(FOLDER.rglob("*.gin"))

# Rows that differ only in what is made tiny here: the first of each line runs.
ALIKE = {
    "biggan128.gin": [f"biggan128_{w}" for w in ("ch64", "ch32", "ch24", "d96")],
    "stylegan2_ffhq1024_half.gin": [
        f"stylegan2_ffhq1024_{w}" for w in ("quarter", "eighth")
    ],
    "stylegan2_church256_half.gin": [
        f"stylegan2_church256_{w}" for w in ("quarter", "eighth")
    ],
}
# A second step shows nothing new in the others: their phases are those of these two.
TWO_STEPS = ("biggan128.gin", "stylegan2_ffhq1024_half.gin")
TINY = [
    "Trainer.batch_size = 4",
    "Trainer.d_batch_size = 4",
    "Trainer.g_microbatches = 1",
    "Trainer.d_microbatches = 1",
    "Schedule.tick_images = 4",
    "train.source = @synthetic",
    "synthetic.num_examples = 16",
]
TINY_BIGGAN = [
    "RESOLUTION = 32",
    "NUM_CLASSES = 10",
    "synthetic.resolution = 32",
    "synthetic.num_classes = 10",
    "BigGANGenerator.attention = []",
    "BigGANDiscriminator.attention = []",
    "BigGANGenerator.z_dim = 8",
    "BigGANGenerator.shared_dim = 4",
    "BigGANGenerator.ch = 1",
    "BigGANDiscriminator.ch = 1",
    "teacher/BigGANGenerator.ch = 2",
    "teacher/BigGANDiscriminator.ch = 2",
    "student/BigGANGenerator.ch = 1",
    "student/BigGANDiscriminator.ch = 1",
]
TINY_STYLEGAN2 = [
    "RESOLUTION = 8",
    "synthetic.resolution = 8",
    "synthetic.num_classes = 0",
    "StyleGAN2Generator.channel_base = 64",
    "StyleGAN2Generator.channel_max = 8",
    "StyleGAN2Generator.mapping_layers = 1",
    "StyleGAN2Generator.z_dim = 8",
    "StyleGAN2Generator.w_dim = 8",
    "StyleGAN2Discriminator.channel_base = 64",
    "StyleGAN2Discriminator.channel_max = 8",
    "student/StyleGAN2Generator.channels_fraction = 2",
    "student/StyleGAN2Discriminator.channels_fraction = 2",
]


def tiny(name, images=None):
    """Bindings that make the file's networks small; its structure stays."""
    text = _with_includes(FOLDER / name)
    family = TINY_BIGGAN if "BigGANGenerator" in text else TINY_STYLEGAN2
    macro = re.findall(r"^NUM_CHANNELS = (\d)", text, re.M)
    channels = macro[-1] if macro else "3"
    bindings = [b for b in family if not b.startswith("NUM_CLASSES") or "%NUM" in text]
    # What a file sets for one stage would win over what is set for all.
    scopes = ["", *set(re.findall(r"^(\w+/)Schedule\.total_images", text, re.M))]
    images = images or (8 if name in TWO_STEPS else 4)
    scoped = [f"{scope}Schedule.total_images = {images}" for scope in scopes]
    found = [*TINY, *scoped, *bindings, f"synthetic.num_channels = {channels}"]
    return of_used_scopes(name, found)


def of_used_scopes(name, bindings):
    """Returns the bindings whose scope the file knows: others are refused."""
    text = _with_includes(FOLDER / name)
    return [
        binding
        for binding in bindings
        if "/" not in (target := binding.split("=")[0])
        or re.search(rf"\b{target.split('/')[0]}\b", text)
    ]


def _with_includes(path):
    text = path.read_text()
    for name in re.findall(r"^include '(.+)'", text, re.M):
        text += "\n" + _with_includes(FOLDER / name)
    return text


def test_the_folder_does_not_shadow_gin():
    assert not list(FOLDER.rglob("*.py"))
    assert hasattr(gin, "configurable")


def test_the_index_names_every_file_and_folder():
    """Rows stand there by their widths: `biggan128_ch64.gin`, `_ch32`."""
    index = (FOLDER / "README.md").read_text()
    for name in (n for n in USER_FILES if n not in METHOD_FILES):
        stem = name.removesuffix(".gin")
        short = f"`_{stem.rpartition('_')[2]}`"
        assert f"`{name}`" in index or short in index, name
    for folder in {path.parent for path in ALL_FILES} - {FOLDER}:
        assert f"`{folder.name}/`" in index, folder
    commands = re.findall(r"--gin_file=(gin/[\w/]+\.gin)", index)
    assert len(commands) > 10
    for name in commands:
        assert (FOLDER.parent / name).is_file(), name


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: p.stem)
def test_macros_are_defined_once_and_used(path):
    text = path.read_text()
    defined = re.findall(r"^([A-Z][A-Z_]+) = ", text, re.M)
    assert len(defined) == len(set(defined))
    everything = "\n".join(p.read_text() for p in ALL_FILES)
    for name in defined:
        assert f"%{name}" in everything, f"{path.name} defines {name} for nobody"


@pytest.mark.parametrize("name", USER_FILES)
def test_header_says_row_metric_hardware_deviations(name):
    head = (FOLDER / name).read_text().split("\n\n")[0]
    for word in ("Paper row:", "Published metric:", "Hardware:", "Deviations:"):
        assert word in head, f"{name} does not say {word}"
    assert f"--gin_file=gin/{name}" in head


@pytest.mark.parametrize("name", USER_FILES)
def test_parses_strictly(name):
    gin_files.parse([name], [])
    with pytest.raises(ValueError, match="Trainer"):
        gin_files.parse([name], ["Trainer.bach_size = 4"])


def stages():
    """The stages of a recipe, or one training without a scope."""
    try:
        return gin.query_parameter("compress.stages")
    except ValueError:
        return [""]


SAME = {f"{name}.gin": first for first, names in ALIKE.items() for name in names}


@pytest.mark.filterwarnings("ignore:Even though the")  # tf.data stays a graph
@pytest.mark.parametrize(
    "name", [n for n in USER_FILES if n not in METHOD_FILES and n not in SAME]
)
def test_runs_its_stages(name, tmp_path):
    gin_files.parse([name], tiny(name))
    tf.config.run_functions_eagerly(True)  # steps cost less than a trace
    try:
        for stage in stages():
            with gin.config_scope(stage or None):
                _train(tmp_path, stage or "run", 2 if name in TWO_STEPS else 1)
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", SAME)
def test_a_row_is_the_one_that_runs_but_for_its_widths(name):
    """What `test_runs_its_stages` leaves out: one tiny configuration, two names."""
    texts = []
    for row in (name, SAME[name]):
        gin_files.parse([row], tiny(row, images=4))
        texts.append(_structure(gin.config_str()))
    assert texts[0] == texts[1]
    gin_files.parse([name], [])
    assert _structure(gin.config_str()) != texts[0]


@pytest.mark.parametrize("name", [n for n in ROWS if n != "biggan128_teacher.gin"])
def test_compress_runs_all_stages_of_a_row(name, tmp_path, monkeypatch):
    """Each stage is a folder, and finds the ones that it starts from."""
    started = []

    def run(run_dir, siblings, planned, **others):
        named = [*query("teachers"), query("initialize_from")]
        started.append(gin.current_scope_str())
        assert run_dir == f"{siblings}/{started[-1]}"
        wanted = [n for n in named if n and not n.startswith("weights/")]
        assert set(wanted) <= set(planned) == set(started[:-1])
        return {}

    monkeypatch.setattr(training_run, "run", run)
    gin_files.parse([name], [])
    recipe.run(str(tmp_path))
    assert started == stages() and started[-1] == "guided"


def _structure(text):
    """A configuration without comments."""
    return "\n".join(x for x in text.splitlines() if not x.startswith("#"))


def _train(tmp_path, stage, steps):
    overrides = {}
    if _bound("teachers"):
        names = gin.query_parameter("train.teacher_networks")
        _, discriminator = [reference.scoped_configurable_fn() for reference in names]
        path = tmp_path / f"teacher_of_{stage}.safetensors"
        files.save_networks(path, {"discriminator": discriminator})
        overrides["teachers"] = [str(path)]
    if start := query("initialize_from"):
        path = str(tmp_path / f"start_of_{stage}.safetensors")
        pair = {
            role: query(role).scoped_configurable_fn()
            for role in ("generator", "discriminator")
        }
        files.save_networks(path, pair)
        by_role = isinstance(start, dict)
        overrides["initialize_from"] = dict.fromkeys(start, path) if by_role else path
    training_run.run(str(tmp_path / stage), plan=plan.Plan(**overrides))
    directory = run_directory.RunDirectory(tmp_path / stage)
    assert directory.is_done
    header = files.read_header(directory.latest_snapshot())
    assert header["counters"]["step"] == steps


def query(name):
    """The value of a parameter of `train` in the present scope; None where unbound."""
    for scope in (*gin.current_scope(), ""):
        try:
            return gin.query_parameter(
                f"{scope}/train.{name}" if scope else f"train.{name}"
            )
        except ValueError:
            continue
    return None


def _bound(name):
    return bool(query(name))
