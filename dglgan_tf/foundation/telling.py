"""How far a command is: a bar on a terminal, else a line each ten seconds."""

import sys
import time
from collections.abc import Callable

SECONDS = 10.0


def progress(
    what: str, unit: str = "images", clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Returns a callback (done, total) that tells how far the work is.

    Args:
      what: is being done, for instance 'judging'.
      unit: of what is counted.
      clock: seconds that pass.

    A line goes to standard error at most each `SECONDS`: what is done, how far, and
    how long the rest will take at the speed so far. Short work says nothing.
    """
    if sys.stderr.isatty():
        return _bar(what, unit)
    told, first = clock(), None

    def tell(done: int, total: int) -> None:
        nonlocal told, first
        now = clock()
        first = first or (now, done)  # what comes before it is building and tracing
        if now - told < SECONDS or not done or done >= total:
            return
        told = now
        left = ""
        if done > first[1]:
            each = (now - first[0]) / (done - first[1])
            left = f", about {each * (total - done):.0f} s left"
        print(
            f"{what}: {done:,} of {total:,} {unit}{left}", file=sys.stderr, flush=True
        )

    return tell


def _bar(what, unit):
    import tqdm

    bar = tqdm.tqdm(desc=what, unit=f" {unit}", dynamic_ncols=True, leave=False)

    def tell(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return tell
