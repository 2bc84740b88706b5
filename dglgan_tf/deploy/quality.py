"""Distance to real images of the exported files themselves, each in its own runtime.

Quantization costs quality, not only pixels. All files and their source are judged on
the same latents and classes against the same real images, so that differences between
them are those of the files.
"""

import time
from collections.abc import Callable

import numpy as np
from absl import logging

from dglgan_tf.foundation import batches
from dglgan_tf.sampling import sampler

DEFAULT = "kid1k[efficientnet_lite0]"
PATIENCE_SECONDS = 300.0
_BATCH = 32


class Distance:
    """One metric of every file against one set of real images.

    Args:
      judge: an `evaluation.judge.Judge`, whose first metric is used: it makes what is
        judged of a sampler, and judges it. The caller closes it.
      patience: seconds that one file's images may take; a file that is slower is left
        out, and the report says so. None waits.
    """

    def __init__(self, judge, patience: float | None = PATIENCE_SECONDS):
        self._judge, self._patience = judge, patience
        self.metric = judge.metrics[0].name

    def measure(self, runners: dict[str, Callable], facts) -> dict:
        """Judges every file; a failure costs that file's number, never the export.

        Args:
          runners: {name: (z [N, z_dim], labels [N] or None, truncation) -> images}.
          facts: `sampler.Facts` of all of them.

        Returns:
          {'metric', 'values': {name: float}, 'floor', 'protocol',
          'left_out': {name: reason}}; floor and protocol are None without a value.
        """
        found = {"metric": self.metric, "values": {}, "floor": None, "protocol": None}
        left_out = {}
        for name, run in runners.items():
            try:
                self._check_time(run, facts)
                score = self._judge.evaluate(self._subject(name, run, facts))[0]
            except (ValueError, RuntimeError, OSError) as error:
                left_out[name] = " ".join(str(error).split())
                logging.warning("%s of %s is left out: %s", self.metric, name, error)
                continue
            found["values"][name] = score["value"]
            found["floor"], found["protocol"] = score["floor"], score["protocol"]
        return {**found, "left_out": left_out}

    def _subject(self, name, run, facts):
        def generate(z, labels, truncation, seed):
            del truncation, seed
            labels = None if labels is None else labels.numpy()
            return run(z.numpy(), labels, facts.untruncated)

        return self._judge.subject(
            sampler.Sampler(facts, generate, name),
            batch_size=batches.drawable(_BATCH, facts.resolution),
        )

    def _check_time(self, run, facts):
        """Raises ValueError where drawing would take longer than the patience."""
        count = self._judge.metrics[0].num_generated
        if self._patience is None:
            return
        z = np.zeros([1, facts.z_dim], np.float32)
        labels = np.zeros([1], np.int32) if facts.num_classes else None
        run(z, labels, facts.untruncated)  # traces, fills caches
        begin = time.perf_counter()
        run(z, labels, facts.untruncated)
        seconds = count * (time.perf_counter() - begin)
        if seconds > self._patience:
            raise ValueError(
                f"{count} images would take about {seconds / 60:.0f} minutes: ask for "
                "it with --distance"
            )
