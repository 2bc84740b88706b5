"""A run as hosts follow it that neither draw nor write."""

import types

from dglgan_tf.runs import watching
from dglgan_tf.training import state


def test_other_hosts_read_the_numbers_and_write_nothing():
    seen = []
    progress = types.SimpleNamespace(
        say=seen.append,
        add=lambda metrics, images: None,
        maintenance=seen.append,
        tick=lambda counters: {"g/skipped": 1.0, "images": counters.images},
        data_seconds=0.0,
        seconds=12.5,
    )
    train = types.SimpleNamespace(
        state=types.SimpleNamespace(counters=state.Counters(images=8)),
        data_seconds=0.25,
    )
    watched = watching.Watched(progress, snapshots=None)
    assert watched.on_tick(train) == {"g/skipped": 1.0, "images": 8}
    assert progress.data_seconds == 0.25 and train.data_seconds == 0.0
    watched.on_grid(8)
    watched.on_snapshot(train, score=True)
    assert train.state.counters.seconds == 12.5 and seen == []
