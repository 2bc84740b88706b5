"""Regularizers of the two players; float32 [N], not reduced and not weighted.

Penalties on gradients differentiate inside: call them within the outer
`tf.GradientTape` that differentiates the loss (second order). They trace in a
`tf.function`, with and without XLA. A `discriminator` is any callable that takes
images alone and returns logits [N]; bind labels and `training` with a lambda.
"""

from collections.abc import Callable, Sequence

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks

# Below this a squared length counts as zero: sqrt has no finite slope there, and a
# NaN would otherwise appear where a gradient vanishes exactly.
_TINY = 1e-24


def r1(
    discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Squares the gradient of the logits at real images (Mescheder, 1801.04406).

    Args:
      discriminator: images -> logits [N].
      images: [N, H, W, C] float32, real.

    Returns:
      penalty: [N], sum over pixels of the squared gradient of sum(D(x)); without the
        factor gamma / 2.
      logits: [N], D(images), at no further cost.
    """
    gradient, logits = _input_gradient(discriminator, images)
    return _checks.sum_but_first(tf.square(gradient)), logits


def r2(
    discriminator: Callable[[tf.Tensor], tf.Tensor], fake_images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Squares the gradient of the logits at generated images (1801.04406).

    Args:
      discriminator: images -> logits [N].
      fake_images: [N, H, W, C] float32; no gradient reaches what made them.

    Returns:
      penalty: [N], without the factor gamma / 2.
      logits: [N], D(fake_images).
    """
    return r1(discriminator, tf.stop_gradient(fake_images))


def gradient_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real_images: tf.Tensor,
    fake_images: tf.Tensor,
    alpha: tf.Tensor,
    target: float = 1.0,
) -> tf.Tensor:
    """Returns (|grad D(mix)| - target)^2 (WGAN-GP, Gulrajani et al., 1704.00028).

    Args:
      discriminator: images -> logits [N].
      real_images: [N, H, W, C] float32.
      fake_images: [N, H, W, C] float32.
      alpha: [N] uniform in [0, 1); mix = alpha * real + (1 - alpha) * fake.
      target: wanted gradient norm; the usual total weight is 10 / target^2.

    Returns:
      [N] float32.
    """
    real, fake = _checks.same_shape(
        "real_images", real_images, "fake_images", fake_images
    )
    share = tf.reshape(tf.cast(alpha, tf.float32), [-1] + [1] * (real.shape.rank - 1))
    mixed = tf.stop_gradient(share * real + (1.0 - share) * fake)
    gradient, _ = _input_gradient(discriminator, mixed)
    norm = _safe_sqrt(_checks.sum_but_first(tf.square(gradient)))
    return tf.square(norm - target)


def drift(real_logits: tf.Tensor) -> tf.Tensor:
    """Returns real^2, which keeps a critic near zero (Karras et al., 1710.10196).

    Args:
      real_logits: [N] scores of real images; the usual weight is 0.001.

    Returns:
      [N] float32.
    """
    return tf.square(_checks.logits("real_logits", real_logits))


