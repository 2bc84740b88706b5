"""What a user sees of a training: tick lines, stats.jsonl, TensorBoard, a bar."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import gin
import numpy as np
import psutil
from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.data import check
from dglgan_tf.foundation import atomic, sentences


def duration(seconds: float) -> str:
    """Returns seconds as NVIDIA's tools write them: '1h 02m 03s'."""
    seconds = int(round(seconds))
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d {h:02d}h {m:02d}m"
    if hours:
        return f"{h}h {m:02d}m {s:02d}s"
    return f"{m}m {s:02d}s" if minutes else f"{s}s"


def thousands(images: int) -> str:
    """Returns images in thousands: to the image where there are few."""
    return f"{images / 1000:.1f}" if images >= 10_000 else f"{images / 1000:.3f}"


def speed_of(images_per_second: float) -> str:
    """Returns a speed with three digits where it is low: '0.0683'."""
    low = images_per_second < 10
    return f"{images_per_second:.3g}" if low else f"{images_per_second:.1f}"


_QUIET_SECONDS = 60.0  # without a line, after which a step is worth one


class Progress:
    """Collects metrics without waiting for devices and reports once a tick."""

    def __init__(self, run_dir, total_images: int, start_images: int, seconds: float):
        """Opens the run's logs for appending.

        Args:
          run_dir: folder of the run; None writes no files.
          total_images: where the run ends.
          start_images: where this session starts.
          seconds: training time spent in earlier sessions.
        """
        self._total, self._tick_images = total_images, start_images
        self._seconds_before, self._start = seconds, time.time()
        self._tick_start, self._maintenance = self._start, 0.0
        self._tick_cpu = _cpu_seconds()
        self._added, self._said_at = 0, self._start
        log = stats = Path(os.devnull)
        self.summary = tf.summary.create_noop_writer()
        if run_dir is not None:
            log, stats = run_dir / "log.txt", run_dir / "stats.jsonl"
            self.summary = tf.summary.create_file_writer(str(run_dir))
        drop_later_records(stats, start_images)
        self._log = open(log, "a", encoding="utf-8")  # noqa: SIM115
        self._stats = open(stats, "a", encoding="utf-8")  # noqa: SIM115
        self._metrics: dict[str, list] = {}
        self._bar = self._make_bar(total_images, start_images)
        self.ticks = 0
        self.first_bad: dict[str, int] = {}
        self.data_seconds = 0.0

    @staticmethod
    def _make_bar(total, start):
        if not sys.stderr.isatty():
            return None
        import tqdm

        return tqdm.tqdm(
            total=total, initial=start, unit="img", unit_scale=True, dynamic_ncols=True
        )

    def add(self, metrics: dict, images: int) -> None:
        """Keeps a step's metrics (tensors, not read) and moves the bar."""
        for name, value in metrics.items():
            self._metrics.setdefault(name, []).append(value)
        if self._bar is not None:
            self._bar.update(images)
        self._added += images
        if images and time.time() - self._said_at > _QUIET_SECONDS:
            self._say_where()

    def _say_where(self):
        """Says between ticks, where they are far apart, how far the run is."""
        seconds = time.time() - self._tick_start - self._maintenance
        each = seconds / self._added
        seen = self._tick_images + self._added
        self.say(
            f"{seen:,} of {self._total:,} images, {speed_of(1 / max(each, 1e-9))} "
            f"img/s, eta {duration((self._total - seen) * each)}"
        )

    def say(self, text: str) -> None:
        """Writes a line to the console and to log.txt."""
        self._said_at = time.time()
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            logging.info("%s", text)
        with atomic.naming(self._log.name):
            self._log.write(text + "\n")
            self._log.flush()

    def announce(self, built, plan, parameters: dict) -> None:
        """Says what is about to be trained; the configuration goes to TensorBoard.

        Args:
          built: `build.Built`.
          plan: `schedule.Schedule`.
          parameters: {role: number of trainable parameters}.
        """
        train, conditional = built.trainer, bool(built.networks.generator.num_classes)
        for warning in check.warnings_of(built.source, conditional):
            self.say(f"data: {warning}")
        counts = ", ".join(f"{k} {v:,}" for k, v in parameters.items())
        self.say(f"parameters: {counts}")
        self.say(
            f"{plan.total_images:,} images of {train.batch_size} a step on "
            f"{built.strategy.num_replicas_in_sync} replica(s) in {train.lanes} "
            f"lane(s), XLA {'on' if train.jit else 'off'}; the first step traces "
            f"{', '.join(p.name for p in train.phases)}, which takes a while"
        )
        with self.summary.as_default():
            text = "    " + gin.config_str().replace("\n", "\n    ")
            tf.summary.text("gin", text, step=0)

    def say_done(self, folder: Path) -> None:
        """Says where the result is and what to do next."""
        words = ["python", "-m", "dglgan_tf.sample", f"--network={folder}"]
        draw = sentences.command(*words, "--seeds=0-63", "--grid")
        watch = sentences.command("tensorboard", f"--logdir={folder.parent}")
        self.say(f"done: {folder}; next: {draw}, or {watch}")

    @property
    def seconds(self) -> float:
        """Training time of the run, all sessions."""
        return self._seconds_before + time.time() - self._start

    def tick(self, counters) -> dict[str, float]:
        """Reads the collected metrics (waits for devices) and reports.

        Args:
          counters: `training.state.Counters`.

        Returns:
          {metric: mean over the tick of what is finite}, for '.../skipped' the count,
          with 'timing/...' and 'resources/...'.
        """
        values = {name: _numbers(v) for name, v in self._metrics.items()}
        self.first_bad = _first_bad(values)
        means = {name: _tick_value(name, v) for name, v in values.items()}
        self._metrics.clear()
        now, cpu = time.time(), _cpu_seconds()
        tick_seconds = now - self._tick_start
        images = max(counters.images - self._tick_images, 1)
        speed = (tick_seconds - self._maintenance) / images
        remaining = max(self._total - counters.images, 0) * speed
        means |= {
            "timing/img_per_sec": 1.0 / max(speed, 1e-9),
            "timing/sec_per_kimg": 1000.0 * speed,
            "timing/sec_per_tick": tick_seconds,
            "timing/cpu_sec_per_tick": cpu - self._tick_cpu,
            "timing/maintenance_sec": self._maintenance,
            "timing/data_wait_percent": 100
            * self.data_seconds
            / max(tick_seconds, 1e-9),
            "timing/total_sec": self.seconds,
            "resources/cpu_mem_gb": psutil.Process().memory_info().rss / 2**30,
            "resources/gpu_mem_gb": _gpu_memory(),
        }
        self._report(means, counters, tick_seconds, remaining)
        self._tick_start, self._tick_images = now, counters.images
        self._added = 0
        self._tick_cpu = cpu
        self._maintenance = self.data_seconds = 0.0
        self.ticks += 1
        return means

    def _report(self, means, counters, tick_seconds, remaining):
        self.say(
            f"tick {self.ticks:<5d} kimg {thousands(counters.images):<8s} "
            f"time {duration(self.seconds):<12s} sec/tick {tick_seconds:<7.1f} "
            f"sec/kimg {means['timing/sec_per_kimg']:<7.2f} "
            f"maintenance {means['timing/maintenance_sec']:<6.1f} "
            f"cpumem {means['resources/cpu_mem_gb']:<6.2f} "
            f"gpumem {means['resources/gpu_mem_gb']:<6.2f} "
            f"img/s {speed_of(means['timing/img_per_sec']):<7s} "
            f"eta {duration(remaining)}"
        )
        record = {
            "images": counters.images,
            "step": counters.step,
            "timestamp": time.time(),
            **means,
        }
        self._stats.write(json.dumps(record) + "\n")
        self._stats.flush()
        with self.summary.as_default():
            for name, value in means.items():
                tf.summary.scalar(name, value, step=counters.images)
        self.summary.flush()

    def rewind(self, images: int) -> None:
        """Takes the logs back to a restored state."""
        self._stats.close()
        path = Path(self._stats.name)
        drop_later_records(path, images)
        self._stats = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._tick_images, self._added = images, 0
        if self._bar is not None:
            self._bar.n = images
            self._bar.refresh()

    def maintenance(self, seconds: float) -> None:
        """Counts time spent on pictures and files apart from training speed."""
        self._maintenance += seconds

    def close(self) -> None:
        """Closes files and the bar."""
        if self._bar is not None:
            self._bar.close()
        for file in (self._log, self._stats):
            with contextlib.suppress(OSError):  # a full disk has been reported before
                file.close()
        self.summary.close()


