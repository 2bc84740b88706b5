"""What there is to run: suites, their arms, and the order in which arms can run."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train the student.

    Attributes:
      meaning: one line for the tables.
      after: the arm whose networks it starts from; None = random.
    """

    meaning: str
    after: str | None = None


# These need one more network than what they start from.
_ALSO = {
    "f": ("second",),
    "ptwo": ("second",),
    "c051": ("tutor",),
    "c102": ("tutor",),
    "c204": ("tutor",),
}


@dataclasses.dataclass(frozen=True)
class Suite:
    """Arms that share data, networks and teacher; `<name>.gin` configures them.

    Attributes:
      name: of the gin file.
      teacher: weights that guide (`run_directory.find_weights`); None = the
        stage `teacher` of the gin file, trained first.
      data: the real images, a name of `--data`.
      metrics: names of `dglgan_tf.metrics.names`.
      num_classes: of the conditional networks; 0 = unconditional.
      arms: {name: arm}.
    """

    name: str
    teacher: str | None
    data: str
    metrics: Sequence[str]
    num_classes: int
    arms: dict[str, Arm]

    @property
    def gin_file(self) -> Path:
        """The configuration of all arms."""
        return FOLDER / f"{self.name}.gin"

    def ordered(self, wanted: Sequence[str]) -> list[str]:
        """Returns the arms with those that they start from, in an order that works.

        Raises:
          ValueError: an arm that the suite does not have.
        """
        unknown = [name for name in wanted if name not in self.arms]
        if unknown:
            raise ValueError(
                f"suite {self.name} has no arm {unknown[0]!r}: its arms are "
                f"{', '.join(self.arms)}"
            )
        needed = {self.arms[name].after for name in wanted} | set(wanted)
        needed.update(*(_ALSO.get(name, ()) for name in wanted))
        return [name for name in self.arms if name in needed]


_METRICS = (
    "kid10k_full[efficientnet_lite0]",
    "fid10k_full[efficientnet_lite0]",
    "pr5k3[efficientnet_lite0]",
)
_CORE = {
    "a": Arm("stage one alone"),
    "b": Arm("stage one continued without guidance (control)", "a"),
    "c": Arm("stage one, then guidance 0.1", "a"),
    "d": Arm("guidance 0.1 from the start"),
    "e": Arm("as C, teacher discriminator updated", "a"),
    "g": Arm("stage one, then L1 to the teacher's images", "a"),
    "h": Arm("stage one, then self-supervised", "a"),
    "c003": Arm("as C, weight 0.03", "a"),
    "c03": Arm("as C, weight 0.3", "a"),
    "c1": Arm("as C, weight 1", "a"),
}

SUITES = {
    "fashion_biggan": Suite(
        name="fashion_biggan",
        teacher="bundled/fashion_biggan_teacher",
        data="fashion_mnist",
        metrics=_METRICS,
        num_classes=10,
        arms=_CORE
        | {
            "second": Arm("a second teacher of three quarters width, for F"),
            "f": Arm("as C, guided by both teachers", "a"),
            "tutor": Arm("the teacher once more, its snapshots kept"),
            "c051": Arm("as C, the teacher after 51,200 images", "a"),
            "c102": Arm("as C, the teacher after 102,400 images", "a"),
            "c204": Arm("as C, the teacher after 204,800 images", "a"),
            "qa": Arm("quarter width: stage one alone"),
            "qb": Arm("quarter width: as B", "qa"),
            "qc": Arm("quarter width: as C", "qa"),
        },
    ),
    "fashion_screening": Suite(
        name="fashion_screening",
        teacher="bundled/fashion_biggan_teacher",
        data="fashion_mnist",
        metrics=_METRICS,
        num_classes=10,
        arms={
            "u": Arm("random start, no guidance (control)"),
            "g01": Arm("random start, guidance 0.1, the paper's"),
            "g1": Arm("random start, guidance 1"),
            "b01": Arm("random start, balanced guidance of share 0.1"),
            "b03": Arm("random start, balanced guidance of share 0.3"),
            "b1": Arm("random start, balanced guidance of share 1"),
            "p": Arm("pruned start, no guidance"),
            "p01": Arm("pruned start, guidance 0.1"),
            "pb01": Arm("pruned start, balanced guidance of share 0.1"),
            "pb03": Arm("pruned start, balanced guidance of share 0.3"),
            "pb1": Arm("pruned start, balanced guidance of share 1"),
            "pl1": Arm("as p01, with L1 of features"),
            "pdime": Arm("as p01, with distribution matching"),
            "pup": Arm("as p01, teacher discriminator updated"),
            "second": Arm("a second teacher of three quarters width, for ptwo"),
            "ptwo": Arm("as p01, guided by both teachers"),
        },
    ),
    "fashion_stylegan2": Suite(
        name="fashion_stylegan2",
        teacher="bundled/fashion_stylegan2_teacher",
        data="fashion_mnist",
        metrics=_METRICS,
        num_classes=0,
        arms=_CORE,
    ),
    "emoji_biggan": Suite(
        name="emoji_biggan",
        teacher=None,
        data="datasets/emoji64.zip",
        metrics=(
            "kid2k_full[efficientnet_lite0]",
            "pr1k3[efficientnet_lite0]",
        ),
        num_classes=9,
        arms=_CORE,
    ),
}
