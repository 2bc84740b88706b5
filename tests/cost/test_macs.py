"""Counts against numbers worked out by hand."""

import csv
import io
import json

import numpy as np
import pytest
from support import toy_networks

from dglgan_tf.compat import tf
from dglgan_tf.cost import latency, macs, memory, tables
from dglgan_tf.networks import weightless


def test_toy_generator_is_counted_exactly():
    cost = macs.count(toy_networks.ToyGenerator(num_classes=3))
    rows = {row.path: row for row in cost.rows}
    assert list(rows) == ["embedding", "first", "blocks/0"]
    assert rows["embedding"].parameters == 3 * 5
    assert rows["embedding"].macs == 0
    assert rows["first"].parameters == 5 * 64 + 64
    assert rows["first"].macs == 5 * 64
    assert rows["first"].output_shape == (64,)
    assert rows["blocks/0"].parameters == 9 * 4
    assert rows["blocks/0"].macs == 16 * 9 * 4
    assert rows["blocks/0"].macs_output == 64 * 9 * 4
    assert rows["blocks/0"].output_bytes == 4 * 64
    assert cost.parameters == 15 + 384 + 36
    assert cost.macs == 320 + 576
    assert cost.macs_output == 320 + 2304
    assert cost.executed == cost.macs
    assert cost.network == "ToyGenerator"


def test_activations_of_a_chain_are_exact():
    # images 64 -> (reshape) -> matmul 1 -> + bias 1 -> [:, 0] 1, floats of 4 bytes
    cost = macs.count(toy_networks.ToyDiscriminator())
    assert cost.activation_bytes == 4 * (64 + 1 + 1 + 1)
    assert cost.peak_bytes == 4 * (64 + 1)


def test_weightless_networks_take_no_memory_and_are_counted():
    with weightless.weightless():  # 2 TiB of weights
        wide = toy_networks.ToyGenerator(z_dim=2**17, channels=2**18)
    size = 2**22
    assert macs.count(wide).parameters == 2**17 * size + size + 9 * 2**18
    assert wide.first.kernel.trainable


def test_counting_leaves_networks_alone():
    network = toy_networks.ToyGenerator(num_classes=3)
    z, labels = tf.ones([2, 5]), tf.constant([0, 2])
    before = network(z, labels).numpy()
    macs.count(network)
    np.testing.assert_array_equal(network(z, labels), before)
    np.testing.assert_array_equal(toy_networks.ToyGenerator()(z).shape, [2, 8, 8, 1])


def test_table_has_totals_layers_and_percentages():
    networks = {
        "teacher": toy_networks.ToyGenerator(channels=8),
        "student": toy_networks.ToyGenerator(channels=4),
    }
    lines = tables.compare(networks).splitlines()
    parameters = next(line for line in lines if line.startswith("parameters"))
    # teacher 5*128+128+72 = 840, student 5*64+64+36 = 420
    assert parameters.split() == ["parameters", "840", "420", "50.0"]
    layer = next(line for line in lines if line.startswith("blocks/0"))
    assert layer.split() == ("blocks/0 8x8x1 72 1.152 k 64.3 8x8x1 36 576 64.3".split())
    assert len({len(line) for line in lines[1:2]}) == 1
    assert "blocks/0" not in tables.compare(networks, layers=False)


def test_table_takes_networks_of_different_layers():
    text = tables.compare(
        {"g": toy_networks.ToyGenerator(), "d": toy_networks.ToyDiscriminator()}
    )
    line = next(line for line in text.splitlines() if line.startswith("dense"))
    assert line.split()[1:5] == ["-"] * 4


