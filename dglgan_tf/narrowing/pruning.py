"""Starting a narrow student from a wide teacher: choose channels, copy their weights.

Scores say how much a channel matters; the highest are kept, in their old order, in
every weight that touches them. A student as wide as its teacher becomes an exact copy;
dropping channels that nothing reads leaves the images as they are.

After pruning a BigGAN generator its running moments are the teacher's, while the
spectral norms are those of the remaining weights: estimate them anew
(`layers.conditional_norm.accumulate_statistics`) before it is used in inference mode.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.narrowing import channels
from dglgan_tf.networks import base


def prune(
    teacher: base.Network,
    student: base.Network,
    scores: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Copies the teacher's best channels into the student; host context.

    Args:
      teacher: generator or discriminator.
      student: of the same class and arguments but for its widths; overwritten.
      scores: group -> [width] (see below); None = `magnitude_scores`. Groups that are
        missing are scored by magnitude.

    Returns:
      group -> indices of the teacher's channels that were kept.

    Raises:
      ValueError: where the two differ in more than widths.
    """
    layout = channels.channel_layout(teacher)
    values = {n: v.numpy() for n, v in base.named_variables(teacher).items()}
    targets = base.named_variables(student)
    if set(values) != set(targets):
        names = sorted(set(values) ^ set(targets))
        raise ValueError(
            f"teacher and student differ in more than widths: only one has {names[:4]}"
        )
    every = {**magnitude_scores(teacher), **(scores or {})}
    shapes = {name: tuple(variable.shape) for name, variable in targets.items()}
    kept = choose(layout, values, shapes, every)
    taken = {n: _take(layout, n, v, shapes[n], kept) for n, v in values.items()}
    for name, value in taken.items():
        targets[name].assign(value)
    return kept


def choose(layout: channels.Layout, values, shapes, scores) -> dict[str, np.ndarray]:
    """Returns which channels of each group to keep.

    Args:
      layout: of the teacher.
      values: path -> the teacher's array.
      shapes: path -> the student's shape.
      scores: group -> [teacher's width].
    """
    wide = _widths(layout, {n: v.shape for n, v in values.items()})
    narrow = _widths(layout, shapes)
    kept: dict[str, np.ndarray] = {}
    for group in reversed(list(wide)):  # what another group starts with comes first
        score = np.array(scores[group], np.float64)  # a copy: it is changed below
        if score.shape != (wide[group],) or not np.isfinite(score).all():
            raise ValueError(
                f"scores[{group!r}] has shape {score.shape} but must hold "
                f"{wide[group]} finite numbers, one for each channel"
            )
        if narrow[group] > wide[group]:
            raise ValueError(
                f"the student has {narrow[group]} channels at {group!r} and the "
                f"teacher {wide[group]}: pruning only narrows"
            )
        first = kept.get(layout.starts_with.get(group), np.zeros(0, int))
        score[first] = np.inf
        best = np.sort(np.argsort(-score, kind="stable")[: narrow[group]])
        kept[group] = np.concatenate([first, best[~np.isin(best, first)]])
    return kept


def _widths(layout, shapes):
    widths: dict[str, int] = {}
    for path, axes in layout.axes.items():
        for axis, place in axes.items() if path in shapes else ():
            width = (shapes[path][axis] - place.extra) // place.repeats
            if widths.setdefault(place.group, width) != width:
                raise ValueError(
                    f"{path!r} holds {width} channels of {place.group!r}, other "
                    f"weights {widths[place.group]}: these widths do not fit together"
                )
    return widths


def _take(layout, path, value, shape, kept):
    before = value.shape
    for axis, place in layout.axes.get(path, {}).items():
        width = (value.shape[axis] - place.extra) // place.repeats
        index = np.arange(place.repeats)[:, np.newaxis] * width + kept[place.group]
        last = place.repeats * width + np.arange(place.extra)
        value = np.take(value, np.concatenate([index.ravel(), last]), axis)
    if value.shape != shape:
        raise ValueError(
            f"{path!r} has shape {before} in the teacher and {shape} in the student, "
            "and this is no matter of convolution widths: give both networks the same "
            "latents, classes, mapping and image size"
        )
    if path in layout.equalized:
        # The layer divides by sqrt(fan-in): undo its change, the product stays.
        value = value * np.sqrt(np.prod(shape[:-1]) / np.prod(before[:-1]))
    return value.astype(np.float32)


