"""Our side of a comparison: the phases of a `Trainer`, one by one, and sampling."""

import contextlib

import numpy as np

from benchmarks import graph_macs
from dglgan_tf.compat import keras, tf
from dglgan_tf.devices import lanes, strategies
from dglgan_tf.layers import spectral_norm
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import biggan, stylegan2
from dglgan_tf.sampling import sampler
from dglgan_tf.training import (
    draws,
    ema,
    objective,
    optimizers,
    phase,
    scores,
    settings,
    state,
    trainer,
)

# Path-length mean, Adam of both families: as in gin/families.
_DECAYS = {"biggan": 0.9999, "stylegan2": 0.5 ** (8 / 10_000)}


def networks(config: dict):
    """Returns (generator, discriminator, teacher) makers of a configuration."""
    if config["family"] == "biggan":
        common = {"resolution": config["resolution"], "num_classes": config["classes"]}
        ch, z = config["ch"], {"z_dim": config["dim_z"]}
        z["shared_dim"] = config["shared_dim"]
        return (
            lambda: biggan.BigGANGenerator(ch=ch, **z, **common),
            lambda: biggan.BigGANDiscriminator(ch=ch, **common),
            lambda: biggan.BigGANDiscriminator(ch=2 * ch, **common),
        )
    side = config["resolution"]
    base, most, latent = (
        config[name] for name in ("channel_base", "channel_max", "latent")
    )
    widths = {"channel_base": base, "channel_max": most}
    wide = {"channel_base": 2 * base, "channel_max": 2 * most}
    return (
        lambda: stylegan2.StyleGAN2Generator(
            side, z_dim=latent, w_dim=latent, **widths
        ),
        lambda: stylegan2.StyleGAN2Discriminator(side, **widths),
        lambda: stylegan2.StyleGAN2Discriminator(side, **wide),
    )


def goal(config: dict) -> objective.Objective:
    """Returns the objective of the family's recipe."""
    if config["family"] == "biggan":
        return objective.Objective(
            d_loss=adversarial.d_hinge, g_loss=adversarial.g_hinge
        )
    return objective.Objective(
        d_loss=adversarial.d_logistic,
        g_loss=adversarial.g_logistic,
        d_scores=scores.scores_separate,
        r1_gamma=10.0,
        path_length_weight=2.0,
    )


def build(config: dict) -> "Ours":
    """Builds the training of a configuration (see `benchmarks.run`)."""
    count = 1
    if not config["jit"]:  # as in gin/families
        count = lanes.start(lanes.suitable([config["batch"]], 4))
    strategy = strategies.make()
    keras.utils.set_random_seed(0)
    generator, discriminator, teacher = networks(config)
    beta_2 = 0.999 if config["family"] == "biggan" else 0.99

    def adam(reg_interval_steps=0):
        return optimizers.adam(
            1e-4, beta_2=beta_2, reg_interval_steps=reg_interval_steps
        )

    with strategy.scope():
        made = state.Networks(generator(), discriminator(), generator())
        if config["guided"]:
            made.teachers = [teacher()]
        wanted = settings.Settings(
            objective=goal(config),
            g_optimizer=adam,
            d_optimizer=adam,
            ema_statistics=config["family"] == "biggan",
            batch_size=config["batch"],
            d_first=config["family"] == "biggan",
            jit=config["jit"],
        )
        train = trainer.Trainer(made, strategy, 0, wanted, lanes=count)
    return Ours(config, train)


class Ours:
    """One trainer and a sampler, each phase callable on its own."""

    def __init__(self, config, train):
        self.config, self.train = config, train
        self.batch = config["batch"]
        made = train.state.networks
        generator = made.generator
        self._latents = draws.Latents(generator.z_dim, generator.num_classes)
        rng = np.random.default_rng(0)
        side = generator.resolution
        images = rng.uniform(-1, 1, (self.batch, side, side, 3))
        self._reals = {"images": tf.constant(images, tf.float32)}
        self._labels = None
        if generator.num_classes:
            labels = rng.integers(generator.num_classes, size=self.batch)
            self._labels = tf.constant(labels, tf.int32)
            self._reals["labels"] = self._labels
        for teacher in made.teachers:  # as the trainer does before its first step
            spectral_norm.freeze_spectral_norm(teacher)
        self._scalars = {"guidance_weight": tf.constant(0.1)}
        self._steps = {
            item.name: phase.compile_phase(
                item, train.strategy, self._latents, train.jit
            )
            for item in train.phases
        }
        self._z = tf.constant(
            rng.standard_normal((self.batch, generator.z_dim)), tf.float32
        )
        self._sampler = sampler.from_network(made.generator_ema)
        self._ema = ema.compile_update(
            generator, made.generator_ema, config["family"] == "biggan"
        )
        self._count = 0

    def facts(self) -> dict:
        """Returns what identifies the measured side, and its multiplications."""
        made = self.train.state.networks
        return {
            "side": f"dglgan_tf on TensorFlow {tf.__version__}",
            "parameters": [
                sum(int(np.prod(v.shape)) for v in network.trainable_variables)
                for network in (made.generator, made.discriminator)
            ],
            "threads": [
                tf.config.threading.get_intra_op_parallelism_threads(),
                tf.config.threading.get_inter_op_parallelism_threads(),
            ],
            "macs": {
                name: graph_macs.count(self.concrete(name)) for name in self._steps
            },
        }

    def profiler(self, folder: str | None):
        """Returns a context that records a TensorBoard profile; None records none."""
        if folder is None:
            return contextlib.nullcontext()
        return tf.profiler.experimental.Profile(folder)

    def concrete(self, name: str):
        """Returns the concrete function of a phase."""
        return self._steps[name].get_concrete_function(*self._arguments(name))

    def phases(self) -> dict:
        """Returns {phase: function that returns when its work is done}."""
        functions = {name: lambda n=name: self._run(n) for name in self._steps}
        return {**functions, "ema": self._average, "sample": self._sample}

    def _arguments(self, name):
        (item,) = (item for item in self.train.phases if item.name == name)
        seed = draws.step_seed(0, self._count, name, 0)
        reals = self._reals if item.reals else {}
        return reals, tf.constant(seed), self._scalars

    def _run(self, name):
        self._count += 1
        metrics = self._steps[name](*self._arguments(name))
        return metrics[f"{name}/loss"].numpy()

    def _average(self):
        self._ema(tf.constant(_DECAYS[self.config["family"]], tf.float32))
        return self.train.state.networks.generator_ema.variables[0].numpy()

    def _sample(self):
        seed = tf.constant([0, 0], tf.int32)
        return self._sampler.generate(self._z, self._labels, None, seed).numpy()
