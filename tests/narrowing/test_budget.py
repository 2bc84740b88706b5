"""The design command: a legal student within 2 % of its budget, as a gin file."""

import subprocess
import sys

import pytest

from dglgan_tf.config import gin_files
from dglgan_tf.narrowing import budget, widths

# Attention needs 8 channels; the teacher's scope must not be narrowed with the student.
FAMILIES = {
    "biggan": """
include 'toy/fashion_biggan.gin'
include 'data/embedded.gin'
BigGANGenerator.attention = [16]
train.initialize_from = 'bundled/fashion_biggan_student'
""",
    "stylegan2": """
include 'toy/fashion_stylegan2.gin'
include 'data/embedded.gin'
train.generator = @StyleGAN2Generator
""",
}


@pytest.fixture(params=FAMILIES)
def recipe(request, tmp_path):
    path = tmp_path / f"{request.param}.gin"
    path.write_text(FAMILIES[request.param])
    gin_files.parse([str(path)], [])
    return path


@pytest.mark.slow
def test_a_fifth_of_the_macs(recipe, tmp_path):
    request = budget.Request("macs", "20%")
    student, teacher = budget.configured()
    design = budget.solve(request)
    out = tmp_path / "narrow.gin"
    text = budget.write(out, design, request, [str(recipe)], [])
    teacher_macs = design.costs["teacher"].macs
    assert 0.98 * 0.2 <= design.costs["student"].macs / teacher_macs <= 0.2
    assert design.reached == design.costs["student"].macs
    gin_files.parse([str(out)], [])
    written, untouched = budget.configured()
    assert untouched.get_config() == teacher.get_config()
    assert widths.widths(written) == design.changes["channels"]
    student_config = student.get_config()
    changed = {k for k, v in written.get_config().items() if v != student_config[k]}
    assert changed == {"channels"}
    assert "20% of MACs" in text and "# total" in text
    assert ("initialize_from = None" in text) == ("biggan" in recipe.name)


@pytest.mark.slow
def test_parameters_with_a_shallower_mapping(tmp_path):
    path = tmp_path / "style.gin"
    path.write_text(FAMILIES["stylegan2"])
    gin_files.parse([str(path)], [])
    with pytest.raises(ValueError, match="even widths .*mapping network"):
        budget.solve(budget.Request("params", "2%"))
    request = budget.Request("params", "60k", mapping_layers=2, keep=(0,))
    design = budget.solve(request)
    assert 0.98 * 60_000 <= design.costs["student"].parameters <= 60_000
    assert design.changes["mapping_layers"] == 2
    assert design.changes["channels"][0] == 64


def test_limits_are_read():
    assert budget.read_limit("20%", 50.0) == 10.0
    assert budget.read_limit(" 5.2G", 0) == 5.2e9
    assert budget.read_limit("300k", 0) == 300_000
    assert budget.read_limit("4.5", 0) == 4.5
    for text in ("", "-3", "0", "20 percent", ".", "1.2.3"):
        with pytest.raises(ValueError, match="must be a share such as 20%"):
            budget.read_limit(text, 1.0)


@pytest.mark.slow
def test_command_writes_once_and_spares_other_files(tmp_path):
    recipe = tmp_path / "mine.gin"
    recipe.write_text(FAMILIES["stylegan2"])
    command = [sys.executable, "-m", "dglgan_tf.design", f"--gin_file={recipe}"]
    command += ["--max_latency_ms=5000", "--rounds=3", f"--out={tmp_path / 'o.gin'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "latency p50 (ms)" in (tmp_path / "o.gin").read_text()
    assert "next: python -m dglgan_tf.compress" in done.stdout
    command[-1] = f"--out={recipe}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "was not made by this command" in done.stderr
    assert recipe.read_text() == FAMILIES["stylegan2"]
