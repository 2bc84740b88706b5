"""StyleGAN2 against stored outputs of the official code (reference files).

All networks are read with `dglgan_tf.converters` and run in graph mode; a few under
XLA. Tolerances relative to the largest absolute value: 1e-4 for images, scores,
penalties and lengths, 1e-3 for gradients (a leaky ReLU may change side between two
float32 computations); compared with the float64 outputs where there are any.
"""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.converters import loading
from dglgan_tf.layers import updates
from dglgan_tf.losses import adversarial, regularizers
from dglgan_tf.networks import base
from dglgan_tf.ops import resample

NVIDIA = [
    "sg2ada_uncond_r32_map8.pkl",
    "sg2ada_cond_r32_map2.pkl",
    "sg2ada_cond_r32_map8_dmap2.pkl",
    "sg2ada_uncond_r32_asymfir_clamp.pkl",
    "sg2ada_uncond_r32_cifarlike_Dorig.pkl",
    "sg2ada_uncond_r32_Gresnet_Dskip.pkl",
    "sg2tf1_configf_like_r32.pkl",
    "sg2tf1_default_mbstd_r32_map2.pkl",
    "sg2tf1_dglgan_fraction2_r32.pkl",
    "sg2tf1_cond_r32.pkl",
    "sg2tf1_Gresnet_Dskip_r32.pkl",
]
# With TensorFlow's convolutions, and with the native ones.
BOTH = pytest.mark.usefixtures("convolutions")
ROSINALITY = ["sg2ros_converted_r32.pt", "sg2ros_trained_r64_cm1.pt"]


class Case:
    """A loaded file and its stored arrays."""

    def __init__(self, path):
        self.loaded = loading.load_checkpoint(path)
        with np.load(path.with_suffix(".npz")) as file:
            self.arrays = dict(file)

    def input(self, name):
        """An input, NHWC where it is images; None where the file has none."""
        array = self.arrays.get(f"in_{name}")
        return _nhwc(array) if array is not None and array.ndim == 4 else array

    def check(self, name, found, tolerance=1e-4):
        """Compares with `out_<name>`, and with `f64_<name>` where it is there."""
        for prefix in ("out", "f64"):
            stored = self.arrays.get(f"{prefix}_{name}")
            if stored is None:
                assert prefix == "f64", f"out_{name} is not stored"
                continue
            stored = _nhwc(stored) if stored.ndim == 4 else stored
            array = np.asarray(found)
            if array.ndim == 1 and stored.ndim == 2:
                array = array[:, None]
            if stored.ndim == 4:
                array = array[: len(stored), ..., : stored.shape[3]]
            assert array.shape == stored.shape, name
            error = np.abs(array - stored).max() / np.abs(stored).max()
            assert error <= tolerance, f"{prefix}_{name}: {error:.1e}"


def _nhwc(array):
    return array.transpose(0, 2, 3, 1)


def _path_length(case, generator, ws):
    noise = case.input("pl_noise") * generator.resolution
    penalty, mean, lengths = regularizers.path_length(
        generator.synthesize, ws, noise, tf.constant(0.0)
    )
    with tf.GradientTape() as tape:
        tape.watch(ws)
        total = tf.reduce_sum(generator.synthesize(ws) * case.input("pl_noise"))
    return penalty, mean, lengths, tape.gradient(total, ws)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=NVIDIA)
def case(request, reference):
    return Case(reference / request.param)


@BOTH
def test_generator(case):
    generator = case.loaded.generator
    z, labels = case.input("z"), case.input("c")

    @tf.function
    def run():
        ws = generator.map(z, labels)
        short = generator.truncate(ws, 0.7)
        cut = generator.truncate(ws, 0.7, truncation_cutoff=3)
        mixed = tf.concat([ws[:, :3], ws[::-1, 3:]], axis=1)
        images, features = generator.synthesize_with_features(
            tf.concat([ws, short, mixed], axis=0)
        )
        parts = tf.split(images, 3, axis=0)
        silent = generator.synthesize(ws, noise="none")
        return (
            ws,
            short,
            cut,
            parts,
            features,
            silent,
            _path_length(case, generator, ws),
        )

    ws, short, cut, parts, features, silent, path = run()
    case.check("ws", ws)
    case.check("ws_psi07", short)
    case.check("ws_psi07_cutoff3", cut)
    for name, images in zip(("img", "img_psi07", "img_mix"), parts, strict=True):
        case.check(name, images)
    case.check("img_nonoise", silent)
    for side, feature in features.items():
        case.check(f"gfeat_{side}", feature[:1])
    case.check("pl_penalty", path[0])
    case.check("pl_mean_first_update", path[1])
    case.check("pl_lengths", path[2])
    case.check("pl_grad", path[3], 1e-3)


def test_call_raw_generator_and_w_avg(case):
    generator, raw = case.loaded.generator, case.loaded.generator_raw
    z, labels = case.input("z"), case.input("c")

    @tf.function
    def run():
        with updates.collect() as moved:
            generator.training_ws(z, labels, tf.constant([0, 1]))
        return raw(z, labels), moved[0].value

    images, w_avg = run()
    case.check("img_rawG", images)
    case.check("w_avg_after_update", w_avg)


