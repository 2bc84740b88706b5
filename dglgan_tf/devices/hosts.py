"""Several hosts in one training: who they are, whether they are all there.

Every host runs the same command. The first one, the chief, is the only one that writes;
the run directory must lie where all of them can read it.
"""

import dataclasses
import json
import re
import socket
import time
from collections.abc import Mapping

_MOST_TASKS = 65_536  # of a training
PORT = 12321  # where SLURM's tasks meet; further tasks of a node take the next ones


@dataclasses.dataclass(frozen=True)
class Hosts:
    """The hosts of a training.

    Attributes:
      addresses: 'name:port' of each, the chief first; the same on all hosts.
      index: which one this is.
    """

    addresses: tuple[str, ...]
    index: int

    def __post_init__(self):
        for address in self.addresses:
            if not re.fullmatch(r"\S+:\d{1,5}", str(address)):
                raise ValueError(f"host {address!r} must be NAME:PORT")
        if len(set(self.addresses)) != len(self.addresses):
            raise ValueError(f"hosts {list(self.addresses)} must differ")
        if not 0 <= self.index < len(self.addresses):
            raise ValueError(
                f"host index {self.index} is out of range: there are "
                f"{len(self.addresses)} hosts"
            )

    @property
    def is_chief(self) -> bool:
        """Whether this is the host that writes."""
        return self.index == 0

    def name(self, index: int) -> str:
        """Returns how messages call a host."""
        return f"host {index} ({self.addresses[index]})"


def from_environment(variables: Mapping[str, str]) -> Hosts | None:
    """Reads `TF_CONFIG`, else the variables that SLURM's srun sets.

    Args:
      variables: the process's environment.

    Returns:
      the hosts; None where one process trains alone.

    Raises:
      ValueError: variables that do not fit together.
    """
    if variables.get("TF_CONFIG"):
        return _from_tf_config(variables["TF_CONFIG"])
    if _number(variables, "SLURM_STEP_NUM_TASKS", 1) > 1:
        return _from_slurm(variables)
    return None


def _from_tf_config(text):
    try:
        config = json.loads(text)
        cluster = dict(config.get("cluster") or {})
        task = dict(config.get("task") or {"type": "worker", "index": 0})
        kind, index = task["type"], int(task["index"])
        chief, workers = list(cluster.pop("chief", [])), list(cluster.pop("worker", []))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"TF_CONFIG={text!r} is not the JSON of a cluster and a task"
        ) from error
    if cluster or kind not in ("chief", "worker"):
        raise ValueError(
            f"TF_CONFIG has {sorted(cluster) or kind}: only 'chief' and 'worker' train"
        )
    addresses = (*chief, *workers)
    if len(addresses) < 2:
        return None
    return Hosts(addresses, index + (len(chief) if kind == "worker" else 0))


def _from_slurm(variables):
    names = ("SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID")
    missing = [name for name in names if not variables.get(name)]
    if missing:
        raise ValueError(
            f"{missing[0]} is not set, though SLURM runs "
            f"{variables['SLURM_STEP_NUM_TASKS']} tasks: start them with srun"
        )
    nodes, tasks = (variables[name] for name in names[:2])
    counts: list[int] = []
    for part in tasks.split(","):  # such as 2(x3),1
        found = re.fullmatch(r"(\d{1,5})(?:\(x(\d{1,5})\))?", part)
        if not found:
            raise ValueError(f"{names[1]}={tasks[:80]!r} is not a list such as 2(x3),1")
        counts += [int(found[1])] * int(found[2] or 1)
    found = _expanded(nodes)
    if len(found) != len(counts) or sum(counts) > _MOST_TASKS:
        raise ValueError(
            f"{names[0]} names {len(found)} nodes and {names[1]} the tasks of "
            f"{len(counts)} ({sum(counts)} in all): start them with srun"
        )
    addresses = [
        f"{node}:{PORT + task}"
        for node, count in zip(found, counts, strict=True)
        for task in range(count)
    ]
    return Hosts(tuple(addresses), _number(variables, names[2]))


def _number(variables, name, default=0) -> int:
    text = (variables.get(name) or str(default)).strip()
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(f"{name}={text[:80]!r} must be a number: start it with srun")
    return int(text)


def _expanded(nodes: str) -> list[str]:
    """Returns the names in a list of SLURM's such as 'gpu[01-03,7],login'."""
    found = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)?", nodes):
        match = re.fullmatch(r"([^\[]*)\[([^\]]*)\](.*)", part)
        if not match:
            found.append(part)
            continue
        before, numbers, after = match.groups()
        for item in numbers.split(","):
            first, _, last = item.partition("-")
            if not (first.isdigit() and (last or first).isdigit()) or (
                int(last or first) - int(first) >= _MOST_TASKS
            ):
                raise ValueError(
                    f"SLURM_STEP_NODELIST={nodes[:80]!r} is not a list such as "
                    "gpu[01-03,7]"
                )
            for number in range(int(first), int(last or first) + 1):
                found.append(f"{before}{number:0{len(first)}d}{after}")
    return found


def meet(hosts: Hosts, seconds: float = 300.0) -> None:
    """Waits until every host has come; the chief tells the others.

    A host that is missing would otherwise keep the others waiting for ever, without a
    word. Uses the hosts' own ports, before TensorFlow does.

    Raises:
      ConnectionError: names the hosts that did not come in time.
    """
    deadline = time.monotonic() + seconds
    missing = _wait_for_all(hosts, deadline) if hosts.is_chief else _report(
        hosts, deadline
    )  # fmt: skip
    if missing:
        names = ", ".join(hosts.name(index) for index in missing)
        raise ConnectionError(
            f"{names} did not come within {seconds:.0f} s: start the same command "
            "there, and see that its port can be reached from the other hosts"
        )


def _wait_for_all(hosts, deadline):
    port = int(hosts.addresses[0].rsplit(":", 1)[1])
    came: dict[int, socket.socket] = {}
    with socket.create_server(("", port)) as server:
        while len(came) < len(hosts.addresses) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
                connection.settimeout(5.0)
                came[int(connection.recv(16).decode())] = connection
            except (TimeoutError, OSError, ValueError):
                if time.monotonic() >= deadline:
                    break
        missing = sorted(set(range(1, len(hosts.addresses))) - set(came))
        for connection in came.values():
            with connection:
                connection.sendall(json.dumps(missing).encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)  # the other side closes first and keeps no port
    return missing


def _report(hosts, deadline):
    name, port = hosts.addresses[0].rsplit(":", 1)
    while time.monotonic() < deadline:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            with socket.create_connection((name, int(port)), timeout=left) as chief:
                chief.sendall(str(hosts.index).encode())
                chief.settimeout(left + 10.0)
                if answer := chief.recv(65536):
                    return json.loads(answer)
        except OSError:
            time.sleep(0.2)
    return [0]


def unreachable(hosts: Hosts, seconds: float = 2.0) -> list[int]:
    """Returns the hosts whose port does not answer now."""
    found = []
    for index, address in enumerate(hosts.addresses):
        name, port = address.rsplit(":", 1)
        if index == hosts.index:
            continue
        try:
            socket.create_connection((name, int(port)), timeout=seconds).close()
        except OSError:
            found.append(index)
    return found
