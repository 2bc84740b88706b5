"""Weights that do not fit a network, said in the words of whoever trains it."""

from collections.abc import Mapping

from dglgan_tf.networks import base

# Option: how its value is said; what is possible where the file's is {}.
_SAID = {
    "resolution": (
        "images of {} px",
        "train at {0} px (--resolution={0}, on data of that size)",
    ),
    "num_channels": (
        "{} colour channels",
        "give data of {0} channels (dglgan prepare --channels={0})",
    ),
    "num_classes": (
        "{} classes",
        "train with as many classes (--cond=0 for none), or leave the role out",
    ),
}
_WIDTHS = (
    "ch", "channels", "channel_base", "channel_max", "channels_fraction",
    "hidden_channels", "const_channels", "dense_width",
)  # fmt: skip


def describe(held: Mapping, network: base.Network) -> str | None:
    """Returns what differs, and what is possible; None where neither is known.

    Args:
      held: of a file's header: {'class': name, 'config': {option: value}}.
      network: which the weights do not fit.
    """
    ours, theirs = network.get_config(), held.get("config", {})
    kind = type(network).__name__
    if held.get("class", kind) != kind:
        return (
            f"it is a {held['class']}, the student a {kind}: start from weights "
            "of that family, or train its networks"
        )
    unlike = [name for name in ours if name in theirs and theirs[name] != ours[name]]
    for name, (words, possible) in _SAID.items():
        if name in unlike:
            said = [words.format(config[name]) for config in (theirs, ours)]
            return (
                f"it is for {said[0]}, the student for {said[1]}: "
                f"{possible.format(theirs[name])}"
            )
    if set(_WIDTHS) & set(unlike):
        return (
            f"its widths are others ({_values(unlike, theirs, ours)}): give the "
            "student the file's, or start a narrower student from the wider network "
            "by train.prune=@diversity_aware"
        )
    if unlike:
        return f"it has other options ({_values(unlike, theirs, ours)}): set the file's"
    return None


def _values(names, theirs, ours) -> str:
    return ", ".join(f"{name} {theirs[name]}, here {ours[name]}" for name in names)
