"""From collected features to scores: what each kind of metric needs and how it ends."""

import dataclasses

import numpy as np

from dglgan_tf.metrics import (
    collector,
    frechet,
    kernel,
    precision_recall,
)

_ON_SETS = ("kid", "kidall", "pr", "dc")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Choices that are part of the protocol.

    Attributes:
      kid_subsets: subsets of `kid`.
      kid_subset_size: images in a subset; smaller where there are fewer images.
      is_splits: splits of the Inception Score.
      seed: of the subsets.
    """

    kid_subsets: int = 100
    kid_subset_size: int = 1000
    is_splits: int = 10
    seed: int = 2020

    def __post_init__(self):
        for name in ("kid_subsets", "is_splits"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.kid_subset_size < 2:
            raise ValueError(f"kid_subset_size={self.kid_subset_size} must be over 1")


def generated_needs(metrics, settings: Settings) -> collector.Needs:
    """Returns what to collect of the generated images."""
    if any(m.kind == "ifid" for m in metrics):
        return collector.Needs(stored=None, labels=True)
    return collector.Needs(
        moments=_unique(m.num_generated for m in metrics if m.kind == "fid"),
        stored=max((m.num_generated for m in metrics if m.kind in _ON_SETS), default=0),
        scores=_unique(
            (m.num_generated, settings.is_splits) for m in metrics if m.kind == "is"
        ),
    )


def real_needs(metrics) -> collector.Needs:
    """Returns what to collect of the real images; twice as many for the floor."""
    stored = 0
    on_sets = [m for m in metrics if m.kind in _ON_SETS]
    if on_sets:
        stored = None
        if all(m.num_real is not None for m in on_sets):
            stored = 2 * max(m.num_generated for m in on_sets)
    by_class = any(m.kind == "ifid" for m in metrics)
    fid = [m for m in metrics if m.kind == "fid"]
    return collector.Needs(
        moments=_unique(m.num_real for m in fid),
        halves=_unique(m.num_generated for m in fid),
        stored=None if by_class else stored,
        labels=by_class,
    )


def _unique(values):
    return tuple(sorted(set(values), key=lambda v: (v is None, v)))


def score(metric, generated, real, settings: Settings) -> dict:
    """Returns {'value', 'values', 'floor', 'protocol'} of one metric.

    Args:
      metric: a `names.Metric`.
      generated, real: `collector.Collector`s that saw their images; `real` is None for
        the Inception Score.
      settings: see `Settings`.

    Raises:
      ValueError: fewer images than the metric needs.
    """
    _require_images(metric, generated, real)
    return _KINDS[metric.kind](metric, generated, real, settings)


def _require_images(metric, generated, real):
    for name, found, wanted in (
        ("generated", generated, metric.num_generated),
        ("real", real, metric.num_real),
    ):
        if found is None or (name == "real" and metric.kind == "is"):
            continue
        if metric.kind != "ifid" and wanted is not None and found.count < wanted:
            raise ValueError(
                f"{metric.name} needs {wanted} {name} images, but there are "
                f"{found.count}: use {metric.kind} with fewer images"
                + (", or _full for all real ones" if name == "real" else "")
            )


def _fid(metric, generated, real, settings):
    del settings
    fake = generated.moments[metric.num_generated].result()
    value = frechet.distance(fake, real.moments[metric.num_real].result())
    halves = real.halves.get(metric.num_generated, ())
    floor = None
    if halves and min(half.count for half in halves) >= 2:
        pair = [half.result() for half in halves]
        floor = _floor(frechet.distance(*pair), pair[1].count)
    used = real.moments[metric.num_real].count
    protocol = {"num_generated": fake.count, "num_real": used}
    return {"value": value, "floor": floor, "protocol": protocol}


def _floor(value, count):
    return {"value": value, "images": count}


def _sets(metric, generated, real):
    """Returns selections: generated, real, and two disjoint halves of the real ones."""
    if real.store is None:
        raise ValueError(
            f"{metric.name} needs features of the real images, but the statistics hold "
            "only mean and covariance: give the images, or ask for fid"
        )
    reals = len(real.store) if metric.num_real is None else metric.num_real
    half = min(metric.num_generated, len(real.store) // 2)
    return (
        generated.store.select(range(metric.num_generated)),
        real.store.select(range(reals)),
        real.store.select(range(0, 2 * half, 2)),
        real.store.select(range(1, 2 * half, 2)),
    )


def _kid(metric, generated, real, settings):
    fake, true, even, odd = _sets(metric, generated, real)
    values, size = _kid_subsets(fake, true, settings)
    floor = None
    if len(even) >= 2:
        again, _ = _kid_subsets(even, odd, settings)
        floor = _floor(float(again.mean()), len(even))
    return {
        "value": float(values.mean()),
        "values": {"mean": float(values.mean()), "std": float(values.std())},
        "floor": floor,
        "protocol": {
            "num_generated": len(fake),
            "num_real": len(true),
            "subsets": len(values),
            "subset_size": size,
            "subset_seed": settings.seed,
        },
    }


def _kid_subsets(fake, true, settings):
    size = min(settings.kid_subset_size, len(fake), len(true))
    subsets = settings.kid_subsets
    if size == len(fake) == len(true):
        subsets = 1  # every subset would be the same two whole sets
    indices = kernel.subset_indices(len(fake), len(true), subsets, size, settings.seed)
    return kernel.subsets_mmd2(fake.rows, true.rows, indices), size


def _kid_all(metric, generated, real, settings):
    del settings
    fake, true, even, odd = _sets(metric, generated, real)
    floor = None
    if len(even) >= 2:
        floor = _floor(kernel.mmd2_blocks(even.blocks, odd.blocks), len(even))
    return {
        "value": kernel.mmd2_blocks(fake.blocks, true.blocks),
        "floor": floor,
        "protocol": {"num_generated": len(fake), "num_real": len(true)},
    }


def _inception_score(metric, generated, real, settings):
    del real
    splits = settings.is_splits
    mean, deviation = generated.scores[metric.num_generated, splits].result()
    return {
        "value": mean,
        "values": {"mean": mean, "std": deviation},
        "floor": None,
        "protocol": {"num_generated": metric.num_generated, "splits": splits},
    }


def _on_manifolds(metric, generated, real, function, names):
    fake, true, even, odd = _sets(metric, generated, real)
    k = metric.neighbours
    values = dict(zip(names, function(fake, true, k), strict=True))
    floor = None
    if len(even) > k:
        again = dict(zip(names, function(even, odd, k), strict=True))
        floor = _floor(again[names[0]], len(even)) | {"values": again}
    return {
        "value": values[names[0]],
        "values": values,
        "floor": floor,
        "protocol": {
            "num_generated": len(fake),
            "num_real": len(true),
            "neighbours": k,
        },
    }


def _precision_recall(metric, generated, real, settings):
    del settings
    names = ("precision", "recall")
    function = precision_recall.precision_recall
    return _on_manifolds(metric, generated, real, function, names)


def _density_coverage(metric, generated, real, settings):
    del settings
    names = ("density", "coverage")
    function = precision_recall.density_coverage
    return _on_manifolds(metric, generated, real, function, names)


def _intra_class(metric, generated, real, settings):
    """Mean over classes of the Frechet distance within the class."""
    del settings
    if isinstance(real, collector.FromStatistics):
        raise ValueError(f"{metric.name} needs the real images and their labels")
    distances, used = {}, 0
    for label in np.unique(real.labels).tolist():
        fake = generated.class_moments(label, metric.num_generated)
        true = real.class_moments(label, metric.num_real)
        for name, found, wanted in (
            ("generated", fake, metric.num_generated),
            ("real", true, metric.num_real or 2),
        ):
            if found.count < wanted:
                raise ValueError(
                    f"{metric.name} needs {wanted} {name} images of class {label}, but "
                    f"there are {found.count}"
                )
        distances[str(label)] = frechet.distance(fake.result(), true.result())
        used += true.count
    return {
        "value": float(np.mean(list(distances.values()))),
        "values": distances,
        "floor": None,
        "protocol": {
            "num_generated": metric.num_generated,
            "num_real": used,
            "classes": len(distances),
        },
    }


_KINDS = {
    "fid": _fid,
    "kid": _kid,
    "kidall": _kid_all,
    "is": _inception_score,
    "pr": _precision_recall,
    "dc": _density_coverage,
    "ifid": _intra_class,
}