def test_csv_and_json_agree_with_the_count():
    network = toy_networks.ToyGenerator()
    cost = macs.count(network)
    rows = list(csv.DictReader(io.StringIO(tables.compare_csv({"g": network}))))
    assert [row["layer"] for row in rows] == ["first", "blocks/0", "total"]
    assert int(rows[-1]["macs"]) == cost.macs
    assert sum(int(row["parameters"]) for row in rows[:-1]) == cost.parameters
    loaded = json.loads(tables.compare_json({"g": network}))
    assert loaded["g"]["macs_output"] == cost.macs_output
    assert loaded["g"]["rows"][0]["path"] == "first"


@pytest.mark.parametrize(
    "value,text",
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (74.27e9, "74.27 G"),
        (30370060, "30.37 M"),
        (999_999, "1 M"),
    ],
)
def test_scaled_numbers(value, text):
    assert tables.scaled(value) == text


def test_memory_adds_up():
    cost = macs.count(toy_networks.ToyDiscriminator())
    parts = [
        memory.Part("student", cost, ema=True),
        memory.Part("teacher", cost, trained=False),
    ]
    found = memory.training_bytes(parts, microbatch=2)
    one = 4 * 65
    assert found == {
        "weights": 2 * one,
        "gradients": one,
        "optimizer": 2 * one,
        "ema": one,
        "activations": 2 * 2 * 4 * 67,
        "total": 6 * one + 16 * 67,
    }
    with pytest.raises(ValueError, match="microbatch=0"):
        memory.training_bytes(parts, microbatch=0)


def test_latency_interleaves_the_calls():
    import time

    order = []

    def call(name, seconds):
        def run():
            order.append(name)
            time.sleep(seconds)

        return run

    calls = {"a": call("a", 0.02), "b": call("b", 0.002)}
    times = latency.measure(calls, batch=4, rounds=3, warmup=1)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert times["a"].p50_ms >= 20 and times["b"].p50_ms >= 2
    assert times["a"].p95_ms >= times["a"].p50_ms
    assert times["a"].images_per_second == pytest.approx(4000 / times["a"].p50_ms)
    assert times["a"].calls == 3


def test_network_call_runs_generator_and_discriminator():
    generator = toy_networks.ToyGenerator(num_classes=3)
    assert latency.network_call(generator, batch=2)().shape == (2, 8, 8, 1)
    discriminator = toy_networks.ToyDiscriminator()
    assert latency.network_call(discriminator, batch=3)().shape == (3,)


def test_no_networks_is_an_error():
    with pytest.raises(ValueError, match="at least one network"):
        tables.compare({})


def test_time_of_each_layer_is_its_own_and_calls_stay_the_same():
    import time

    network = toy_networks.ToyGenerator()
    first = network.first
    original = first.call

    def slow(x):
        time.sleep(0.02)
        return original(x)

    first.call = slow
    times = latency.per_layer(network, rounds=2)
    assert set(times) == {"first", "blocks/0", "(network)"}
    assert times["first"] >= 20
    assert times["(network)"] < 20  # what is inside is not counted again
    assert "call" not in vars(network)
    text = tables.compare({"g": network}, layer_ms={"g": times})
    line = next(line for line in text.splitlines() if line.startswith("first"))
    assert float(line.split()[-1]) == pytest.approx(times["first"], rel=0.01)


def test_speedup_is_told_beside_the_macs_and_warned_about():
    wide = macs.count(toy_networks.ToyGenerator(channels=8))
    narrow = macs.count(toy_networks.ToyGenerator(channels=2))

    def times(milliseconds):
        return latency.Latency(milliseconds, milliseconds, 1.0, 1, 1)

    costs = {"teacher": wide, "student": narrow}
    (line,) = tables.speedups(costs, {"teacher": times(8.0), "student": times(2.0)})
    assert line.startswith("student: 4.00 times as fast as teacher")
    assert "4.00 times fewer" in line and "WARNING" not in line
    (line,) = tables.speedups(costs, {"teacher": times(8.0), "student": times(7.0)})
    assert "1.14 times as fast" in line and "WARNING" in line
    assert tables.speedups(costs, {}) == []
