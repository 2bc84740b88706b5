"""From an objective to optimizers and phases: who is trained by what, when, on what."""

import dataclasses
from collections.abc import Callable

from dglgan_tf.config import fields
from dglgan_tf.layers import conditional_norm
from dglgan_tf.training import objective, optimizers, phase, state


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the steps of a training are cut (arguments of `Trainer`)."""

    batch_size: int
    g_microbatches: int
    d_microbatches: int
    d_batch_size: int
    d_steps: int
    d_first: bool
    replicas: int = 1
    lanes: int = 1
    frozen_generator: bool = False

    def limited(self, most: int | None) -> "Layout":
        """Returns the layout with parts of at most so many images (see `parts`)."""
        g = parts(self.batch_size, self.replicas, self.g_microbatches, most)
        d = parts(self.d_batch_size, self.replicas, self.d_microbatches, most)
        return dataclasses.replace(self, g_microbatches=g, d_microbatches=d)

    def __post_init__(self):
        fields.check(self, owner="Trainer")


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
        raise ValueError(f"Trainer.max_microbatch={limit!r} must be an integer >= 1")
    share = batch_size // replicas
    for count in range(given, share + 1):
        if share % count == 0 and share // count <= limit:
            return count
    raise ValueError(
        f"Trainer.max_microbatch={limit}: no number of parts from {given} on divides "
        f"batch_size={batch_size} over {replicas} replicas"
    )


def make_state(
    networks: state.Networks,
    goal: objective.Objective,
    g_optimizer: Callable,
    d_optimizer: Callable,
    teacher_optimizer: Callable,
) -> state.TrainState:
    """Builds optimizers and slots; under the strategy's scope.

    Args:
      networks: what is trained.
      goal: bound to them; its lazy intervals correct the optimizers.
      g_optimizer, d_optimizer, teacher_optimizer: (reg_interval_steps=0) -> Keras
        optimizer.
    """
    g_interval = goal.path_length_interval_steps if goal.path_length_weight else 0
    d_interval = goal.r1_interval_steps if goal.has_lazy_penalty else 0
    made = {
        "g": (
            g_optimizer(reg_interval_steps=g_interval),
            [*networks.generator.trainable_variables, *goal.trained("generator")],
        )
    }
    if goal.adversarial_weight:
        made["d"] = (
            d_optimizer(reg_interval_steps=d_interval),
            [
                *networks.discriminator.trainable_variables,
                *goal.trained("discriminator"),
            ],
        )
    if goal.update_teachers:
        for index, teacher in enumerate(networks.teachers):
            made[f"teacher{index}"] = (teacher_optimizer(), teacher.trainable_variables)
    for optimizer, variables in made.values():
        optimizers.build(optimizer, variables)
    slots = goal.variables()
    if goal.path_length_weight:
        slots["path_length_mean"] = state.slot("path_length_mean")
    return state.TrainState(
        networks, {name: pair[0] for name, pair in made.items()}, slots
    )


def make_phases(
    train_state: state.TrainState,
    goal: objective.Objective,
    layout: Layout,
    local: bool,
) -> list[phase.Phase]:
    """Returns the phases of a step in the order in which they run.

    Args:
      train_state: of `make_state`.
      goal: losses and regularizers.
      layout: batches and parts.
      local: whether no loss reduces over replicas (see `Phase`).
    """
    if goal.needs_reals and layout.d_batch_size != layout.batch_size:
        raise ValueError(
            f"d_batch_size={layout.d_batch_size} must equal batch_size="
            f"{layout.batch_size} with a relativistic generator loss"
        )

    generator = train_state.networks.generator
    joint = bool(conditional_norm.batch_statistics(generator))

    def make(name, loss_fn, network, optimizer, trained=(), **options):
        return phase.Phase(
            name,
            loss_fn,
            [*network.trainable_variables, *trained],
            train_state.optimizers[optimizer],
            local=local,
            joint=joint,
            **options,
        )

    frozen = layout.frozen_generator
    g_phases = [] if frozen else _generator(make, train_state, goal, layout)
    d_phases = []
    if goal.adversarial_weight:
        d_phases = _discriminator(make, train_state.networks, goal, layout)
    order = d_phases + g_phases if layout.d_first else g_phases + d_phases
    order += _teachers(make, train_state.networks, goal, layout)
    _check_owners(order)
    for item in order:
        name = f"batch of phase {item.name!r}"
        phase.check_split(name, item.batch_size, layout.replicas, item.microbatches)
    return order


def _generator(make, train_state, goal, layout):
    networks = train_state.networks
    reals = None
    if goal.needs_reals:
        reals = "last" if layout.d_first else "next"
    found = [
        make(
            "g",
            lambda batch: goal.generator_loss(networks, batch),
            networks.generator,
            "g",
            goal.trained("generator"),
            batch_size=layout.batch_size,
            microbatches=layout.g_microbatches * layout.lanes,
            lanes=layout.lanes,
            reals=reals,
        )
    ]
    if goal.path_length_weight:
        slot = train_state.slots["path_length_mean"]
        size = layout.batch_size // goal.path_length_batch_shrink
        # Or as many parts as the smaller batch gives.
        count = layout.g_microbatches * layout.lanes
        while count > 1 and size % (layout.replicas * count):
            count -= 1
        found.append(
            make(
                "g_reg",
                lambda batch: goal.path_length_loss(networks, slot, batch),
                networks.generator,
                "g",
                batch_size=size,
                microbatches=count,
                lanes=min(layout.lanes, count),
                interval=goal.path_length_interval_steps,
            )
        )
    return found


def _discriminator(make, networks, goal, layout):
    # A relativistic generator that goes first has fetched this step's reals.
    fetched = goal.needs_reals and not layout.d_first and layout.d_steps == 1
    loss = goal.discriminator_loss
    if layout.frozen_generator:
        fetched, loss = False, goal.fitting_loss
    options = {
        "batch_size": layout.d_batch_size,
        "microbatches": layout.d_microbatches * layout.lanes,
        "lanes": layout.lanes,
    }
    found = [
        make(
            "d",
            lambda batch: loss(networks, batch),
            networks.discriminator,
            "d",
            goal.trained("discriminator"),
            repeats=layout.d_steps,
            reals="last" if fetched else "next",
            **options,
        )
    ]
    if goal.has_lazy_penalty:
        found.append(
            make(
                "d_reg",
                lambda batch: goal.lazy_penalty(
                    networks, networks.discriminator, batch
                ),
                networks.discriminator,
                "d",
                interval=goal.r1_interval_steps,
                reals="last",
                **options,
            )
        )
    return found


def _teachers(make, networks, goal, layout):
    found = []
    for index, teacher in enumerate(networks.teachers if goal.update_teachers else ()):
        options = {
            "network": teacher,
            "optimizer": f"teacher{index}",
            "batch_size": layout.d_batch_size,
            "microbatches": layout.d_microbatches * layout.lanes,
            "lanes": layout.lanes,
            "reals": "last",
        }
        found.append(
            make(
                f"teacher{index}",
                lambda batch, i=index: goal.teacher_loss(networks, i, batch),
                **options,
            )
        )
        if goal.has_lazy_penalty:
            found.append(
                make(
                    f"teacher{index}_reg",
                    lambda batch, d=teacher: goal.lazy_penalty(networks, d, batch),
                    interval=goal.r1_interval_steps,
                    **options,
                )
            )
    return found


def _check_owners(phases):
    """Each trainable variable belongs to one family: G, D or a teacher."""
    owned: dict[int, str] = {}
    for item in phases:
        family = item.name.split("_")[0]
        for variable in item.variables:
            if owned.setdefault(id(variable), family) != family:
                raise ValueError(
                    f"variable {variable.name} is trained by {family} and by "
                    f"{owned[id(variable)]}: student and teacher must not share "
                    "variables"
                )
