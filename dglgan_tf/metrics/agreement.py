"""How alike two generators are on the same latents, a student and its teacher."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.metrics import image_sets, perceptual


def structural_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns SSIM [N] of uint8 images [N, H, W, C] (Wang et al., 2004).

    Gaussian windows of 11 pixels and sigma 1.5, smaller ones for smaller images.
    """
    size = min(11, *first.shape[1:3])
    pair = [tf.constant(x, tf.float32) for x in (first, second)]
    return tf.image.ssim(*pair, max_val=255.0, filter_size=size).numpy()


def compare(
    student: image_sets.GeneratedImages,
    teacher: image_sets.GeneratedImages,
    count: int,
    distance: perceptual.Perceptual,
    seed: int = 0,
) -> dict:
    """Returns a score of the agreement on `count` latents.

    Args:
      student, teacher: generators with the same latent length and classes.
      count: images compared.
      distance: the perceptual distance.
      seed: of latents and labels.

    Returns:
      a score whose value is the mean perceptual distance (0 = equal); 'values' adds
      'ssim' (1 = equal), 'pixel_l1' and 'pixel_rmse' in units of [0, 255].

    Raises:
      ValueError: the generators do not take the same input or give the same size.
    """
    _check_inputs(student, teacher)
    sums, done = np.zeros(4), 0
    for z, labels in student.latents(count, False, seed):
        keep = min(len(z), count - done)
        ours, theirs = (
            image_sets.to_uint8(one.generate(z, labels))[:keep]
            for one in (student, teacher)
        )
        sums += _sums(ours, theirs, distance)
        done += keep
    means = sums / count
    return {
        "metric": f"agreement{count}[{distance.name}]",
        "value": float(means[0]),
        "values": {
            "perceptual": float(means[0]),
            "ssim": float(means[1]),
            "pixel_l1": float(means[2]),
            "pixel_rmse": float(np.sqrt(means[3])),
        },
        "floor": None,
        "protocol": {
            **distance.describe(),
            "num_generated": count,
            "generated": dict(student.protocol),
            "teacher": dict(teacher.protocol),
            "seed": seed,
        },
    }


def _check_inputs(student, teacher):
    for name in ("z_dim", "num_classes"):
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours != theirs:
            raise ValueError(
                f"the student has {name}={ours} and the teacher {name}={theirs}: the "
                "same latents cannot be given to both"
            )


def _sums(ours, theirs, distance) -> list[float]:
    """Returns sums over images: distance, SSIM, mean absolute and squared gap."""
    if ours.shape != theirs.shape:
        raise ValueError(
            f"the student makes images {list(ours.shape[1:])} and the teacher "
            f"{list(theirs.shape[1:])}: they cannot be compared pixel by pixel"
        )
    gap = ours.astype(np.float64) - theirs
    return [
        distance(ours, theirs).astype(np.float64).sum(),
        structural_similarity(ours, theirs).astype(np.float64).sum(),
        np.abs(gap).mean((1, 2, 3)).sum(),
        (gap**2).mean((1, 2, 3)).sum(),
    ]
