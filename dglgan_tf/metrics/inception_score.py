"""Inception Score (Salimans et al., 2016), from logits, in float64, batch by batch."""

import numpy as np
import scipy.special


class StreamingScore:
    """Accumulates what the score needs; memory is splits x classes.

    Split i is rows i * N // splits to (i + 1) * N // splits, as torch-fidelity and
    StyleGAN2 cut them. Log-softmax keeps p log p exact where a softmax underflows.

    Args:
      num_images: N, known beforehand because it fixes the splits.
      splits: number of splits.

    Raises:
      ValueError: fewer images than splits.
    """

    def __init__(self, num_images: int, splits: int = 10):
        if num_images < splits or splits < 1:
            raise ValueError(
                f"the Inception Score in splits={splits} needs at least as many "
                f"images, but num_images={num_images}"
            )
        self.bounds = [i * num_images // splits for i in range(splits + 1)]
        self.count = 0
        self._marginal = None
        self._negative_entropy = np.zeros(splits)

    def update(self, logits: np.ndarray) -> None:
        """Adds logits [n, classes]; rows beyond num_images are left out."""
        log_p = scipy.special.log_softmax(np.asarray(logits, np.float64), axis=1)
        if self._marginal is None:
            splits = len(self.bounds) - 1
            self._marginal = np.zeros((splits, log_p.shape[1]))
        p = np.exp(log_p)
        for split, (low, high) in enumerate(
            zip(self.bounds[:-1], self.bounds[1:], strict=True)
        ):
            first = max(low - self.count, 0)
            last = min(high - self.count, len(p))
            if first < last:
                self._marginal[split] += p[first:last].sum(axis=0)
                # exp(-inf) * -inf cannot occur: log-softmax of finite logits is finite.
                self._negative_entropy[split] += (p * log_p)[first:last].sum()
        self.count += len(p)

    def result(self) -> tuple[float, float]:
        """Returns mean and population standard deviation of exp(KL) over the splits.

        Raises:
          ValueError: fewer images came than were announced.
        """
        if self.count < self.bounds[-1]:
            raise ValueError(
                f"the Inception Score expected {self.bounds[-1]} images, but "
                f"{self.count} came"
            )
        sizes = np.diff(self.bounds)
        marginal = self._marginal / sizes[:, None]
        entropy = -scipy.special.xlogy(marginal, marginal).sum(axis=1)
        scores = np.exp(self._negative_entropy / sizes + entropy)
        return float(scores.mean()), float(scores.std())


def score(logits: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Returns mean and standard deviation of the Inception Score of logits [N, K]."""
    stream = StreamingScore(len(logits), splits)
    stream.update(logits)
    return stream.result()
