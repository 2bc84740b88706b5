"""Dynamic sparse training of a pair: masks in a training, their moves.

The masks are part of the checkpoint. They are applied after every optimizer step, to
the averaged generator as well, and move between steps on the host (`sparse`).
"""

import dataclasses

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.networks import base, weightless
from dglgan_tf.training import phase, state
from dglgan_tf.training.sparsity import sparse


@gin.configurable
@dataclasses.dataclass(frozen=True)
class DynamicSparsity:
    """How much of which network is kept (DGL-GAN code; RigL, 1911.11134).

    Convolution kernels start with their largest weights, at densities by
    Erdos-Renyi-Kernel; the rest is zero. Avoided: the released code computes a decaying
    share to replace and uses a constant one.

    Attributes:
      g_density, d_density: share of the weights that stay in each network; 1 = all.
      interval_steps: how often the masks move; the authors have 2000.
      share: of the active weights that is replaced, at the start.
      final_share: the same at the end; it falls along half a cosine.
      total_images: when the end is reached.
    """

    g_density: float = 0.3
    d_density: float = 0.5
    interval_steps: int = 2000
    share: float = 0.5
    final_share: float = 0.005
    total_images: int = gin.REQUIRED

    def __post_init__(self):
        fields.check(self, positive=("g_density", "d_density"))
        for name in ("g_density", "d_density", "share", "final_share"):
            if getattr(self, name) > 1:
                raise ValueError(
                    f"DynamicSparsity.{name}={getattr(self, name)!r} must be at most 1"
                )

    def masks(self, networks: state.Networks, phases) -> list["Masks"]:
        """Masks the kernels; under the strategy's scope.

        Args:
          networks: the student's, as they start.
          phases: of the training; a network that none of them trains stays dense.
        """
        found = []
        if weightless.is_active():  # a dry run: there is nothing to mask
            return found
        for item in phases:
            if item.name == "g" and self.g_density < 1:
                copies = [networks.generator, networks.generator_ema]
                found.append(Masks(self, item, self.g_density, copies))
            if item.name == "d" and self.d_density < 1:
                copies = [networks.discriminator]
                found.append(Masks(self, item, self.d_density, copies))
        return found


class Masks:
    """Masks of one network and of its copies.

    Attributes:
      growth: a phase that trains nothing and leaves dense gradients for `move`.
      of_generator: whether the network is the generator.
    """

    def __init__(self, plan: DynamicSparsity, item: phase.Phase, density, networks):
        """Chooses the largest weights of the first network, by the layers' densities.

        Args:
          plan: when and how far the masks move.
          item: the phase that trains the network.
          density: share of the weights that stay, over all kernels.
          networks: the trained network, and its average.
        """
        self._plan, self._family = plan, item.name
        self.of_generator = item.name == "g"
        self._kernels = [
            {
                name: variable
                for name, variable in base.named_variables(network).items()
                if variable.trainable and len(variable.shape) == 4
            }
            for network in networks
        ]
        first = self._kernels[0]
        shares = sparse.erk_densities([v.shape for v in first.values()], density)
        self._masks = {
            name: tf.Variable(
                sparse.magnitude_mask(kernel.numpy(), share), trainable=False
            )
            for (name, kernel), share in zip(first.items(), shares, strict=True)
        }
        self._gradients = _Gradients(first.values())
        self.growth = dataclasses.replace(
            item,
            name=f"{item.name}_grow",
            variables=list(first.values()),
            optimizer=self._gradients,
            repeats=1,
            reals="last" if item.reals else None,
        )
        self._apply = tf.function(self._multiply, autograph=False)
        self.apply()

    def variables(self) -> dict[str, tf.Variable]:
        """Returns {name: mask}, as a checkpoint holds them."""
        return {f"mask/{self._family}/{n}": mask for n, mask in self._masks.items()}

    def follows(self, item: phase.Phase) -> bool:
        """Whether a phase trains this network."""
        return item.name.split("_")[0] == self._family

    def _multiply(self):
        for kernels in self._kernels:
            for name, kernel in kernels.items():
                kernel.assign(kernel * self._masks[name])

    def apply(self) -> None:
        """Sets what is masked to zero; cross-replica context."""
        self._apply()

    def is_due(self, step: int) -> bool:
        """Whether the masks move after the step with this number (host)."""
        return (step + 1) % self._plan.interval_steps == 0

    def move(self, images: int) -> None:
        """Drops the smallest weights and grows where the gradient is largest; host.

        Args:
          images: seen so far.
        """
        plan = self._plan
        share = sparse.cosine_share(
            images, plan.total_images, plan.share, plan.final_share
        )
        pairs = zip(self._kernels[0].items(), self._gradients.slots, strict=True)
        for (name, kernel), gradient in pairs:
            mask = self._masks[name]
            mask.assign(
                sparse.drop_and_grow(
                    kernel.numpy(), gradient.numpy(), mask.numpy(), share
                )
            )
        self.apply()


class _Gradients:
    """Takes an optimizer's place in a phase and keeps the gradients."""

    def __init__(self, variables):
        self.slots = [state.slot("gradient", tf.zeros(v.shape)) for v in variables]

    def apply_gradients(self, pairs, skip_gradients_aggregation=True):
        """Keeps what a phase would apply."""
        del skip_gradients_aggregation  # already reduced
        for slot, (gradient, _) in zip(self.slots, pairs, strict=True):
            slot.assign(gradient)
