"""Reference outputs of StyleGAN2: images, styles, scores, penalties, path lengths."""

import re

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.converters.parity import common
from dglgan_tf.layers import updates

PATH_DECAY = 0.01


def outputs(loaded, reference: dict, wrap) -> dict[str, np.ndarray]:
    """Computes what a reference holds of a StyleGAN2.

    Args:
      loaded: `result.Loaded`.
      reference: inputs `in_*`; the fakes of the discriminator are its `out_img`.
      wrap: makes a compiled function of one without arguments.

    Returns:
      {name without `out_`: array in PyTorch layout}.
    """
    found = {}
    if loaded.generator is not None and "in_z" in reference:
        found |= _generator(loaded, reference, wrap)
        found |= _paths(loaded.generator, reference, wrap)
    if loaded.discriminator is not None and "in_real" in reference:
        found |= _scores(loaded.discriminator, reference, wrap)
        found |= _penalties(loaded.discriminator, reference, wrap)
    return found


def _labels(reference, name):
    return tf.constant(reference[name]) if name in reference else None


def _truncated(generator, ws, psi, reference, cutoff=None):
    """Truncates; with the reference's own mean where the file came without one."""
    if generator.w_avg_known:
        return generator.truncate(ws, psi, cutoff)
    mean = tf.constant(reference["in_latent_avg"])
    return mean + psi * (ws - mean)


def _generator(loaded, reference, wrap):
    generator = loaded.generator
    z, labels = tf.constant(reference["in_z"]), _labels(reference, "in_c")
    psi = float(reference.get("in_psi", 0.7))
    truncates = generator.w_avg_known or "in_latent_avg" in reference

    def compute():
        ws = generator.map(z, labels)
        images, features = generator.synthesize_with_features(ws)
        mixed = tf.concat([ws[:, :3], ws[::-1, 3:]], axis=1)
        got = {"img": images, "img_mix": generator.synthesize(mixed)}
        got["img_nonoise"] = generator.synthesize(ws, noise="none")
        if truncates:
            short = _truncated(generator, ws, psi, reference)
            got["img_psi07"] = generator.synthesize(short)
        if loaded.generator_raw is not None:
            raw = loaded.generator_raw
            got["img_rawG"] = raw.synthesize(raw.map(z, labels))
        return ws, got, features

    ws, images, features = wrap(compute)()
    found = {name: common.to_nchw(image) for name, image in images.items()}
    found["img_mix_inject3"] = found["img_mix"]
    found["ws"], found["w"] = ws, ws[:, 0]
    if truncates:
        found["ws_psi07"] = _truncated(generator, ws, psi, reference)
        found["w_psi07"] = found["ws_psi07"][:, 0]
    if generator.w_avg_known:
        found["ws_psi07_cutoff3"] = generator.truncate(ws, psi, 3)
    found["w_avg_after_update"] = _moved_mean(generator, z, labels)
    return found | _features(reference, "gfeat", features)


def _moved_mean(generator, z, labels):
    """w_avg after one training-mode mapping of the batch; the network keeps its own."""
    with updates.collect() as moved:
        generator.training_ws(z, labels, tf.constant([0, 0]))
    return next(u.value for u in moved if u.variable is generator.w_avg)


def _features(reference, prefix, features):
    """Picks block activations by the names of a reference, first sample."""
    found = {}
    for name in reference:
        match = re.fullmatch(rf"out_{prefix}_(\d+|conv1|convs\.(\d+))", name)
        if not match:
            continue
        if match[2]:  # rosinality's convs.1, convs.3, ... end the blocks 8, 16, ...
            side = 8 << (int(match[2]) // 2) if int(match[2]) % 2 else None
        else:
            side = 4 if match[1] == "conv1" else int(match[1])
        if side in features:
            found[name[len("out_") :]] = common.to_nchw(features[side])[:1]
    return found


def _paths(generator, reference, wrap):
    if "in_pl_noise" not in reference:
        return {}
    noise = common.to_nhwc(reference["in_pl_noise"])
    ws = generator.map(tf.constant(reference["in_z"]), _labels(reference, "in_c"))

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(ws)
            total = tf.reduce_sum(generator.synthesize(ws) * noise)
        gradient = tape.gradient(total, ws)
        squared = tf.reduce_sum(tf.square(gradient), axis=2)
        return gradient, tf.sqrt(tf.reduce_mean(squared, axis=1))

    gradient, lengths = (np.asarray(x) for x in wrap(compute)())
    mean = PATH_DECAY * lengths.mean()
    return {
        "pl_grad": gradient,
        "pl_lengths": lengths,
        "pl_mean_first_update": mean,
        "pl_penalty": (lengths - mean) ** 2,
    }


def _scores(discriminator, reference, wrap):
    real, labels = common.to_nhwc(reference["in_real"]), _labels(reference, "in_real_c")
    fake, fake_labels = common.to_nhwc(reference["out_img"]), _labels(reference, "in_c")
    count = len(reference["out_d_fake"])
    parts = {
        name: len(reference[f"out_{name}"])
        for name in ("d_real_sub", "d_real_first4", "d_real_first3")
        if f"out_{name}" in reference
    }

    def compute():
        logits, features = discriminator.score_with_features(real, labels)
        got = {"d_real": logits}
        got["d_fake"] = discriminator(fake[:count], common.first(fake_labels, count))
        for name, size in parts.items():
            got[name] = discriminator(real[:size], common.first(labels, size))
        return got, features

    scores, features = wrap(compute)()
    soft = tf.nn.softplus
    fake_loss = tf.reduce_mean(soft(-scores["d_fake"]))
    real_loss = tf.reduce_mean(soft(-scores["d_real"]))
    losses = {
        "loss_G": fake_loss,
        "loss_D": tf.reduce_mean(soft(scores["d_fake"])) + real_loss,
    }
    return scores | losses | _features(reference, "dfeat", features)


def _penalties(discriminator, reference, wrap):
    real, labels = common.to_nhwc(reference["in_real"]), _labels(reference, "in_real_c")
    top = discriminator.blocks[str(discriminator.resolution)].conv0.kernel

    def compute():
        with tf.GradientTape() as outer:
            gradient = common.image_gradient(discriminator, real, labels)
            penalty = tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])
            mean = tf.reduce_mean(penalty)
        return gradient, penalty, outer.gradient(mean, top)

    gradient, penalty, second = wrap(compute)()
    found = {
        "r1_grad": common.to_nchw(gradient),
        "r1_penalty": penalty,
        "r1_penalty_per_image": penalty,
        "r1_penalty_mean_grad_conv0_top": np.transpose(second, (3, 2, 0, 1)),
    }
    if np.ndim(reference.get("out_r1_penalty", 0)) == 0:
        found["r1_penalty"] = np.mean(penalty)
    if "out_wgan_gp_penalty" in reference:
        found["wgan_gp_penalty"] = common.interpolated(
            discriminator, reference, wrap, _labels(reference, "in_c")
        )
    return found
