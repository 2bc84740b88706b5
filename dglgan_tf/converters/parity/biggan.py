"""Reference outputs of BigGAN and BigGAN-deep: images, scores, singular values."""

import re

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.converters.biggan import deep_hf, pytorch
from dglgan_tf.converters.parity import common
from dglgan_tf.layers import spectral_norm, updates
from dglgan_tf.networks import base


def outputs(loaded, reference: dict, wrap) -> dict[str, np.ndarray]:
    """Computes what a reference holds of a BigGAN, in inference mode.

    Args:
      loaded: `result.Loaded`.
      reference: inputs `in_*`; the fakes of the discriminator are its `out_img`.
      wrap: makes a compiled function of one without arguments.

    Returns:
      {name without `out_`: array in PyTorch layout}.
    """
    found = {}
    if loaded.generator is not None:
        found |= _generator(loaded, reference, wrap)
        found |= _trained(loaded, reference)
    if loaded.discriminator is not None and "in_real" in reference:
        found |= _scores(loaded.discriminator, reference, wrap)
        found |= _penalties(loaded.discriminator, reference, wrap)
    return found


def _generator(loaded, reference, wrap):
    generator = loaded.generator
    z, labels = tf.constant(reference["in_z"]), tf.constant(reference["in_y"])

    def compute():
        got = {"img": generator(z, labels)}
        if loaded.generator_raw is not None:
            got["img_rawG"] = loaded.generator_raw(z, labels)
        return got, _generator_features(generator, z[:1], labels[:1])

    images, features = wrap(compute)()
    found = {n: common.to_nchw(x) for n, x in (images | features).items()}
    if "out_y_shared" in reference:
        found["y_shared"] = generator.embedding(generator.onehot(labels))
    entries = pytorch.generator_entries(generator.get_config(), "plain")
    return found | _sigmas(generator, entries, reference, "G")


def _generator_features(generator, z, labels):
    first, conditions = generator.conditions(z, labels)
    x = generator.linear(first)
    x = tf.reshape(x, [-1, 4, 4, x.shape[1] // 16])
    found = {}
    for i, (block, condition) in enumerate(
        zip(generator.blocks, conditions, strict=True)
    ):
        x = block(x, condition)
        found[f"gfeat_block{i}"] = x
    return found


def _sigmas(network, entries, reference, letter):
    """Singular values by the reference's module names; those left after division."""
    names = [str(n) for n in reference.get(f"in_sn_names_{letter}", ())]
    variables = base.named_variables(network)
    layers = {id(n.u): n for n in spectral_norm.spectral_layers(network)}
    by_name = {
        re.sub(r"\.u0$", "", entry.source): layers[id(variables[entry.target])]
        for entry in entries
        if entry.source.endswith(".u0")
    }
    if not names or set(names) != set(by_name):
        return {}
    sigmas = np.array([float(by_name[n].sigma()) for n in names])
    largest = np.array([_largest(by_name[n]) for n in names])
    return {
        f"sn_sigma_{letter}": sigmas,
        f"sn_true_top_sv_{letter}": largest,
        f"sn_top_sv_after_{letter}": largest / sigmas,
    }


def _largest(layer):
    kernel = layer.kernel.numpy().astype(np.float64)
    return np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)


def _scores(discriminator, reference, wrap):
    real, labels = (
        common.to_nhwc(reference["in_real"]),
        tf.constant(reference["in_real_y"]),
    )
    fake, fake_labels = (
        common.to_nhwc(reference["out_img"]),
        tf.constant(reference["in_y"]),
    )

    def compute():
        pooled = discriminator.features(real)
        x, features = real[:1], {}
        for i, block in enumerate(discriminator.blocks):
            x = block(x)
            features[f"dfeat_block{i}"] = x
        got = {
            "d_real": discriminator(real, labels),
            "d_real_unconditional": discriminator.linear(pooled)[:, 0],
            "d_pooled": pooled,
            "d_fake": discriminator(fake, fake_labels),
        }
        return got, features

    scores, features = wrap(compute)()
    relu = tf.nn.relu
    hinge = tf.reduce_mean(relu(1 - scores["d_real"]))
    hinge += tf.reduce_mean(relu(1 + scores["d_fake"]))
    losses = {"hinge_D": hinge, "hinge_G": -tf.reduce_mean(scores["d_fake"])}
    entries = pytorch.discriminator_entries(discriminator.get_config())
    return (
        scores
        | losses
        | {name: common.to_nchw(x) for name, x in features.items()}
        | _sigmas(discriminator, entries, reference, "D")
    )


def _trained(loaded, reference):
    """The first training-mode pass, and the state after it; nothing is assigned."""
    if "out_train_img" not in reference:
        return {}
    generator = loaded.generator
    discriminator = loaded.discriminator
    style = "plain"
    if any("bn.stored_mean" in name for name in reference):
        style = "mybn"
    z, labels = tf.constant(reference["in_z"]), tf.constant(reference["in_y"])
    with updates.collect() as moved:
        images = generator(z, labels, training=True)
    entries = pytorch.generator_entries(generator.get_config(), style)
    found = {
        "train_img": common.to_nchw(images),
        **_state(generator, entries, moved, "G"),
    }
    if discriminator is not None and "out_train_d_real" in reference:
        real, labels = common.to_nhwc(reference["in_real"]), reference["in_real_y"]
        with updates.collect() as moved:
            found["train_d_real"] = discriminator(real, labels, training=True)
        entries = pytorch.discriminator_entries(discriminator.get_config())
        found |= _state(discriminator, entries, moved, "D")
    return found


def _state(network, entries, moved, letter):
    """Moved variables under the source's names."""
    values = {id(update.variable): update.value for update in moved}
    found = {}
    variables = base.named_variables(network)
    for entry in entries:
        target = getattr(entry, "target", None)
        if target is not None and id(variables[target]) in values:
            value = np.asarray(values[id(variables[target])])
            name = f"train_after_{letter}/{entry.source}"
            found[name] = entry.transform.backward(value)
    layers = {id(n.u): n for n in spectral_norm.spectral_layers(network)}
    for entry in entries:
        if entry.source.endswith(".u0"):
            sigma = layers[id(variables[entry.target])].sigma()
            name = f"train_after_{letter}/{entry.source[: -len('u0')]}sv0"
            found[name] = np.reshape(sigma, [1])
    return found


def _penalties(discriminator, reference, wrap):
    real = common.to_nhwc(reference["in_real"])
    labels = tf.constant(reference["in_real_y"])

    def compute():
        gradient = common.image_gradient(discriminator, real, labels)
        return gradient, tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])

    gradient, penalty = wrap(compute)()
    found = {"r1_grad": common.to_nchw(gradient), "r1_penalty": penalty}
    if "out_wgan_gp_penalty" in reference:
        found["wgan_gp_penalty"] = common.interpolated(
            discriminator, reference, wrap, tf.constant(reference["in_y"])
        )
    return found


