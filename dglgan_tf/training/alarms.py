"""What a training's numbers say when it goes wrong, in sentences (host)."""

import collections
import statistics

from dglgan_tf.losses import term_balance

# Fakes of a fixed batch vary by this share of what the reals do: collapsed.
LEAST_DIVERSITY = 0.1
# Mean sign of the scores of reals: 1 when the discriminator is never wrong.
MOST_CERTAIN = 0.98

# A largest singular value of so many times its median over the last ticks leaps.
LEAP = 2.0
TICKS = 20


class Leaps:
    """Watches the largest singular values, which leap before a collapse (BigGAN)."""

    def __init__(self):
        """Remembers nothing yet."""
        self._seen: dict[str, collections.deque] = {}

    def sentences(self, means: dict[str, float]) -> dict[str, str]:
        """Returns {alarm: sentence}; call it once a tick with its means."""
        found = {}
        for name, value in means.items():
            if not name.startswith("singular/"):
                continue
            seen = self._seen.setdefault(name, collections.deque(maxlen=TICKS))
            usual = statistics.median(seen) if len(seen) >= 5 else value
            if value > LEAP * usual:
                found[name] = (
                    f"the largest singular value of the {name.split('/')[1]}'s layers "
                    f"is {value:.3g}, and {usual:.3g} over the last ticks: a collapse "
                    "often follows; go back to an earlier snapshot or lower the "
                    "learning rates"
                )
            else:  # what leapt does not become usual
                seen.append(value)
        return found


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
        warning = term_balance.saturation_warning(ratio, guidance_weight)
        if warning:
            found["guidance"] = warning
    return found


class Alarms:
    """Tells of each trouble once, when it has lasted for two ticks."""

    def __init__(self):
        """Has heard nothing yet."""
        self._heard: set[str] = set()  # at the last tick
        self._said: set[str] = set()
        self._leaps = Leaps()

    def after_tick(self, means: dict[str, float], guidance_weight: float) -> list[str]:
        """Returns sentences to say; arguments as `sentences`."""
        found = sentences(means, guidance_weight) | self._leaps.sentences(means)
        lasting = found.keys() & self._heard
        new = [found[name] for name in found if name in lasting - self._said]
        self._heard, self._said = set(found), set(lasting)
        return new
