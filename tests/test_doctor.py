"""The doctor finds what is there, names what is not, and says how to mend it."""

import importlib
import shutil
import types

import pytest

from dglgan_tf import doctor


def test_this_machine_has_what_is_needed():
    found = list(doctor.versions())
    assert [f.status for f in found] == [doctor.OK] * len(found)
    assert any(f.text.startswith("TensorFlow 2.") for f in found)


def test_a_missing_package_says_what_goes_without_it(monkeypatch):
    real = importlib.import_module

    def load(name, *rest):
        if name == "lmdb":
            raise ImportError("No module named 'lmdb'")
        return real(name, *rest)

    monkeypatch.setattr(doctor, "OPTIONAL", {"lmdb": "LMDB data: pip install it"})
    monkeypatch.setattr(doctor.importlib, "import_module", load)
    (found,) = doctor.optional()
    assert found.status == doctor.NOTE and "No module named 'lmdb'" in found.text
    assert found.fix == "without it: LMDB data: pip install it"


def test_little_room_is_noted(monkeypatch, tmp_path):
    usage = types.SimpleNamespace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    disk, _ = doctor.room(str(tmp_path))
    assert disk.status == doctor.NOTE and disk.text.startswith("1 GiB free")
    assert "snapshots" in disk.fix


def test_devices_reduce_and_compile():
    found = list(doctor.devices())
    assert not [f for f in found if f.status == doctor.BROKEN]
    texts = " ".join(f.text for f in found)
    assert "a reduction over 1 replica(s) gives 1" in texts and "XLA compiles" in texts


def test_a_family_that_fails_is_reported_and_the_next_goes_on(monkeypatch):
    def broken(*parts):
        raise ValueError("no kernel for this")

    monkeypatch.setattr(doctor, "_one_step", broken)
    found = list(doctor.steps())
    assert [f.status for f in found] == [doctor.BROKEN] * 2
    assert "one step of BigGAN fails: no kernel for this" in found[0].text


def test_numbers_that_are_not_finite_are_named(monkeypatch):
    monkeypatch.setattr(doctor, "_one_step", lambda *parts: ["g/loss"])
    assert all("g/loss is not finite" in f.text for f in doctor.steps())


def test_the_report_counts_what_is_broken(capsys):
    findings = [
        doctor.Finding(doctor.OK, "fine"),
        doctor.Finding(doctor.BROKEN, "bad", "mend it"),
    ]
    assert doctor.examine([lambda: iter(findings)]) == 1
    assert capsys.readouterr().out == "ok     fine\nbroken bad -> mend it\n"


@pytest.mark.slow
def test_one_step_of_each_family():
    found = list(doctor.steps())
    assert [f.status for f in found] == [doctor.OK] * 2, found