def _cpu_seconds() -> float:
    """Returns what all threads of this process have used, user and system."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def _numbers(values) -> np.ndarray:
    return np.asarray([np.asarray(value) for value in values], np.float64)


def _first_bad(values) -> dict[str, int]:
    """{phase: position of the first tensor that was not finite} (see `phase`)."""
    found = {}
    for name, numbers in values.items():
        if name.endswith("/skipped") and numbers.any():
            found[name.removesuffix("/skipped")] = int(numbers[numbers > 0][0]) - 1
    return found


def _tick_value(name, values) -> float:
    if name.endswith("/skipped"):
        return float(np.count_nonzero(values))
    # What a skipped step computed is not finite and was not applied.
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def drop_later_records(path, images: int) -> None:
    """Removes lines of stats.jsonl past a restored state, and a torn last line.

    A killed run logged more than it saved; it will log those ticks again.
    """
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    kept = []
    for line in text.splitlines():
        try:
            if json.loads(line)["images"] <= images:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    if "".join(kept) != text:
        atomic.write(path, "".join(kept))


def _gpu_memory() -> float:
    devices = tf.config.list_logical_devices("GPU")
    peaks = [
        tf.config.experimental.get_memory_info(device.name.split("device:")[-1])["peak"]
        for device in devices
    ]
    return max(peaks, default=0) / 2**30