@BOTH
def test_discriminator(case):
    critic = case.loaded.discriminator
    real, labels = case.input("real"), case.input("real_c")
    fake_labels = case.input("c")
    some = len(case.arrays["out_d_real_sub"])
    count = len(case.arrays["out_d_fake"])
    fake = _nhwc(case.arrays["out_img"])[:count]
    kernel = base.named_variables(critic)[f"blocks/{critic.resolution}/conv0/kernel"]

    def part(values, size):
        return None if values is None else values[:size]

    @tf.function
    def run():
        scores, features = critic.score_with_features(real, labels)
        fakes = critic(fake, part(fake_labels, count))
        with tf.GradientTape() as tape:
            penalty, _ = regularizers.r1(lambda x: critic(x, labels), real)
            mean = tf.reduce_mean(penalty)
        mixed = regularizers.gradient_penalty(
            lambda x: critic(x, part(fake_labels, count)),
            real[:count],
            fake,
            case.input("gp_alpha")[:count],
        )
        found = {
            "d_real": scores,
            "d_real_sub": critic(real[:some], part(labels, some)),
            "d_fake": fakes,
            "r1_penalty": penalty,
            "wgan_gp_penalty": mixed,
            "loss_G": tf.reduce_mean(adversarial.g_logistic(fakes)),
            "loss_D": tf.reduce_mean(tf.nn.softplus(fakes))
            + tf.reduce_mean(tf.nn.softplus(-scores)),
        }
        slope = tape.gradient(mean, kernel)
        return found, features, slope, _image_gradient(critic, real, labels)

    found, features, slope, gradient = run()
    for name, value in found.items():
        case.check(name, value)
    for side, feature in features.items():
        case.check(f"dfeat_{side}", feature[:1])
    # Stored as OIHW; ours is HWIO, so OHWI after the check's own transposition.
    slope = np.transpose(slope, (3, 0, 1, 2))
    case.check("r1_penalty_mean_grad_conv0_top", slope, 1e-3)
    case.check("r1_grad", gradient, 1e-3)


def _image_gradient(critic, real, labels):
    real = tf.constant(real)
    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(critic(real, labels))
    return tape.gradient(total, real)


@pytest.mark.parametrize("form", resample.FORMS)
@pytest.mark.parametrize("name", [NVIDIA[3], NVIDIA[5], NVIDIA[8]])
def test_under_xla(reference, name, form):
    case = Case(reference / name)
    generator, critic = case.loaded.generator, case.loaded.discriminator

    @tf.function(jit_compile=True)
    def run():
        with resample.use_form(form):
            ws = generator.map(case.input("z"), case.input("c"))
            images = generator.synthesize(generator.truncate(ws, 0.7))
            return images, critic(case.input("real"), case.input("real_c"))

    images, scores = run()
    case.check("img_psi07", images, 5e-4)
    case.check("d_real", scores, 5e-4)


@BOTH
@pytest.mark.parametrize("name", ROSINALITY)
def test_rosinality_generator(reference, name):
    case = Case(reference / name)
    generator = case.loaded.generator
    if not generator.w_avg_known:
        with pytest.raises(ValueError, match="w_avg"):
            generator.truncate(generator.map(case.input("z")), 0.7)
        generator.w_avg.assign(case.input("latent_avg"))
        generator.w_avg_known = True
    np.testing.assert_array_equal(generator.w_avg, case.input("latent_avg"))

    @tf.function
    def run():
        ws = generator.map(case.input("z"))
        short = generator.truncate(ws, 0.7)
        mixed = tf.concat([ws[:, :3], ws[::-1, 3:]], axis=1)
        images, features = generator.synthesize_with_features(
            tf.concat([ws, short, mixed], axis=0)
        )
        first = generator.blocks["8"].conv0(features[4], tf.tile(ws[:, 1], [3, 1]))
        raw = case.loaded.generator_raw(case.input("z"))
        path = _path_length(case, generator, ws)
        return ws, short, tf.split(images, 3, axis=0), features, first, raw, path

    ws, short, parts, features, first, raw, path = run()
    case.check("ws", ws)
    case.check("w", ws[:, 0])
    case.check("w_psi07", short[:, 0])
    for name, images in zip(
        ("img", "img_psi07", "img_mix_inject3"), parts, strict=True
    ):
        case.check(name, images)
    case.check("img_rawG", raw)
    case.check("gfeat_conv1", features[4][:1])
    case.check("gfeat_convs.0", first[:1])
    for index in (3, 5, 7):
        if f"out_gfeat_convs.{index}" in case.arrays:
            feature = features[2 ** (3 + index // 2)]
            case.check(f"gfeat_convs.{index}", feature[:1])
    case.check("pl_lengths", path[2])
    case.check("pl_grad", path[3], 1e-3)


@BOTH
@pytest.mark.parametrize("name", ROSINALITY)
def test_rosinality_discriminator(reference, name):
    case = Case(reference / name)
    critic, real = case.loaded.discriminator, case.input("real")
    fake = _nhwc(case.arrays["out_img"])[: len(case.arrays["out_d_fake"])]

    @tf.function
    def run():
        penalty, scores = regularizers.r1(critic, real)
        gradient = _image_gradient(critic, real, None)
        return (
            penalty,
            scores,
            critic(fake),
            critic(real[:4]),
            critic(real[:3]),
            gradient,
        )

    penalty, scores, fakes, four, three, gradient = run()
    case.check("d_real", scores)
    case.check("d_fake", fakes)
    case.check("d_real_first4", four)
    case.check("d_real_first3", three)
    case.check("r1_penalty_per_image", penalty)
    case.check("r1_penalty", np.mean(penalty))
    case.check("r1_grad", gradient, 1e-3)