def path_length(
    synthesize: Callable[[tf.Tensor], tf.Tensor],
    ws: tf.Tensor,
    noise: tf.Tensor,
    pl_mean: tf.Tensor,
    decay: float = 0.01,
    stop_mean_gradient: bool = False,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Penalises unequal path lengths (StyleGAN2, 1912.04958, section 3.2).

    g = gradient of sum(images * noise / sqrt(H W)) with respect to ws;
    length = sqrt(mean over layers of the squared norm of g);
    a <- a + decay * (mean(length) - a); penalty = (length - a)^2 with the new a.

    Args:
      synthesize: ws -> images [N, H, W, C].
      ws: [N, L, w_dim] latents, one for each layer.
      noise: [N, H, W, C] standard normal (divided by sqrt(H W) here).
      pl_mean: [] float32, the running mean a before this call; 0 at the start.
      decay: step of the running mean.
      stop_mean_gradient: whether a counts as a constant. False as in StyleGAN2's
        TensorFlow code, where the gradient also flows through mean(length).

    Returns:
      penalty: [N], without weight.
      new_pl_mean: [], no gradient flows through it.
      lengths: [N].
    """
    ws = tf.convert_to_tensor(ws)
    if ws.shape.rank != 3:
        raise ValueError(f"ws has shape {ws.shape} but must be [N, L, w_dim]")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(ws)
        images = tf.cast(synthesize(ws), tf.float32)
        images, noise = _checks.same_shape("images", images, "noise", noise)
        pixels = images.shape[1] * images.shape[2]
        total = tf.reduce_sum(images * noise) / float(pixels) ** 0.5
    gradient = _connected(tape.gradient(total, ws), "synthesize", "ws")
    squares = tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)), axis=2)
    lengths = _safe_sqrt(tf.reduce_mean(squares, axis=1))
    mean = pl_mean + decay * (tf.reduce_mean(lengths) - pl_mean)
    target = tf.stop_gradient(mean) if stop_mean_gradient else mean
    return tf.square(lengths - target), tf.stop_gradient(mean), lengths


def orthogonal(kernels: Sequence[tf.Tensor]) -> tf.Tensor:
    """Penalises correlated filters (Brock et al., 1809.11096, equation 3).

    The penalty is sum_k 1/2 |W_k W_k^T o (1 - I)|^2, whose gradient is
    2 ((W W^T) o (1 - I)) W; W has one row for each output (last axis of the kernel).
    BigGAN leaves out the generator's shared embedding: the caller chooses.

    Args:
      kernels: weights, the last axis being the output; biases and other vectors are
        passed over.

    Returns:
      [] float32 (it does not depend on images), without weight.
    """
    penalties = [_off_diagonal(kernel) for kernel in kernels if len(kernel.shape) >= 2]
    if not penalties:
        raise ValueError(
            "kernels holds no weight with two or more axes, so there is nothing to "
            "make orthogonal: pass convolution and dense kernels."
        )
    return tf.add_n(penalties)


def _off_diagonal(kernel):
    kernel = tf.cast(tf.convert_to_tensor(kernel), tf.float32)
    columns = tf.reshape(kernel, [-1, kernel.shape[-1]])
    products = tf.matmul(columns, columns, transpose_a=True)
    off = products - tf.linalg.diag(tf.linalg.diag_part(products))
    return 0.5 * tf.reduce_sum(tf.square(off))


def lecam(
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    real_mean: tf.Tensor,
    fake_mean: tf.Tensor,
) -> tf.Tensor:
    """Returns (real - fake_mean)^2 + (fake - real_mean)^2 (LeCam, 2104.03310).

    For little data: keeps the discriminator's scores of each kind near the running
    mean of the other kind.

    Args:
      real_logits: [N] scores of real images.
      fake_logits: [N] scores of generated images.
      real_mean: [] running mean of the real scores (see `moving_mean`).
      fake_mean: [] running mean of the fake scores.

    Returns:
      [N] float32, without weight.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    return tf.square(real - tf.stop_gradient(fake_mean)) + tf.square(
        fake - tf.stop_gradient(real_mean)
    )


def moving_mean(mean: tf.Tensor, logits: tf.Tensor, decay: float = 0.99) -> tf.Tensor:
    """Returns decay * mean + (1 - decay) * mean(logits), without gradient.

    Args:
      mean: [] the running mean so far.
      logits: [N] new scores.
      decay: share of the old mean that stays.
    """
    batch_mean = tf.reduce_mean(_checks.logits("logits", logits))
    return tf.stop_gradient(mean + (1.0 - decay) * (batch_mean - mean))


def _input_gradient(discriminator, images):
    images = tf.convert_to_tensor(images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = _checks.logits("discriminator(images)", discriminator(images))
        total = tf.reduce_sum(logits)
    gradient = _connected(tape.gradient(total, images), "discriminator", "images")
    return tf.cast(gradient, tf.float32), logits


def _connected(gradient, function, argument):
    if gradient is None:
        raise ValueError(
            f"{function} does not depend on its {argument}, so its gradient is not "
            f"defined: {function} must be a differentiable function of {argument}."
        )
    return gradient


def _safe_sqrt(squares):
    return tf.sqrt(tf.maximum(squares, _TINY))
