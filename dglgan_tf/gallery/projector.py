"""From an image back to codes: the point of a generator's space nearest to it."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches
from dglgan_tf.networks import base, codes

SPACES = ("w", "w+")
_SCALES = 4


@dataclasses.dataclass(frozen=True)
class Projection:
    """What `project` found.

    Attributes:
      codes: [N, L, D] float32, see `networks.codes`.
      images: [N, H, W, C] float32 that they give.
      losses: [steps + 1, N], before each step and at the end.
    """

    codes: np.ndarray
    images: np.ndarray
    losses: np.ndarray


def pyramid(first, second) -> tf.Tensor:
    """Returns [N]: mean squared differences of images, over several sizes, summed.

    Coarse sizes lead the search where fine ones do not overlap yet.

    Args:
      first, second: [N, H, W, C] in [-1, 1].
    """
    total = 0.0
    for _ in range(_SCALES):
        total += tf.reduce_mean(tf.square(first - second), axis=[1, 2, 3])
        if first.shape[1] < 8:
            break
        first, second = (tf.nn.avg_pool2d(x, 2, 2, "VALID") for x in (first, second))
    return total


def project(
    network: base.Generator,
    targets,
    labels=None,
    space: str = "w",
    steps: int = 500,
    learning_rate: float = 0.1,
    distance: Callable = pyramid,
    candidates: int = 64,
    seed: int = 0,
) -> Projection:
    """Searches the codes whose images are nearest to the targets.

    Starts from the best of some random codes; Adam with the learning rate of NVIDIA's
    projector (Karras et al. 2020, appendix D: rises over the first 5 %, falls to zero
    over the last 25 % along a cosine). Noise maps stay as stored.

    Args:
      network: a generator, in inference mode.
      targets: [N, H, W, C] float in [-1, 1].
      labels: [N] classes of a conditional network, else None.
      space: 'w', one code for all layers (BigGAN: its latent), or 'w+', one for each.
      steps: of Adam.
      learning_rate: at its height.
      distance: (images, targets) -> [N].
      candidates: random codes tried first.
      seed: of the candidates.

    Raises:
      ValueError: an unknown space, or targets of another size.
    """
    targets = tf.convert_to_tensor(targets, tf.float32)
    size = (network.resolution, network.resolution, network.num_channels)
    if tuple(targets.shape[1:]) != size:
        raise ValueError(f"targets are {targets.shape[1:]}, the network makes {size}")
    if space not in SPACES:
        raise ValueError(f"space={space!r} must be one of {SPACES}")
    size = batches.drawable(len(targets), 2 * network.resolution)
    search = functools.partial(
        _search, network, space, steps, learning_rate, distance, candidates, seed
    )
    if size >= len(targets):
        return search(targets, labels)
    # Each is searched for on its own, so in any company.
    cuts = [slice(i, i + size) for i in range(0, len(targets), size)]
    found = [search(targets[r], None if labels is None else labels[r]) for r in cuts]
    return Projection(
        np.concatenate([one.codes for one in found]),
        np.concatenate([one.images for one in found]),
        np.concatenate([one.losses for one in found], axis=1),
    )


def _search(
    network, space, steps, learning_rate, distance, candidates, seed, targets, labels
):
    """Searches for as many targets as are drawn at once; arguments of `project`."""
    labels = None if labels is None else tf.constant(labels, tf.int32)
    start = _start(network, targets, labels, distance, candidates, seed)
    shared = space == "w" and _one_code(network)
    variable = tf.Variable(start[:, :1] if shared else start)
    length = start.shape[1] if shared else 1

    def images():
        return codes.decode(network, tf.tile(variable, [1, length, 1]), labels)

    losses = _descend(
        variable, lambda: distance(images(), targets), steps, learning_rate
    )
    found = tf.tile(variable, [1, length, 1])
    return Projection(found.numpy(), images().numpy(), losses)


def _one_code(network) -> bool:
    """Whether all layers of a sampled image share one code."""
    return hasattr(network, "map")


def _start(network, targets, labels, distance, candidates, seed):
    """Returns the codes [N, L, D] of the candidate nearest to each target."""
    if candidates < 1:
        raise ValueError(f"candidates={candidates}: try at least one")

    @tf.function(autograph=False)
    def attempt(z):
        z = tf.repeat(z, len(targets), axis=0)
        tried = codes.encode(network, z, labels)
        return tried, distance(codes.decode(network, tried, labels), targets)

    random = np.random.RandomState(seed)
    tried = [
        attempt(tf.constant(random.randn(1, network.z_dim), tf.float32))
        for _ in range(candidates)
    ]
    nearest = np.stack([loss.numpy() for _, loss in tried]).argmin(axis=0)
    return tf.stack([tried[best][0][row] for row, best in enumerate(nearest)])


def _descend(variable, losses, steps, learning_rate):
    """Minimises the sum of losses [N] with Adam; returns [steps + 1, N]."""
    first, second = tf.Variable(variable * 0), tf.Variable(variable * 0)

    @tf.function(autograph=False)
    def step(rate, number):
        with tf.GradientTape() as tape:
            values = losses()
            total = tf.reduce_sum(values)
        slope = tape.gradient(total, variable)
        first.assign(0.9 * first + 0.1 * slope)
        second.assign(0.999 * second + 0.001 * tf.square(slope))
        mean = first / (1 - 0.9**number)
        size = tf.sqrt(second / (1 - 0.999**number)) + 1e-8
        variable.assign_sub(rate * mean / size)
        return values

    history = []
    for index in range(steps):
        rate = learning_rate * _ramp(index / steps)
        history.append(step(tf.constant(rate), tf.constant(index + 1.0)).numpy())
    return np.stack([*history, losses().numpy()])


def _ramp(share: float) -> float:
    falling = min(1.0, (1 - share) / 0.25)
    return (0.5 - 0.5 * math.cos(falling * math.pi)) * min(1.0, (share + 1e-3) / 0.05)
