"""Private memory of this process, sampled while something runs; Linux.

Private is what no other process has (USS). It still holds pages of libraries that
nobody has written to: they are private where one process alone has loaded the library,
and the system may drop them. What was written to is said beside it: it does not depend
on what else runs.
"""

import threading

FIGURES = {  # in the answers: lines of smaps_rollup that add up to it
    "private_peak_mb": ("Private_Clean", "Private_Dirty"),
    "written_peak_mb": ("Private_Dirty",),
}


def now() -> dict[str, float]:
    """Returns {figure: MB} at this moment."""
    with open("/proc/self/smaps_rollup") as lines:
        next(lines)  # the span of all mappings
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {
        name: sum(sizes[part] for part in parts) / 1024
        for name, parts in FIGURES.items()
    }


class Peak:
    """The largest figures seen inside its blocks.

    Sampling walks over all pages, some milliseconds a time: not while a clock runs.

    Args:
      seconds: between two samples.
    """

    def __init__(self, seconds: float = 0.02):
        self._seconds, self._largest = seconds, dict.fromkeys(FIGURES, 0.0)

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        done = False
        while not done:
            done = self._stop.wait(self._seconds)  # a last sample after the end
            for name, size in now().items():
                self._largest[name] = max(self._largest[name], size)

    def result(self) -> dict[str, float]:
        """Returns {figure: MB}, the largest so far."""
        return {name: round(size, 1) for name, size in self._largest.items()}