def magnitude_scores(network: base.Network) -> dict[str, np.ndarray]:
    """Scores channels by the weights that read them: the L1 norm of outgoing kernels.

    Each kernel counts relative to its mean, so that spectral normalisation or another
    scale does not matter. Channels that no kernel reads (attention's keys) are scored
    by the weights that make them.

    Args:
      network: generator or discriminator.

    Returns:
      group -> [width] float64.
    """
    values = {n: v.numpy() for n, v in base.named_variables(network).items()}
    return _scores(channels.channel_layout(network), values)


def saliency_scores(
    network: base.Network, losses: Iterable[Sequence[Callable[[], tf.Tensor]]]
) -> dict[str, np.ndarray]:
    """Scores channels by the gradients of the kernels that read them (L1 norm).

    Args:
      network: generator or discriminator; its spectral norms should be converged.
      losses: [] losses of the network, for instance of `content_loss` or
        `diversity_loss`, each as functions without arguments whose sum it is; they are
        computed one after the other. The losses' absolute gradients add up.

    Returns:
      group -> [width] float64.
    """
    kernels = {
        name: variable
        for name, variable in base.named_variables(network).items()
        if variable.trainable and variable.shape.rank >= 2
    }
    sums = {name: np.zeros(variable.shape) for name, variable in kernels.items()}
    for loss in losses:
        found = [_gradients(term, kernels) for term in loss]
        for name in kernels:
            sums[name] += np.abs(sum(gradients[name] for gradients in found))
    return _scores(channels.channel_layout(network), sums, relative=False)


def _gradients(term, kernels) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        value = term()
    gradients = tape.gradient(
        value, kernels, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return {name: np.asarray(gradient) for name, gradient in gradients.items()}


def _scores(layout, values, relative=True):
    """Sums |values| over all axes but the channels', of readers or else of makers."""
    readers: dict[str, np.ndarray] = {}
    makers: dict[str, np.ndarray] = {}
    for path, axes in layout.axes.items():
        value = np.abs(np.asarray(values[path], np.float64)) if path in values else None
        if value is None or value.ndim < 2:
            continue
        if relative:
            value = value / max(value.mean(), 1e-30)
        for axis, place in axes.items():
            side = makers if axis == value.ndim - 1 else readers
            line = value.sum(tuple(k for k in range(value.ndim) if k != axis))
            line = line[: len(line) - place.extra].reshape(place.repeats, -1).sum(0)
            side[place.group] = side.get(place.group, 0.0) + line
    return {**makers, **readers}


def content_loss(
    synthesize: Callable[[tf.Tensor], tf.Tensor],
    latents: tf.Tensor,
    mask: Callable[[tf.Tensor], tf.Tensor],
    noise: tf.Tensor,
) -> tf.Tensor:
    """Content-aware score (Liu et al., 2104.02244): what the content depends on.

    Sum of |G - (G + noise * mask)|, where the noisy image is a constant: its gradient
    reaches what drew the masked pixels.

    Args:
      synthesize: latents -> images [N, H, W, C].
      latents: whatever `synthesize` takes.
      mask: images -> [N, H, W, 1], 1 where the content of interest is.
      noise: [N, H, W, C].

    Returns:
      [] float32.
    """
    images = synthesize(latents)
    noisy = tf.stop_gradient(images + noise * mask(images))
    return tf.reduce_sum(tf.abs(images - noisy))


def diversity_loss(
    synthesize: Callable[[tf.Tensor], tf.Tensor],
    latents: tf.Tensor,
    directions: tf.Tensor,
    strength: float = 5.0,
) -> tf.Tensor:
    """Diversity-aware score (Chung et al., 2403.13548): what reacts to the latent.

    Sum of |G(w + strength * d) - G(w)| for unit directions d; the gradient flows
    through both images, so that a kernel counts as far as the channels that it reads
    react. The authors take about 10 directions for each of 1,000 latents or more.

    Args:
      synthesize: latents -> images [N, H, W, C]; for StyleGAN2 take style vectors.
      latents: [N, ..., D].
      directions: broadcasts to `latents`; scaled to unit length along the last axis.
      strength: length of the step.

    Returns:
      [] float32.
    """
    step = strength * tf.math.l2_normalize(directions, axis=-1)
    difference = synthesize(latents + step) - synthesize(latents)
    return tf.reduce_sum(tf.abs(difference))
