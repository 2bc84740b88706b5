"""The training phases and the sampling of the PyTorch peer.

The same optimizer steps as ours, phase by phase (`benchmarks.ours`), each as its
authors' code does it: BigGAN with hinge losses, one joint discriminator pass and an
average over the whole state; StyleGAN2 with logistic losses, a backward pass for fakes
and one for reals, R1 and path-length regularization in steps of their own, gradients
cleared of what is not finite. Gradients are only taken where they are used; Adam of
PyTorch goes from parameter to parameter on a CPU.
"""

import contextlib
import copy

import torch
from torch.nn import functional

from benchmarks.peer import biggan, stylegan2


def build(config: dict) -> "Peer":
    """Builds the networks of a configuration (see `benchmarks.run`)."""
    torch.manual_seed(0)
    if config["family"] == "biggan":
        generator = biggan.Generator(
            config["ch"], config["dim_z"], config["shared_dim"], config["classes"]
        )
        discriminator = biggan.Discriminator(config["ch"], config["classes"])
        teacher = biggan.Discriminator(2 * config["ch"], config["classes"])
        return BigGANPeer(config, generator, discriminator, teacher)
    sizes = config["resolution"], config["channel_base"], config["channel_max"]
    generator = stylegan2.Generator(*sizes, config["latent"])
    discriminator = stylegan2.Discriminator(*sizes)
    wide = config["resolution"], 2 * config["channel_base"], 2 * config["channel_max"]
    return StyleGAN2Peer(
        config, generator, discriminator, stylegan2.Discriminator(*wide)
    )


class Peer:
    """One network pair, its optimizers, a frozen teacher where guided."""

    betas = {"g": (0.0, 0.999), "d": (0.0, 0.999)}

    def __init__(self, config, generator, discriminator, teacher):
        self.batch, self.classes = config["batch"], config.get("classes", 0)
        self.resolution = config["resolution"]
        self.generator, self.discriminator = generator, discriminator
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.teacher = None
        if config["guided"]:
            self.teacher = teacher.requires_grad_(False).eval()
        self.optimizers = {
            "g": torch.optim.Adam(generator.parameters(), 1e-4, self.betas["g"]),
            "d": torch.optim.Adam(discriminator.parameters(), 4e-4, self.betas["d"]),
        }
        size = (self.batch, 3, self.resolution, self.resolution)
        self.images = torch.rand(size) * 2 - 1
        self.image_labels = self.labels(self.batch)

    def facts(self) -> dict:
        """Returns what identifies the measured side."""
        return {
            "side": f"PyTorch {torch.__version__}",
            "parameters": [
                sum(p.numel() for p in network.parameters())
                for network in (self.generator, self.discriminator)
            ],
            "threads": torch.get_num_threads(),
        }

    def profiler(self, folder):
        """Returns a context that records nothing: the profile is ours."""
        del folder
        return contextlib.nullcontext()

    def labels(self, size):
        """Random classes [size], or None."""
        return torch.randint(self.classes, [size]) if self.classes else None

    def fakes(self, size):
        """Images of random latents and their labels."""
        labels = self.labels(size)
        z = torch.randn(size, self.generator.dim_z)
        return self.generator(z, labels), labels

    def descend(self, name, *losses):
        """One optimizer step; losses are functions, run and differentiated in turn."""
        self.optimizers[name].zero_grad(set_to_none=True)
        for loss in losses:
            loss().backward()
        self.clean(name)
        self.optimizers[name].step()

    def clean(self, name):
        """Nothing; StyleGAN2 looks at its gradients here."""

    def trains(self, generator: bool):
        """Takes gradients of one player only."""
        self.generator.requires_grad_(generator)
        self.discriminator.requires_grad_(not generator)

    def guidance(self, fake, labels, g_loss):
        """0.1 times the generator's loss under the teacher."""
        if self.teacher is None:
            return 0.0
        return 0.1 * g_loss(self.teacher(fake, labels)).mean()

    @torch.no_grad()
    def sample(self):
        """One batch of images from the averaged generator, in inference mode."""
        z = torch.randn(self.batch, self.generator.dim_z)
        return self.average(z, self.labels(self.batch)).numpy()


