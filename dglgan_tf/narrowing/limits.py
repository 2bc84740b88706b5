"""Limits as people write them: 25%, 300k, 2MB, 80Mmacs, 5ms, 50%ms."""

import re

from dglgan_tf.narrowing import budget

_FORM = re.compile(
    r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(%|[kKmMgG])?(macs|params|ms|b)?", re.I
)
_BYTES = 4  # of a weight, as float32
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def read(text: str) -> budget.Request:
    """Returns what a limit asks for.

    `25%` is a share of the teacher's multiply-accumulates, `25%params` of its
    parameters, `50%ms` of its time; `300k` and `1.2Mparams` are parameters, `2MB` the
    bytes of float32 weights, `80Mmacs` and `5G` multiply-accumulates, `5ms` the median
    time of one image here.

    Raises:
      ValueError: none of these, zero, or a share that makes nothing smaller.
    """
    match = _FORM.fullmatch(text.strip())
    number, scale, unit = match.groups(default="") if match else ("0", "", "")
    unit, value = unit.lower(), float(number)
    if value <= 0 or (not scale and not unit) or (unit == "b" and scale == "%"):
        raise ValueError(
            f"budget {text.strip()[:40]!r} must be a share of the teacher (25%, "
            "25%params, 50%ms) or a number above 0 with its unit (300k parameters, "
            "2MB, 80Mmacs, 5ms)"
        )
    if scale == "%" and value >= 100:
        raise ValueError(
            f"budget {text.strip()!r} makes nothing smaller than the teacher: give a "
            "share below 100%"
        )
    if not unit:
        unit = "macs" if scale in ("%", "g", "G") else "params"
    if unit == "ms":
        return budget.Request("latency_ms", number + scale.replace("m", ""))
    if unit == "b":
        value *= _SCALES[scale.lower()] / _BYTES
        return budget.Request("params", f"{value:.0f}")
    return budget.Request(unit, number + scale)


def read_all(text: str) -> dict[str, budget.Request]:
    """Returns {as written: what it asks for} of limits separated by commas.

    Raises:
      ValueError: none, one that `read` refuses, or two alike.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError("no budget given: --budget=25%, or several: 50%,25%,12%")
    found = {part: read(part) for part in parts}
    if len(set(found.values())) < len(parts):
        raise ValueError(f"budget {text!r} names the same limit twice")
    return found
