"""A student for a budget: from a gin file and a limit to widths and a new gin file."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import gin

from dglgan_tf.config import gin_files as config
from dglgan_tf.cost import latency, macs, tables
from dglgan_tf.foundation import atomic
from dglgan_tf.narrowing import solver
from dglgan_tf.narrowing import widths as network_widths
from dglgan_tf.networks import base, weightless

MARK = "# Made by dglgan_tf.design"
MEASURES = {"macs": "MACs", "params": "parameters", "latency_ms": "ms"}
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclasses.dataclass(frozen=True)
class Request:
    """What to narrow, and how far.

    Attributes:
      measure: of `MEASURES`; MACs are `Cost.macs` (`dglgan_tf.cost.macs`).
      limit: a number such as '5.2G', '300k' or '4.5', or a share of the teacher such
        as '20%'.
      keep: indices of widths that stay as the teacher's, 0 being the smallest image.
      mapping_layers: depth of a StyleGAN2's mapping network; None = as configured.
      tolerance: how far below the limit is near enough.
      batch, rounds: of a measured latency.
    """

    measure: str
    limit: str
    keep: tuple[int, ...] = ()
    mapping_layers: int | None = None
    tolerance: float = 0.02
    batch: int = 1
    rounds: int = 20


@dataclasses.dataclass(frozen=True)
class Design:
    """What was found.

    Attributes:
      changes: constructor arguments of the student that change.
      limit, reached: in the request's measure.
      costs: {'teacher': Cost, 'student': Cost}.
      times: {name: latency.Latency} where latency was asked for.
    """

    changes: dict
    limit: float
    reached: float
    costs: dict[str, macs.Cost]
    times: dict


def solve(request: Request) -> Design:
    """Finds the student of the parsed configuration that meets a limit.

    Raises:
      ValueError: no generator in the configuration, a limit that nothing meets.
    """
    return solve_for(request, *configured())


def solve_for(
    request: Request, student: base.Generator, teacher: base.Generator
) -> Design:
    """Finds the widths of a student, in proportion to a teacher's, for a limit.

    Args:
      request: what is limited.
      student, teacher: only their classes and configurations are used.

    Raises:
      ValueError: a limit that nothing meets.
    """
    if request.mapping_layers is not None:
        student = _rebuilt(student, {"mapping_layers": request.mapping_layers})
    whole = network_widths.widths(teacher)
    if any(not 0 <= index < len(whole) for index in request.keep):
        raise ValueError(f"keep={request.keep} must be from 0 to {len(whole) - 1}")
    if request.measure == "latency_ms":
        return _by_time(request, student, teacher, whole)

    def cost(wanted):
        changes = network_widths.arguments(student, wanted)
        return _total(macs.count(_rebuilt(student, changes)), request.measure)

    reference = macs.count(teacher)
    limit = read_limit(request.limit, _total(reference, request.measure))
    found = solver.solve(
        whole,
        network_widths.least(student),
        limit,
        cost,
        request.tolerance,
        request.keep,
    )
    return _design(request, student, reference, found, limit)


def configured() -> tuple[base.Generator, base.Generator]:
    """Returns the student's and the teacher's generator, without weights.

    The teacher is the first generator of `train.teacher_networks`; without one of the
    student's kind the student stands in for it.

    Raises:
      ValueError: `train.generator` is not bound.
    """
    reference = _binding("train.generator")
    if reference is None:
        raise ValueError("the gin file binds no train.generator: nothing to narrow")
    with weightless.weightless():
        student = reference.scoped_configurable_fn()
        made = [
            item.scoped_configurable_fn()
            for item in _binding("train.teacher_networks") or ()
        ]
    alike = [
        network
        for network in made
        if type(network) is type(student) and network.resolution == student.resolution
    ]
    return student, alike[0] if alike else student


def _binding(name):
    try:
        return gin.query_parameter(name)
    except ValueError:
        return None


def read_limit(text: str, whole: float) -> float:
    """Returns a limit: '20%' of the whole, or a number with k, M, G or T.

    Raises:
      ValueError: neither, or not positive.
    """
    match = re.fullmatch(r"\s*([\d.]+)\s*(%|[kKmMgGtT]?)\s*", text)
    value = 0.0
    if match and match[1].count(".") <= 1 and match[1] != ".":
        scale = whole / 100 if match[2] == "%" else _UNITS[match[2].lower()]
        value = float(match[1]) * scale
    if value <= 0:
        raise ValueError(
            f"limit {text!r} must be a share such as 20% or a number such as 5.2G, "
            "above 0"
        )
    return value


def _rebuilt(network, changes):
    """Returns the same generator with other arguments, without weights."""
    known = network.get_config()
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise ValueError(f"a {type(network).__name__} has no {', '.join(unknown)}")
    with weightless.weightless():
        return type(network).from_config({**known, **changes})


def _total(cost, measure):
    return cost.macs if measure == "macs" else cost.parameters


def _design(request, student, reference, found, limit, times=None):
    changes = network_widths.arguments(student, found)
    known = student.get_config()
    if request.mapping_layers is not None:
        changes["mapping_layers"] = request.mapping_layers
    cost = macs.count(_rebuilt(student, changes))
    times = times or {}
    reached = times["student"].p50_ms if times else _total(cost, request.measure)
    changes = {k: v for k, v in changes.items() if v is not None or known[k]}
    return Design(
        changes, limit, reached, {"teacher": reference, "student": cost}, times
    )


def _by_time(request, student, teacher, whole):
    """Solves for a measured latency, the teacher timed beside every candidate.

    Times are noisy: a few candidates, widths in multiples of 8, no fine tuning. A share
    compares with the teacher of the same moment, whatever else the machine does.
    """
    whole_network = type(teacher).from_config(teacher.get_config())
    call = latency.network_call(whole_network, request.batch)
    measured: dict[tuple, dict] = {}

    def cost(wanted):
        changes = network_widths.arguments(student, wanted)
        network = type(student).from_config({**student.get_config(), **changes})
        calls = {
            "teacher": call,
            "student": latency.network_call(network, request.batch),
        }
        found = latency.measure(calls, request.batch, request.rounds)
        measured[wanted] = found
        return found["student"].p50_ms / (found["teacher"].p50_ms if shares else 1.0)

    shares = "%" in request.limit
    limit = read_limit(request.limit, 1.0)
    found = solver.solve(
        whole,
        network_widths.least(student),
        limit,
        cost,
        max(request.tolerance, 0.1),
        request.keep,
        steps=(8,),
    )
    reference, times = macs.count(teacher), measured[found]
    limit *= times["teacher"].p50_ms if shares else 1.0
    return _design(request, student, reference, found, limit, times)


def check_target(path) -> None:
    """Raises ValueError for a file that this command did not write."""
    path = Path(path)
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(MARK):
        raise ValueError(
            f"{path} exists and was not made by this command: give another --out"
        )


def write(
    path, design: Design, request: Request, gin_files: Sequence[str], bindings
) -> str:
    """Writes a gin file that includes the given ones and narrows the student.

    It is parsed again and its student counted before the function returns.

    Returns:
      the text.

    Raises:
      ValueError: a file that this command did not write is in the way.
      RuntimeError: what was written does not give the network that was found.
    """
    path = Path(path)
    check_target(path)
    reference = _binding("train.generator")
    scope = "/".join(reference.scopes) or "designed"
    name = reference.selector.rpartition(".")[2]
    lines = [f"{MARK}: {sentence(design, request)}", "#"]
    table = tables.compare(design.costs, latency=design.times)
    lines += [f"# {line}".rstrip() for line in table.splitlines()]
    lines += ["", *(f"include '{_include(f)}'" for f in gin_files), "", *bindings]
    if not reference.scopes:
        lines.append(f"train.generator = @{scope}/{name}")
    for key, value in design.changes.items():
        lines.append(f"{scope}/{name}.{key} = {value!r}")
    start = _binding("train.initialize_from")
    # A stage of the recipe trains with the new widths.
    if isinstance(start, str) and start not in (_binding("compress.stages") or ()):
        lines.append(f"train.initialize_from = None  # {start} has other widths")
    text = "\n".join(lines) + "\n"
    atomic.write(path, text)
    config.parse([str(path)], [])
    if macs.count(configured()[0]) != design.costs["student"]:
        raise RuntimeError(f"{path} gives another network than was found")
    return text


def _include(name: str) -> str:
    """Returns how a gin file names another: in the package's folder, or absolute."""
    path = Path(config.find_gin_file(name)).resolve()
    for root in config.gin_roots():
        if path.is_relative_to(root.resolve()):
            return path.relative_to(root.resolve()).as_posix()
    return path.as_posix()


def sentence(design: Design, request: Request) -> str:
    """Returns what was asked and what was reached."""
    unit = MEASURES[request.measure]
    share = 100 * design.reached / design.limit
    return (
        f"at most {request.limit} of {unit}: {tables.scaled(design.reached)} of "
        f"{tables.scaled(design.limit)} allowed ({share:.1f} %)"
    )
