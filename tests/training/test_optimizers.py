"""Optimizers: closed-form steps, the lazy correction, state, clear errors."""

import gin
import numpy as np
import pytest

from dglgan_tf import compat
from dglgan_tf.compat import tf
from dglgan_tf.training import optimizers


@pytest.fixture
def addons():
    """Skips where tensorflow-addons cannot be installed (Python 3.12 and later)."""
    try:
        return compat.tensorflow_addons()
    except ImportError as error:
        pytest.skip(str(error))


def test_lazy_correction_gives_the_published_numbers():
    rate, betas = optimizers.lazy_correction(0.002, (0.0, 0.99), 4)
    assert (rate, betas[0]) == (pytest.approx(0.0016), 0.0)
    assert betas[1] == pytest.approx(0.99199, abs=1e-5)
    rate, betas = optimizers.lazy_correction(0.002, (0.0, 0.99), 16)
    assert rate == pytest.approx(0.0018824, abs=1e-7)
    assert betas[1] == pytest.approx(0.990585, abs=1e-6)
    assert optimizers.lazy_correction(0.1, (0.5,), 0) == (0.1, (0.5,))


@pytest.mark.parametrize("interval", [-1, 1.5])
def test_lazy_correction_refuses_odd_intervals(interval):
    with pytest.raises(ValueError, match="reg_interval_steps="):
        optimizers.lazy_correction(0.1, (0.5,), interval)


def adam_reference(gradients, rate, beta_1, beta_2, epsilon):
    """The Keras and TensorFlow 1 form, in float64."""
    m = v = value = 0.0
    for t, g in enumerate(gradients, 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        corrected = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        value -= corrected * m / (np.sqrt(v) + epsilon)
    return value


@pytest.mark.parametrize("interval", [0, 4])
def test_adam_follows_the_closed_form(interval):
    gradients, epsilon = [0.3, -1.0, 2e-3, 0.5], 1e-2
    optimizer = optimizers.adam(0.1, 0.5, 0.9, epsilon, interval)
    variable = tf.Variable(0.0)
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
    rate, betas = optimizers.lazy_correction(0.1, (0.5, 0.9), interval)
    expected = adam_reference(gradients, rate, *betas, epsilon)
    assert float(variable) == pytest.approx(expected, rel=1e-4)


def test_sgd_is_linear_in_the_gradient():
    variable = tf.Variable(1.0)
    optimizer = optimizers.sgd(0.5, reg_interval_steps=3)
    optimizer.apply_gradients([(tf.constant(2.0), variable)])
    assert float(variable) == pytest.approx(1.0 - 0.5 * 0.75 * 2.0)


def test_adamw_shrinks_weights_without_a_gradient():
    variable = tf.Variable(2.0)
    optimizer = optimizers.adamw(0.1, weight_decay=0.5)
    optimizer.apply_gradients([(tf.constant(0.0), variable)])
    assert float(variable) == pytest.approx(2.0 * (1 - 0.1 * 0.5))


def test_addons_optimizer_steps_and_takes_the_correction(addons):
    del addons
    optimizer = optimizers.addons("SGDW", 0.5, {"weight_decay": 0.1}, 1)
    variable = tf.Variable(1.0)
    optimizer.apply_gradients([(tf.constant(2.0), variable)])
    # Decoupled decay first, then the step with half the rate (k = 1).
    assert float(variable) == pytest.approx(1.0 - 0.1 * 1.0 - 0.25 * 2.0)
    lamb = optimizers.addons("LAMB", 0.1, {"beta_1": 0.25, "beta_2": 0.81}, 1)
    assert lamb.get_config()["beta_1"] == pytest.approx(0.5)
    assert lamb.get_config()["beta_2"] == pytest.approx(0.9)


def test_unknown_addons_name_lists_the_choices(addons):
    del addons
    with pytest.raises(ValueError, match="name='Lamb' is no optimizer.*LAMB"):
        optimizers.addons("Lamb")


def test_missing_addons_say_what_to_do(monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(compat.importlib, "import_module", refuse)
    with pytest.raises(ImportError, match="Choose an optimizer of Keras instead"):
        optimizers.addons("LAMB")


@pytest.mark.parametrize("kind", ["adam", "addons"])
def test_state_exists_before_the_first_step(kind, request):
    if kind == "addons":
        request.getfixturevalue("addons")
        optimizer = optimizers.addons("LAMB", 0.1)
    else:
        optimizer = optimizers.adam()
    variables = [tf.Variable([1.0, 2.0]), tf.Variable(3.0)]
    optimizers.build(optimizer, variables)
    before = [variable.shape for variable in optimizers.state(optimizer)]
    assert before.count(variables[0].shape) == 2
    optimizer.apply_gradients([(tf.ones_like(v), v) for v in variables])
    assert [variable.shape for variable in optimizers.state(optimizer)] == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be positive"),
        ({"beta_2": 1.0}, "beta_2=1.0 must be"),
    ],
)
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.adam(**arguments)


def test_gin_chooses_the_values():
    gin.parse_config("adam.learning_rate = 0.25\nadam.beta_2 = 0.5")
    optimizer = optimizers.adam()
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.beta_2 == 0.5


def test_adam_equals_that_of_keras_in_its_state_too():
    mine = optimizers.adam(0.05, 0.3, 0.9)
    theirs = compat.keras.optimizers.Adam(
        0.05, 0.3, 0.9, epsilon=1e-8, jit_compile=False
    )
    start, random = np.float32([[1.0, -2.0], [0.5, 3.0]]), np.random.RandomState(0)
    pair = [tf.Variable(start), tf.Variable(start)]
    for _ in range(3):
        gradient = tf.constant(random.standard_normal([2, 2]), tf.float32)
        for optimizer, variable in zip((mine, theirs), pair, strict=True):
            optimizer.apply_gradients([(gradient, variable)])
    np.testing.assert_allclose(pair[0], pair[1], rtol=1e-6)
    for a, b in zip(optimizers.state(mine), optimizers.state(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