def deep_outputs(loaded, reference: dict, wrap) -> dict[str, np.ndarray]:
    """Computes what a reference holds of a BigGAN-deep; see `outputs`."""
    generator = loaded.generator
    z, labels = tf.constant(reference["in_z"]), tf.constant(reference["in_y"])

    def compute():
        return {
            "img_t04": generator(z, labels, truncation=0.4),
            "img_t1": generator(z, labels, truncation=1.0),
            "img_t0435_interp": generator(z, labels, truncation=0.435),
            **_deep_features(generator, z[:1], labels[:1]),
        }

    found = {name: common.to_nchw(x) for name, x in wrap(compute)().items()}
    embedded = generator.embedding(generator.onehot(labels))
    found["cond_vector"] = np.concatenate([reference["in_z"], embedded], axis=1)
    return found | _deep_sigmas(generator, reference)


def _attention_layer(generator) -> int:
    """Index of the attention among the layers of the file; it follows a block."""
    attended = [i for i, b in enumerate(generator.blocks) if b.attention is not None]
    return attended[0] + 1 if attended else len(generator.blocks) + 1


def _deep_features(generator, z, labels, truncation=0.4):
    condition = generator.condition(z, labels)
    x = generator.linear(condition)
    x = tf.reshape(x, [-1, 4, 4, x.shape[1] // 16])
    attention = _attention_layer(generator)
    found = {}
    for i, block in enumerate(generator.blocks):
        x = block(x, condition, truncation=truncation)
        # Our block ends after its attention, which is a layer of its own there.
        found[f"gfeat_layer{i if i + 1 < attention else i + 1}"] = x
    return found


def _deep_sigmas(generator, reference):
    names = [str(n) for n in reference.get("in_sn_names", ())]
    entries = deep_hf.generator_entries(
        generator.get_config(), _attention_layer(generator)
    )
    variables = base.named_variables(generator)
    layers = {id(n.u): n for n in spectral_norm.spectral_layers(generator)}
    by_name = {
        entry.source[: -len(".weight_u")]: layers[id(variables[entry.target])]
        for entry in entries
        if entry.source.endswith(".weight_u")
    }
    if not names or set(names) != set(by_name):
        return {}
    return {"sn_sigma": np.array([float(by_name[n].sigma()) for n in names])}
