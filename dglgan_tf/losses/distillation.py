"""Compression baselines to compare guidance with: terms on logits, features, images.

Every function returns float32 [N], not reduced and not weighted. Teacher values count
as constants: no gradient reaches them, unless the text says otherwise. The released
DGL-GAN code holds most of these as unused variants; the faults found there and avoided
here are named one by one.

Teacher and student images must come from the same latents, the same style mixing and
the same noise, and the teacher's without truncation: the released code draws mixing
and noise independently for the two, so its L1 target is partly random, and evaluates
the teacher at psi 0.5 in the self-supervised loss. That is the caller's part.
"""

from collections.abc import Callable, Sequence

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks

# Where a teacher is certain its softplus underflows and would divide by zero.
_SMALLEST_TERM = 1e-6


def self_supervised(student_scores: tf.Tensor, teacher_scores: tf.Tensor) -> tf.Tensor:
    """Self-supervised GAN compression (Yu and Pool, 2007.01491), squared form.

    With s, t the teacher discriminator's scores of the student's and the teacher's
    image of one latent:
      (1 - softplus(-s) / softplus(-t))^2 + 1/2 (1 - softplus(s) / softplus(t))^2.
    Only the student generator is trained; no real images, no student discriminator.
    Avoided: the released code truncates the teacher's latents (psi 0.5).

    Args:
      student_scores: [N] s; its gradient reaches the student's images.
      teacher_scores: [N] t, constants.

    Returns:
      [N] float32.
    """
    student, teacher = _checks.pair(
        "student_scores", student_scores, "teacher_scores", teacher_scores
    )
    teacher = tf.stop_gradient(teacher)
    generator = _relative_error(tf.nn.softplus(-student), tf.nn.softplus(-teacher))
    discriminator = _relative_error(tf.nn.softplus(student), tf.nn.softplus(teacher))
    return generator + 0.5 * discriminator


def _relative_error(value, wanted):
    return tf.square(1.0 - value / tf.maximum(wanted, _SMALLEST_TERM))


def output_l1(student_images: tf.Tensor, teacher_images: tf.Tensor) -> tf.Tensor:
    """Returns mean |student - teacher| over each image.

    Args:
      student_images: [N, H, W, C] float32.
      teacher_images: [N, H, W, C] float32 of the same latents, constants.

    Returns:
      [N] float32.
    """
    student, teacher = _checks.same_shape(
        "student_images", student_images, "teacher_images", teacher_images
    )
    return _checks.mean_but_first(tf.abs(student - tf.stop_gradient(teacher)))


