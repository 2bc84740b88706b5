"""SIGTERM and SIGINT of a training: it saves before it ends."""

import contextlib
import signal


class Interrupted(SystemExit):
    """The run was asked to stop by a signal and has saved its state."""


@contextlib.contextmanager
def stop_signals():
    """Turns SIGTERM and SIGINT into a flag; a second SIGINT acts at once.

    Yields:
      list of the signal numbers received.
    """
    received: list[int] = []

    def handler(number, frame):
        if received and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        received.append(number)

    previous = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        # Signals can only be set in the main thread; elsewhere the run goes on without.
        with contextlib.suppress(ValueError):
            previous[number] = signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def stopped(received: list[int], images: int, watched) -> Interrupted:
    """Says that the state was saved; returns what ends the process.

    Args:
      received: of `stop_signals`; empty where another host received it.
      images: seen so far.
      watched: `watching.Watched`.
    """
    number = received[0] if received else signal.SIGTERM
    watched.say(
        f"{signal.Signals(number).name}: state saved at {images} images in "
        f"{watched.snapshots.folder}; run the same command again to continue"
    )
    return Interrupted(128 + number)
