"""Names of metrics: what is computed, from how many images, on which features.

`fid50k_full`, `kid50k_full`, `is50k`, `pr50k3_full`, `ppl2_wend` and the like keep the
meaning that NVIDIA's tools gave them; every count is free (`kid1k`, `fid2500_full`).

    <kind><generated images>[k][<neighbours>][_full][[extractor]]

`_full` compares with all real images, otherwise with as many real ones as generated
ones. Without an extractor in brackets a name means the networks of the publications:
Inception-v3 of 2015, and VGG16 for `pr` and `ppl`.
"""

import dataclasses
import re

KINDS = ("fid", "kid", "kidall", "is", "pr", "dc", "ifid")
_IMAGES = re.compile(
    r"(?P<kind>fid|kidall|kid|is|pr|dc|ifid)(?P<count>\d+)(?P<kilo>k?)"
    r"(?P<neighbours>(?<=k)\d+)?(?P<full>_full)?(\[(?P<extractor>\w+)\])?"
)
_PATHS = re.compile(
    r"(?P<kind>ppl2?)(_(?P<count>\d+)(?P<kilo>k?))?_(?P<space>[zw])(?P<end>full|end)"
    r"(\[(?P<extractor>\w+)\])?"
)
_NEIGHBOURS = {"pr": 3, "dc": 5}
_BARE = {"pr": "vgg16", "ppl": "vgg16_lpips", "ppl2": "vgg16_lpips"}


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric as asked for.

    Attributes:
      kind: `fid`, `kid` (subsets), `kidall` (whole sets), `is`, `pr` (improved
        precision and recall), `dc` (density and coverage), `ifid` (per class), `ppl`
        (centre crop) or `ppl2` (whole image).
      num_generated: generated images; per class for `ifid`; pairs for `ppl`.
      num_real: real images; None takes all.
      neighbours: k of `pr` and `dc`; 0 elsewhere.
      extractor: whose features.
      base: the name without extractor.
      path: (space 'z' or 'w', 'full' or 'end') for `ppl`, else None.
    """

    kind: str
    num_generated: int
    num_real: int | None
    neighbours: int
    extractor: str
    base: str
    path: tuple[str, str] | None = None

    @property
    def on_paths(self) -> bool:
        """Whether it is a path length, which has no real side."""
        return self.path is not None

    @property
    def name(self) -> str:
        """The name under which the score is reported."""
        if self.extractor == bare_extractor(self.kind):
            return self.base
        return f"{self.base}[{self.extractor}]"

    def on(self, extractor: str) -> "Metric":
        """Returns the same metric on other features."""
        return dataclasses.replace(self, extractor=extractor)


def bare_extractor(kind: str) -> str:
    """Returns the network that a name without brackets means."""
    return _BARE.get(kind, "inception")


def counted(name: str, images: int) -> str:
    """Returns a bare kind as the metric of so many images against all real ones.

    Args:
      name: `fid`, `kid[efficientnet_lite0]`, ...; other names come back as they are.
      images: that are judged.
    """
    kind, bracket, extractor = name.partition("[")
    if kind not in KINDS or kind == "ifid":
        return name
    full = "" if kind == "is" else "_full"
    return f"{kind}{images}{full}{bracket}{extractor}"


def parse(name: str, extractor: str | None = None) -> Metric:
    """Returns the metric of a name.

    Args:
      name: such as `fid50k_full` or `kid1k[efficientnet_lite0]`.
      extractor: for names without brackets; None means the publications' networks.

    Raises:
      ValueError: not a name of a metric; says what names look like.
    """
    found = _IMAGES.fullmatch(name) or _PATHS.fullmatch(name)
    if not found:
        raise ValueError(
            f"metrics={name!r} is not the name of a metric: write for instance "
            "fid50k_full, kid1k, is50k, pr50k3_full, dc10k5, ifid5k_full, ppl2_wend, "
            "and an extractor in brackets where it is not the standard one, such as "
            "kid1k[efficientnet_lite0]"
        )
    part = found.groupdict()
    kind = part["kind"]
    count = int(part["count"] or 50) * (
        1000 if part["kilo"] or not part["count"] else 1
    )
    if count < 2:
        raise ValueError(f"metrics={name!r} asks for {count} images: at least 2 needed")
    neighbours = int(part.get("neighbours") or _NEIGHBOURS.get(kind, 0))
    if part.get("neighbours") and (kind not in _NEIGHBOURS or not neighbours):
        raise ValueError(f"metrics={name!r}: only pr and dc count neighbours, from 1")
    return Metric(
        kind=kind,
        num_generated=count,
        num_real=None if part.get("full") else count,
        neighbours=neighbours,
        extractor=part["extractor"] or extractor or bare_extractor(kind),
        base=name.split("[")[0],
        path=(part["space"], part["end"]) if "space" in part else None,
    )
