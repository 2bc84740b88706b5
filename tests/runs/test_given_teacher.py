"""A teacher as somebody has it: converted once, kept beside the run, or refused."""

import pytest

from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files
from dglgan_tf.runs import given_teacher

TEACHER = "bundled/fashion_biggan_teacher"
FORMATS = (
    ("sg2tf1_cond_r32.pkl", "StyleGAN2Generator", True),
    ("sg2ada_cond_r32_map2.pkl", "StyleGAN2Generator", True),
    ("sg2ros_converted_r32.pt", "StyleGAN2Generator", True),
    ("biggan_r32_cifar", "BigGANGenerator", True),
    ("biggan_deep_hf_r32", "BigGANDeepGenerator", False),
)


@pytest.mark.slow
@pytest.mark.parametrize("name, kind, judges", FORMATS, ids=[n for n, *_ in FORMATS])
def test_teachers_of_other_packages(reference, tmp_path, name, kind, judges):
    said = []
    found = given_teacher.find(str(reference / name), tmp_path, said.append)
    assert found.generator["class"] == kind
    assert (found.discriminator is not None) == judges
    assert found.sha256 in str(found.path) and any("format" in line for line in said)
    again = given_teacher.find(str(reference / name), tmp_path, said.append)
    assert again == found and "was converted before" in said[-1]
    kept = given_teacher.keep(found, tmp_path / "kept")
    assert kept.read_bytes() == found.path.read_bytes()
    assert (tmp_path / "kept" / "report.json").is_file()


def test_what_is_no_teacher(tmp_path):
    with pytest.raises(ValueError, match="no teacher at 'nowhere'"):
        given_teacher.find("nowhere", tmp_path, print)
    judge = files.load_networks(run_directory.find_weights(TEACHER), ["discriminator"])
    files.save_networks(tmp_path / "d.safetensors", judge)
    with pytest.raises(ValueError, match=r"holds \['discriminator'\] and no generator"):
        given_teacher.find(str(tmp_path / "d.safetensors"), tmp_path, print)
    (tmp_path / "x.pkl").write_bytes(b"junk")
    with pytest.raises(ValueError):
        given_teacher.find(str(tmp_path / "x.pkl"), tmp_path, print)
    assert not list((tmp_path / "teachers").glob("*/*"))
