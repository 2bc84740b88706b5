"""Several hosts: who they are, who is missing, and one training on two of them."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dglgan_tf.compat import tf
from dglgan_tf.devices import hosts, strategies

REPOSITORY = Path(__file__).resolve().parents[2]


def config(cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_tf_config():
    two = ["a:1", "b:2"]
    found = hosts.from_environment(config({"worker": two}, index=1))
    assert found == hosts.Hosts(("a:1", "b:2"), 1) and not found.is_chief
    found = hosts.from_environment(config({"chief": ["c:9"], "worker": two}, index=1))
    assert found == hosts.Hosts(("c:9", "a:1", "b:2"), 2)
    found = hosts.from_environment(config({"chief": ["c:9"], "worker": two}, "chief"))
    assert found.is_chief
    assert hosts.from_environment(config({"worker": ["a:1"]})) is None
    assert hosts.from_environment({}) is None


def test_slurm():
    variables = {
        "SLURM_STEP_NUM_TASKS": "6",
        "SLURM_STEP_NODELIST": "gpu[08-10,3],login",
        "SLURM_STEP_TASKS_PER_NODE": "2,1(x4)",
        "SLURM_PROCID": "2",
    }
    found = hosts.from_environment(variables)
    names = [address.split(":")[0] for address in found.addresses]
    assert names == ["gpu08", "gpu08", "gpu09", "gpu10", "gpu3", "login"]
    assert found.addresses[1].endswith(str(hosts.PORT + 1)) and found.index == 2
    assert hosts.from_environment({**variables, "SLURM_STEP_NUM_TASKS": "1"}) is None
    for name, value, words in (
        ("SLURM_STEP_NUM_TASKS", "zz", "SLURM_STEP_NUM_TASKS='zz' must be a number"),
        ("SLURM_PROCID", "-1", "SLURM_PROCID='-1' must be a number"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(x", "is not a list such as 2"),
        ("SLURM_STEP_TASKS_PER_NODE", "2", "names 5 nodes and"),
        ("SLURM_STEP_TASKS_PER_NODE", "99999(x5)", "tasks of 5 .499995 in all"),
        ("SLURM_STEP_NODELIST", "gpu[0-x]", "is not a list such as gpu"),
        ("SLURM_STEP_NODELIST", "gpu[0-999999999]", "is not a list such as gpu"),
    ):
        with pytest.raises(ValueError, match=words):
            hosts.from_environment({**variables, name: value})
    del variables["SLURM_PROCID"]
    with pytest.raises(ValueError, match="SLURM_PROCID is not set.*srun"):
        hosts.from_environment(variables)


@pytest.mark.parametrize(
    "variables, words",
    [
        ({"TF_CONFIG": "{"}, "is not the JSON"),
        ({"TF_CONFIG": "[]"}, "is not the JSON"),
        (config({"worker": ["a:1", "a:1"]}), "must differ"),
        (config({"worker": ["a", "b"]}), "must be NAME:PORT"),
        (config({"worker": ["a:1", "b:1"]}, index=2), "out of range"),
        (config({"worker": ["a:1", "b:1"], "ps": ["c:1"]}), "only 'chief' and"),
        (config({"worker": ["a:1", "b:1"]}, "evaluator"), "only 'chief' and"),
    ],
)
def test_variables_that_do_not_fit(variables, words):
    with pytest.raises(ValueError, match=words):
        hosts.from_environment(variables)


def ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return tuple(f"127.0.0.1:{port}" for port in found)


def meet(addresses, index, seconds, said):
    try:
        hosts.meet(hosts.Hosts(addresses, index), seconds)
        said[index] = "met"
    except ConnectionError as error:
        said[index] = str(error)


def together(addresses, present, seconds):
    said = {}
    threads = [
        threading.Thread(target=meet, args=(addresses, i, seconds, said))
        for i in present
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def test_hosts_meet_or_name_who_is_missing():
    three = ports(3)
    assert together(three, [0, 1, 2], 30) == {0: "met", 1: "met", 2: "met"}
    said = together(three, [0, 1], 1.0)
    assert said[0] == said[1] and said[0].startswith(f"host 2 ({three[2]}) did not")
    said = together(three, [2], 0.5)
    assert said[2].startswith(f"host 0 ({three[0]}) did not come within 0 s")
    assert hosts.unreachable(hosts.Hosts(three, 0), 0.5) == [1, 2]


def test_a_reduction_that_hangs_is_ended(logical_devices, monkeypatch):
    pair = tf.distribute.MirroredStrategy(
        logical_devices[:2], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    strategies.check(pair, 60)
    monkeypatch.setattr(type(pair), "reduce", lambda *a, **k: time.sleep(5))
    with pytest.raises(ConnectionError, match="over 2 replicas gave None within 0 s"):
        strategies.check(pair, 0.3)
    with pytest.raises(ZeroDivisionError):
        strategies.within(lambda: 1 / 0, 5)


def test_devices_and_hosts_exclude_each_other():
    two = hosts.Hosts(("a:1", "b:1"), 0)
    with pytest.raises(ValueError, match="exclude each other"):
        strategies.make(["CPU:0"], two)


@pytest.mark.slow
def test_two_hosts_equal_two_replicas():
    done = subprocess.run(
        [
            sys.executable, "proofs/two_hosts.py", "--family=smallest", "--steps=4",
            "--nokill", "--patience_seconds=250",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 steps on two hosts differ from one process" in done.stdout
