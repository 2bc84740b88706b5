"""What a training's numbers say when it goes wrong, in sentences (host)."""

from dglgan_tf.losses import diagnostics

# Fakes of a fixed batch vary by this share of what the reals do: collapsed.
LEAST_DIVERSITY = 0.1
# Mean sign of the scores of reals: 1 when the discriminator is never wrong.
MOST_CERTAIN = 0.98


def sentences(means: dict[str, float], guidance_weight: float) -> dict[str, str]:
    """Returns {alarm: sentence} for the means of a tick; empty when all is well.

    Args:
      means: metric names and values of `progress.Progress.tick`.
      guidance_weight: in use now; 0 without a teacher.
    """
    found = {}
    diversity = means.get("diversity/ratio", 1.0)
    if diversity < LEAST_DIVERSITY:
        found["collapse"] = (
            f"the generator has collapsed: its samples vary by {diversity:.2g} of what "
            "the reals do; go back to an earlier snapshot, lower the learning rates or "
            "raise the batch size"
        )
    certain = means.get("d/sign_real", 0.0)
    if certain > MOST_CERTAIN:
        found["discriminator"] = (
            "the discriminator knows the reals by heart or has won (mean sign of "
            f"their scores {certain:.3f}): more data, augmentation or R1 may help"
        )
    ratio = means.get("guidance/ratio")
    if ratio is not None:
        warning = diagnostics.saturation_warning(ratio, guidance_weight)
        if warning:
            found["guidance"] = warning
    return found