class BigGANPeer(Peer):
    """One discriminator and one generator step, hinge losses."""

    def phases(self) -> dict:
        """Returns {phase: function} with the names of ours."""
        return {"d": self.d, "g": self.g, "ema": self.ema, "sample": self.sample}

    def d(self):
        """Discriminator step on fakes and reals in one pass."""
        self.trains(generator=False)
        self.descend("d", self._d_loss)

    def _d_loss(self):
        with torch.no_grad():
            fake, labels = self.fakes(self.batch)
        images = torch.cat([fake, self.images])
        logits = self.discriminator(images, torch.cat([labels, self.image_labels]))
        fake, real = logits.split(self.batch)
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()

    def g(self):
        """Generator step."""
        self.trains(generator=True)
        self.descend("g", self._g_loss)

    def _g_loss(self):
        fake, labels = self.fakes(self.batch)
        loss = -self.discriminator(fake, labels).mean()
        return loss + self.guidance(fake, labels, torch.neg)

    @torch.no_grad()
    def ema(self):
        """Moves the averaged generator, buffers included."""
        source = self.generator.state_dict()
        for name, average in self.average.state_dict().items():
            average.copy_(average * 0.9999 + source[name] * (1 - 0.9999))


class StyleGAN2Peer(Peer):
    """Logistic losses, lazy R1 and path length."""

    betas = {"g": (0.0, 0.99 ** (4 / 5)), "d": (0.0, 0.99 ** (16 / 17))}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.mean_length = torch.zeros([])

    def phases(self) -> dict:
        """Returns {phase: function} with the names of ours."""
        names = ("g", "g_reg", "d", "d_reg", "ema", "sample")
        return {name: getattr(self, name) for name in names}

    def clean(self, name):
        """Takes what is not finite out of the gradients."""
        for group in self.optimizers[name].param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None:
                    torch.nan_to_num(gradient, 0.0, 1e5, -1e5, out=gradient)

    def g(self):
        """Generator step."""
        self.trains(generator=True)
        self.descend("g", self._g_loss)

    def _g_loss(self):
        fake, _ = self.fakes(self.batch)
        loss = _g_logistic(self.discriminator(fake)).mean()
        return loss + self.guidance(fake, None, _g_logistic)

    def g_reg(self):
        """Path-length step on half the batch, times its interval of 4."""
        self.trains(generator=True)
        self.descend("g", self._path_length_loss)

    def _path_length_loss(self):
        z = torch.randn(self.batch // 2, self.generator.dim_z)
        ws = self.generator.map(z)
        images = self.generator.synthesize(ws)
        noise = torch.randn_like(images) / self.resolution
        total = (images * noise).sum()
        (gradient,) = torch.autograd.grad(total, ws, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        mean = self.mean_length.lerp(lengths.mean(), 0.01)
        self.mean_length = mean.detach()
        penalty = 2 * (lengths - mean).square()
        return 4 * (images[:, 0, 0, 0] * 0 + penalty).mean()

    def d(self):
        """Discriminator step, fakes and reals apart."""
        self.trains(generator=False)
        self.descend("d", self._fake_loss, self._real_loss)

    def _fake_loss(self):
        fake, _ = self.fakes(self.batch)  # no graph: its parameters need no gradient
        return functional.softplus(self.discriminator(fake)).mean()

    def _real_loss(self):
        return functional.softplus(-self.discriminator(self.images)).mean()

    def d_reg(self):
        """R1 step on reals, times its interval of 16."""
        self.trains(generator=False)
        self.descend("d", self._r1_loss)

    def _r1_loss(self):
        images = self.images.detach().requires_grad_(True)
        logits = self.discriminator(images)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        penalty = 10 / 2 * gradient.square().sum([1, 2, 3])
        return 16 * (logits * 0 + penalty).mean()

    @torch.no_grad()
    def ema(self):
        """Moves the averaged generator; buffers are copied."""
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for average, value in pairs:
            average.copy_(value.lerp(average, 0.5 ** (8 / 10_000)))
        pairs = zip(self.average.buffers(), self.generator.buffers(), strict=True)
        for average, value in pairs:
            average.copy_(value)


def _g_logistic(logits):
    return functional.softplus(-logits)