def feature_l1(
    student_features: Sequence[tf.Tensor], teacher_features: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Returns sum_k mean |student_k - teacher_k|, of either player's features.

    For generators: features after a few blocks; add `output_l1` for the StyleGAN2 form
    and nothing for the BigGAN form. For discriminators (alignment): call it once on
    the real and once on the generated images, and add. A narrower student goes through
    `layers.projection.Projection` first.
    Avoided: the released BigGAN code names a reduction that does not exist.

    Args:
      student_features: [N, ...] tensors, already of the teacher's shapes.
      teacher_features: as many [N, ...] tensors, constants.

    Returns:
      [N] float32.
    """
    if not student_features or len(student_features) != len(teacher_features):
        raise ValueError(
            f"student_features has {len(student_features)} entries and "
            f"teacher_features {len(teacher_features)}: give the same, at least one."
        )
    pairs = zip(student_features, teacher_features, strict=True)
    return tf.add_n([_feature_l1(k, *pair) for k, pair in enumerate(pairs)])


def _feature_l1(k, student, teacher):
    student, teacher = _checks.same_shape(
        f"student_features[{k}]", student, f"teacher_features[{k}]", teacher
    )
    return _checks.mean_but_first(tf.abs(student - tf.stop_gradient(teacher)))


def perceptual(
    student_images: tf.Tensor,
    teacher_images: tf.Tensor,
    features: Callable[[tf.Tensor], Sequence[tf.Tensor]],
) -> tf.Tensor:
    """Perceptual distance, LPIPS without learned weights (Zhang et al., 1801.03924).

    sum_k mean over positions of |u_k(student) - u_k(teacher)|^2, where u_k is the
    feature vector at a position divided by its norm.

    Args:
      student_images: [N, H, W, C] float32 in [-1, 1].
      teacher_images: [N, H, W, C] float32 of the same latents, constants.
      features: images -> list of [N, h, w, c] features of a fixed network.

    Returns:
      [N] float32.
    """
    student, teacher = _checks.same_shape(
        "student_images", student_images, "teacher_images", teacher_images
    )
    wanted = features(tf.stop_gradient(teacher))
    terms = []
    for value, target in zip(features(student), wanted, strict=True):
        target = tf.stop_gradient(_unit(target))
        squared = tf.reduce_sum(tf.square(_unit(value) - target), axis=-1)
        terms.append(_checks.mean_but_first(squared))
    return tf.add_n(terms)


def distribution_distance(
    student_features: tf.Tensor, teacher_features: tf.Tensor
) -> tf.Tensor:
    """Unbiased squared maximum mean discrepancy of two batches of features.

    DiME (Yeo et al., 2405.11614) matches the distributions of a student's and its
    teacher's images by the MMD of embeddings that a pretrained network gives them. The
    kernel here is that of the kernel inception distance, (x.y / C + 1)^3 (Binkowski et
    al., 1801.01401, section 4); that the paper's is another one is possible: only its
    abstract was at hand.

    Args:
      student_features: [N, C] float32, N >= 2; gradients reach them.
      teacher_features: [N, C] float32, constants; no pairs are formed, so neither the
        latents nor their order matter.

    Returns:
      [] float32, about 0 (also below) where the distributions are the same.
    """
    student, teacher = _checks.same_shape(
        "student_features", student_features, "teacher_features", teacher_features
    )
    if student.shape.rank != 2 or student.shape[0] < 2:
        raise ValueError(
            f"student_features of the shape {student.shape} must be [N, C] with N >= 2"
        )
    teacher = tf.stop_gradient(teacher)
    inside = _mean_of_others(student) + _mean_of_others(teacher)
    return inside - 2.0 * tf.reduce_mean(_kernel(student, teacher))


def _kernel(x, y):
    return (tf.matmul(x, y, transpose_b=True) / float(x.shape[1]) + 1.0) ** 3


def _mean_of_others(x):
    """Mean of the kernel over pairs of different rows."""
    kernel, count = _kernel(x, x), float(x.shape[0])
    total = tf.reduce_sum(kernel) - tf.linalg.trace(kernel)
    return total / (count * (count - 1.0))


def latent_directions(
    student: tuple[tf.Tensor, tf.Tensor],
    teacher: tuple[tf.Tensor, tf.Tensor],
    temperature: float = 0.1,
) -> tf.Tensor:
    """How a student's images relate to images along latent directions.

    After Xu et al. (Mind the Gap in Distilling StyleGANs, 2208.08840), whose loss keeps
    the relations that the teacher's images have in the space of latents. For images and
    images of moved latents: row i of each network's relations is the softmax over j of
    cos(features of image i, features of moved image j) / temperature, and the loss is
    KL(teacher's row || student's row). Only the abstract was at hand: this form, the
    temperature and the choice of directions are ours.

    Args:
      student: features [N, C] of the images and of the moved ones; gradients reach
        both.
      teacher: the same of the teacher's images of the same latents, constants.
      temperature: of the softmax, above 0.

    Returns:
      [N] float32, 0 where the relations are the same.
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    ours = _log_relations(*student, temperature)
    wanted = tf.stop_gradient(_log_relations(*teacher, temperature))
    return tf.reduce_sum(tf.exp(wanted) * (wanted - ours), axis=1)


def _log_relations(images, moved, temperature):
    cosines = tf.matmul(_unit(images), _unit(moved), transpose_b=True)
    return tf.nn.log_softmax(cosines / temperature, axis=1)


def _unit(features):
    return tf.math.l2_normalize(tf.cast(features, tf.float32), axis=-1, epsilon=1e-10)


def logit_alignment(student_logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    """Cross entropy of the student's probability under the teacher's.

    softplus(s) - sigmoid(t) s. Call it once on real and once on generated images.
    Avoided: the released code gives the student's scores of *real* images to the term
    of the generated ones as well.

    Args:
      student_logits: [N] s, the student discriminator's scores.
      teacher_logits: [N] t, the teacher's scores of the same images, constants.

    Returns:
      [N] float32; its minimum, at s = t, is the teacher's own entropy.
    """
    student, teacher = _checks.pair(
        "student_logits", student_logits, "teacher_logits", teacher_logits
    )
    return tf.nn.softplus(student) - tf.stop_gradient(tf.sigmoid(teacher)) * student


def logit_divergence(student_logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    """Kullback-Leibler divergence of the two probabilities; 0 where s = t.

    Avoided: the released code feeds the student's probabilities as logits.

    Args:
      student_logits: [N] the student discriminator's scores.
      teacher_logits: [N] the teacher's scores of the same images, constants.

    Returns:
      [N] float32.
    """
    teacher = tf.stop_gradient(_checks.logits("teacher_logits", teacher_logits))
    return logit_alignment(student_logits, teacher) - logit_alignment(teacher, teacher)


def d_teacher_samples_logistic(teacher_fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns softplus(D(teacher's image)): the student D rejects those too.

    The second half of the duality gap: added to the student discriminator's loss with
    weight 0.1 in the DGL-GAN code.

    Args:
      teacher_fake_logits: [N] the student discriminator's scores of images of the
        teacher generator.

    Returns:
      [N] float32.
    """
    return tf.nn.softplus(_checks.logits("teacher_fake_logits", teacher_fake_logits))


def d_teacher_samples_hinge(teacher_fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns relu(1 + D(teacher's image)); see `d_teacher_samples_logistic`.

    Args:
      teacher_fake_logits: [N] the student discriminator's scores of images of the
        teacher generator.

    Returns:
      [N] float32.
    """
    logits = _checks.logits("teacher_fake_logits", teacher_fake_logits)
    return tf.nn.relu(1.0 + logits)


def teacher_samples_as_data(images, labels, teacher_images, teacher_labels, chosen):
    """Replaces a whole microbatch of real images by samples of the teacher.

    The DGL-GAN code does so with probability 0.5 for each microbatch of the student
    discriminator ("GbarAug"); the generator's loss is unchanged.

    Args:
      images: [N, H, W, C] real images.
      labels: their [N] labels, or None.
      teacher_images: [N, H, W, C] samples of the teacher.
      teacher_labels: their [N] labels, or None.
      chosen: [] bool, drawn by the caller; True takes the teacher's.

    Returns:
      images and labels that the discriminator should see as real.
    """
    images, teacher_images = _checks.same_shape(
        "images", images, "teacher_images", teacher_images
    )
    mixed = tf.where(chosen, tf.stop_gradient(teacher_images), images)
    if labels is None:
        return mixed, None
    return mixed, tf.where(chosen, teacher_labels, labels)
