"""Precomputed programs: same numbers, no work left on the weights."""

import numpy as np
import pytest
from support import deploy_networks

from dglgan_tf.compat import tf
from dglgan_tf.sampling import constants, sampler


def _specs(network):
    specs = [tf.TensorSpec([None, network.z_dim], tf.float32, "z")]
    if network.num_classes:
        specs.append(tf.TensorSpec([None], tf.int32, "labels"))
    return specs


def _inputs(network, count):
    z = np.random.RandomState(0).randn(count, network.z_dim).astype(np.float32)
    if not network.num_classes:
        return [tf.constant(z)]
    return [tf.constant(z), tf.range(count, dtype=tf.int32) % network.num_classes]


@pytest.mark.slow
@pytest.mark.parametrize("as_variables", [True, False])
@pytest.mark.parametrize("kind", ["biggan", "stylegan2"])
def test_program_gives_the_network_s_images(kind, as_variables):
    make = getattr(deploy_networks, f"{kind}_generator")
    network = make()
    program = constants.evaluate(
        lambda z, labels=None: {"images": sampler.generate(network, z, labels, None)},
        _specs(network),
    )
    weights = constants.Weights() if as_variables else None
    run = tf.function(constants.callable_of(program, weights), autograph=False)
    for count in (1, 3):
        inputs = _inputs(network, count)
        expected = sampler.generate(network, *inputs, *[None] * (3 - len(inputs)))
        np.testing.assert_allclose(run(*inputs)["images"], expected, atol=5e-6)


@pytest.mark.slow
def test_nothing_is_left_to_do_on_the_weights():
    network = deploy_networks.biggan_generator()
    program = constants.evaluate(
        lambda z, labels: network(z, labels, training=False), _specs(network)
    )
    operations = [node.op for node in program.graph_def.node]
    # the power steps, the box sums and the moments are gone: one product for each
    # linear layer and embedding, two for the attention
    assert operations.count("MatMul") == 1 + 1 + 2 * 6
    assert operations.count("BatchMatMulV2") == 2
    for gone in ("Rsqrt", "ReadVariableOp", "Transpose", "RealDiv"):
        assert gone not in operations
    up = [n for n in program.values.values() if n.shape[:2] == (4, 4) and n.ndim == 4]
    assert len(up) == 3  # kernels of the folded up-convolutions


def test_equal_values_are_held_once():
    weights = constants.Weights()
    first = weights.hold(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert weights.hold(np.arange(6, dtype=np.float32).reshape(2, 3)) is first
    assert weights.hold(np.arange(6, dtype=np.float32).reshape(3, 2)) is not first
    assert len(weights.variables()) == 2


def test_inputs_that_nothing_uses_and_constant_outputs():
    program = constants.evaluate(
        lambda a, b: (a + 1, tf.ones([2]) * 3),
        [tf.TensorSpec([2], name="a"), tf.TensorSpec([], name="b")],
    )
    run = tf.function(constants.callable_of(program), autograph=False)
    moved, constant = run(tf.constant([1.0, 2.0]), tf.constant(0.0))
    np.testing.assert_array_equal(moved, [2, 3])
    np.testing.assert_array_equal(constant, [3, 3])


def test_gathers_and_called_functions_are_folded_too():
    table = tf.Variable(np.arange(300, dtype=np.float32).reshape(100, 3))

    @tf.function
    def doubled(x):
        return 2 * x

    program = constants.evaluate(
        lambda i: tf.gather(doubled(table), i), [tf.TensorSpec([None], tf.int32, "i")]
    )
    (value,) = program.values.values()
    np.testing.assert_array_equal(value, 2 * table.numpy())
    run = tf.function(constants.callable_of(program), autograph=False)
    np.testing.assert_array_equal(run(tf.constant([5])), [2 * table.numpy()[5]])
