"""How the batches of a training are cut: steps, microbatches, lanes."""

import dataclasses
import math

from dglgan_tf.config import fields


@dataclasses.dataclass(frozen=True)
class Layout:
    """Batches and parts, see `settings.Settings`."""

    batch_size: int
    g_microbatches: int
    d_microbatches: int
    d_batch_size: int
    d_steps: int
    d_first: bool
    replicas: int = 1
    lanes: int = 1
    frozen_generator: bool = False

    def limited(self, most: int | str | None) -> "Layout":
        """Returns the layout with parts of at most so many images (see `parts`).

        'auto' is for whoever knows the device (`runs.auto_parts`); here it is no limit.
        """
        most = None if most == "auto" else most
        g = parts(self.batch_size, self.replicas, self.g_microbatches, most)
        d = parts(self.d_batch_size, self.replicas, self.d_microbatches, most)
        return dataclasses.replace(self, g_microbatches=g, d_microbatches=d)

    def of_discriminator(self) -> dict:
        """Returns batch, parts and lanes of a discriminator's phase."""
        return {
            "batch_size": self.d_batch_size,
            "microbatches": self.d_microbatches * self.lanes,
            "lanes": self.lanes,
        }

    def __post_init__(self):
        fields.check(self, owner="Trainer")


def group_of(networks) -> int:
    """Returns how many images must stay together in a part; 0 = all of them.

    Args:
      networks: `state.Networks`, whose discriminators may compare images.
    """
    group = 1
    for judge in (networks.discriminator, *networks.teachers):
        if hasattr(judge, "mbstd_group_size"):
            if judge.mbstd_group_size is None:
                return 0
            group = math.lcm(group, judge.mbstd_group_size)
    return group


def parts(batch_size: int, replicas: int, given: int, limit: int | None) -> int:
    """Returns into how many parts each replica's share is cut.

    Args:
      batch_size: global batch.
      replicas: that share it.
      given: at least so many parts.
      limit: most images of a part; None = no limit.

    Raises:
      ValueError: no number of parts meets the limit.
    """
    if limit is None:
        return given
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(
            f"Trainer.max_microbatch={limit!r} must be an integer >= 1, 'auto' or None"
        )
    share = batch_size // replicas
    for count in range(given, share + 1):
        if share % count == 0 and share // count <= limit:
            return count
    raise ValueError(
        f"Trainer.max_microbatch={limit}: no number of parts from {given} on divides "
        f"batch_size={batch_size} over {replicas} replicas"
    )
