"""What decides a score besides the images: kept with it, compared before scores are.

A score is a dict: metric, value, values, floor, protocol, seconds. Two scores may stand
side by side only where their protocols agree.
"""

# What may differ between compared scores: it names what was measured, not how.
SUBJECT = ("generated", "seed", "package_version")
# ... but of the subject, these change the meaning of the number.
_OF_SUBJECT = ("batch_norm", "labels", "noise", "truncation", "weights")


def differences(first: dict, second: dict) -> list[str]:
    """Returns what differs between how two scores were measured.

    Args:
      first, second: protocols of scores of the same metric.

    Returns:
      'name: a against b' for each entry that would make a comparison meaningless.
    """
    left, right = _measured_by(first), _measured_by(second)
    for key in left.keys() ^ right.keys():
        if key.startswith("generated."):  # one of them has no such thing
            left.pop(key, None)
            right.pop(key, None)
    return [
        f"{key}: {left.get(key)!r} against {right.get(key)!r}"
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _measured_by(protocol):
    flat = {}
    for key, value in protocol.items():
        if key == "generated":
            flat |= {f"generated.{k}": value.get(k) for k in _OF_SUBJECT if k in value}
        elif isinstance(value, dict):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        elif key not in SUBJECT:
            flat[key] = value
    return flat


def require_comparable(scores: list[dict], force: bool = False) -> None:
    """Checks that scores may stand in one table or plot.

    Args:
      scores: any number; scores of different metrics are not compared.
      force: accept all the same.

    Raises:
      ValueError: two scores of a metric have different protocols; names the difference.
    """
    first: dict[str, dict] = {}
    for score in scores:
        other = first.setdefault(score["metric"], score)
        found = differences(other["protocol"], score["protocol"])
        if found and not force:
            raise ValueError(
                f"two scores of {score['metric']} were not made the same way ("
                f"{'; '.join(found)}): evaluate both with one protocol, or use --force"
            )
