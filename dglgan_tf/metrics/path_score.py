"""Perceptual path length of a generator as a score, pair by pair."""

import numpy as np

from dglgan_tf.metrics import image_sets, path_length


def score(metric, subject: image_sets.GeneratedImages, distance, seed: int) -> dict:
    """Returns {'value', 'values', 'floor', 'protocol'} of a perceptual path length.

    Args:
      metric: a `names.Metric` with a path.
      subject: the generator.
      distance: a `perceptual.Perceptual`.
      seed: of latents, positions and labels.

    Raises:
      ValueError: stored images, or w is asked of a generator without a mapping.
    """
    if not isinstance(subject, image_sets.GeneratedImages):
        raise ValueError(f"{metric.name} needs a generator: images have no latents")
    space, end = metric.path
    halves = subject.path
    if halves is None:
        if space == "w":
            raise ValueError(
                f"{metric.name} follows w, but this generator has no mapping network: "
                f"ask for {metric.base.replace('_w', '_z')}"
            )
        halves = path_length.Path(lambda z, labels: z, subject.generate)
    found = []
    for z0, z1, t, labels in subject.pairs(metric.num_generated, seed):
        found.append(
            path_length.distances(
                halves,
                distance,
                z0,
                z1,
                t if end == "full" else np.zeros_like(t),
                labels,
                space,
                crop=metric.kind == "ppl",
            )
        )
    values = np.concatenate(found)[: metric.num_generated]
    if not np.isfinite(values).all():
        raise ValueError("generated images hold NaN or infinity: it has diverged")
    kept = path_length.trim(values)
    return {
        "value": float(kept.mean()),
        "values": {"mean": float(kept.mean()), "untrimmed": float(values.mean())},
        "floor": None,
        "protocol": {
            "num_generated": len(values),
            "space": space,
            "path": end,
            "crop": metric.kind == "ppl",
            "epsilon": path_length.EPSILON,
        },
    }
