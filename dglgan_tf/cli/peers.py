"""Command lines of other tools said in our words: names of commands and of flags.

Of NVIDIA's tools, torch-fidelity and pytorch-fid. A name stands here only where it
means the same; what has no meaning here is left out with a note. Neither TensorFlow
nor a command's module is needed.
"""

from collections.abc import Mapping, Sequence

# Another tool's command: ours, what it implies, its flags that mean others there.
COMMANDS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "generate": ("sample", (), {}),
    "gen_images": ("sample", (), {}),
    "style_mixing": (
        "explore",
        ("--show=mixing",),
        {"rows": "seeds", "cols": "styles", "styles": "layers"},
    ),
    "projector": ("explore", ("--show=projection",), {}),
    "calc_metrics": ("evaluate", (), {}),
    "fidelity": ("evaluate", (), {}),
    "pytorch_fid": ("evaluate", (), {}),
    "dataset_tool": ("prepare", (), {}),
}
# Where the command has the second name and not the first.
_RENAMED = {
    "resume": "resume_from",
    "rows": "seeds",
    "cols": "styles",
    "target": "image",
    "num_steps": "search_steps",
    "seed": "seeds",
    "input1": "images",
    "input2": "data",
    "batch_size": "batch",
}
_NOTHING = {("metrics", "none"): "--metrics=", ("resume", "noresume"): None}
# torch-fidelity's switches: the metrics they ask for, on all images.
_METRICS = {"fid": "fid", "isc": "is", "kid": "kid", "prc": "pr"}
_NETWORKS = (
    "ffhq256", "ffhq512", "ffhq1024", "celebahq256", "lsundog256",
)  # fmt: skip
# Without a meaning here: whether a value belongs to it.
_LEFT_OUT = {
    "allow_tf32": True,
    "cpu": False,
    "device": True,
    "fp32": True,
    "gpu": True,
    "gpus": True,
    "nhwc": True,
    "nobench": True,
    "num_workers": True,
    "save_video": True,
    "silent": False,
    "verbose": True,
    "workers": True,
}
_OF_A_SWITCH = {"yes": "true", "no": "false", "0": "0", "1": "1"}
_OF_A_SWITCH |= {word: word for word in ("true", "false", "True", "False")}


def command(name: str, arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    """Returns our command and arguments for another tool's; None for other names.

    Args:
      name: such as style-mixing or style_mixing.
      arguments: what follows it.
    """
    found = COMMANDS.get(name.replace("-", "_"))
    if found is None:
        return None
    ours, implied, renamed = found
    said = []
    for argument in arguments:
        flag, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and flag in renamed:
            argument = f"--{renamed[flag]}{equals}{value}"
        said.append(argument)
    return ours, [*implied, *said]


def translate(
    arguments: Sequence[str], known: Mapping[str, bool]
) -> tuple[list[str], list[str]]:
    """Returns arguments in our words, and a note for each that was left out.

    Dashes in names of flags become underscores, and a switch may have its value after
    a blank (`--mirror 1`). What nobody knows stays as it is.

    Args:
      arguments: without the command's name.
      known: {flag of the command: whether it is a switch}.

    Raises:
      ValueError: a name that stands for a file of NVIDIA's, or other features.
    """
    said, notes, metrics = [], [], []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*said, argument, *rest], notes
        if not argument.startswith("--"):
            said.append(argument)
            continue
        name, equals, value = argument[2:].partition("=")
        name, given = name.replace("-", "_"), value if equals else None
        if name in _METRICS and "metrics" in known and name not in known:
            metrics.append(_METRICS[name])
            continue
        ours = _ours(name, known)
        if ours is None:
            if name not in _LEFT_OUT and name != "dims":
                said.append(argument)
                continue
            if given is None and _takes_value(name, rest):
                given = rest.pop(0)
            notes.append(_left_out(name, given))
            continue
        if given is None and rest and _is_value(ours, known, rest[0]):
            given = rest.pop(0)
        said += _flag(name, ours, given, known)
    if metrics:
        said.append(f"--metrics={','.join(metrics)}")
    return said, notes


def _ours(name, known) -> str | None:
    """Returns the command's flag that a name means; None where it has none."""
    if name in known or (name.startswith("no") and known.get(name[2:])):
        return name
    other = _RENAMED.get(name)
    return other if other in known else None


def _is_value(ours, known, text) -> bool:
    """Whether the next argument belongs to a flag."""
    if ours not in known:  # --nomirror
        return False
    return text in _OF_A_SWITCH if known[ours] else True


def _takes_value(name, rest) -> bool:
    return bool(rest) and _LEFT_OUT.get(name, True) and not rest[0].startswith("-")


def _flag(name, ours, given, known) -> list[str]:
    """Returns a known flag with its value."""
    if (name, given) in _NOTHING:
        nothing = _NOTHING[name, given]
        return [] if nothing is None else [nothing]
    if name == "resume" and given in _NETWORKS:
        raise ValueError(
            f"--resume={given} names a file that NVIDIA's tool fetches: fetch that "
            "file, convert it (python -m dglgan_tf.convert) and name the result"
        )
    if given is None:
        return [f"--{ours}"]
    if known.get(ours):
        given = _OF_A_SWITCH.get(given, given)
    return [f"--{ours}={given}"]


def _left_out(name, given) -> str:
    if name == "dims" and given != "2048":
        raise ValueError(
            f"--dims={given}: features are the last ones of Inception-v3 (2048)"
        )
    shown = f"--{name}" + ("" if given is None else f"={given}")
    return f"{shown} has no meaning here and is left out"
