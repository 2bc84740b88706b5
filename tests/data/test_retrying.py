"""Data that go away come back, damaged data are left out, both by a stated rule."""

import pytest

from dglgan_tf.compat import tf
from dglgan_tf.data import retrying


class Data:
    """Batches of two numbers; some cannot be read, or for a while none can."""

    def __init__(self, bad=(), away=0):
        self.bad, self.away, self.used, self.said = set(bad), away, 0, []

    def make(self, start):
        def batches():
            for first in range(start, 100, 2):
                if self.away:
                    self.away -= 1
                    raise tf.errors.NotFoundError(None, None, "no such folder")
                if first in self.bad:
                    raise tf.errors.InvalidArgumentError(
                        None, None, "graph\nValueError: 7.png is torn\n  trace"
                    )
                yield first

        return batches()

    def skip(self, images):
        self.used += images

    def patient(self, **options):
        return retrying.Patient(
            self.make, lambda: self.used, self.skip, self.said.append, 2, **options
        )

    def read(self, iterator, count):
        found = []
        for _ in range(count):
            found.append(next(iterator))
            self.used += 2
        return found


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    """Time that passes only by sleeping."""
    now = [0.0]
    monkeypatch.setattr(
        retrying.time, "sleep", lambda s: now.__setitem__(0, now[0] + s)
    )
    monkeypatch.setattr(retrying.time, "monotonic", lambda: now[0])
    return now


def test_damaged_batches_are_left_out_and_counted():
    data = Data(bad=[4, 10])
    iterator = data.patient()
    assert data.read(iterator, 5) == [0, 2, 6, 8, 12]
    assert data.used == 14 and iterator.bad == 2
    assert data.said[1] == (
        "a batch of data is damaged and left out (2 so far): ValueError: 7.png is torn"
    )


def test_data_that_are_away_are_waited_for(naps):
    data = Data(away=20)
    iterator = data.patient()
    assert data.read(iterator, 3) == [0, 2, 4]  # nothing lost, nothing twice
    assert [line.split(":")[0] for line in data.said] == [
        "data cannot be read, waiting for them", "the data are back",
    ]  # fmt: skip
    assert iterator.bad == 0 and naps[0] > 1


def test_limits_end_the_training(naps):
    data = Data(away=10**6)
    with pytest.raises(OSError, match="cannot be read since 60 s .no such folder"):
        next(data.patient(patience_seconds=60.0))
    assert 60 < naps[0] < 200
    data = Data(bad=range(2, 60, 4))
    iterator = data.patient(most_bad=2)
    with pytest.raises(OSError, match="max_bad_batches=2 batches of data are damaged"):
        data.read(iterator, 8)


def test_hosts_do_not_skip_apart():
    data = Data(bad=[2])
    iterator = data.patient(may_skip=False, patience_seconds=5.0)
    assert next(iterator) == 0
    data.used = 2
    with pytest.raises(OSError, match="7.png is torn"):
        next(iterator)
