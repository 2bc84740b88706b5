"""Two hundred of the inputs of `proofs/hostile_inputs.py`, in this process."""

import sys
from pathlib import Path

import pytest

PROOFS = Path(__file__).resolve().parents[2] / "proofs"


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    sys.path.insert(0, str(PROOFS))
    try:
        import hostile_worker

        found = hostile_worker.Worker(tmp_path_factory.mktemp("hostile"), seed=1)
        found.check_material()
        yield found
    finally:
        sys.path.remove(str(PROOFS))


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_nothing_runs_and_every_refusal_is_a_sentence(worker, first):
    answers = [worker.examine(first + number) for number in range(20)]
    wrong = [a for a in answers if a["findings"]]
    assert not wrong, wrong
    assert any(a["code"] for a in answers)


def test_a_payload_that_runs_would_be_found(worker, monkeypatch):
    import hostile_kinds

    file, make, change, _ = hostile_kinds.KINDS["gin"]
    ran = file, make, change, lambda path: worker.canary.touch()
    monkeypatch.setitem(hostile_kinds.KINDS, "gin", ran)
    number = list(hostile_kinds.KINDS).index("gin")
    assert "code of the file ran" in worker.examine(number)["findings"][0]
