"""Penalties against the equation in float64 NumPy and against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app.regularization import L1L2, l1, l2

FLOAT32 = 1e-7  # strengths are float32 numbers, also where the weights are float64
WEIGHTS = np.random.default_rng(0).normal(size=(7, 5))


@pytest.mark.parametrize("strengths", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
def test_value_and_gradient_follow_the_equation(strengths):
    first, second = strengths
    weights = tf.Variable(WEIGHTS, dtype="float64")
    with tf.GradientTape() as tape:
        value = L1L2(first, second)(weights)
    expected = first * np.abs(WEIGHTS).sum() + second * (WEIGHTS**2).sum()
    np.testing.assert_allclose(value, expected, rtol=FLOAT32)
    gradient = first * np.sign(WEIGHTS) + second * 2 * WEIGHTS
    np.testing.assert_allclose(tape.gradient(value, weights), gradient, rtol=FLOAT32, atol=1e-15)


@pytest.mark.parametrize(
    "ours, keras_own",
    [
        (l1(0.3), keras.regularizers.L1(0.3)),
        (l2(0.2), keras.regularizers.L2(0.2)),
        (L1L2(0.3, 0.2), keras.regularizers.L1L2(0.3, 0.2)),
    ],
)
def test_agrees_with_keras(ours, keras_own):
    weights = keras.ops.convert_to_tensor(WEIGHTS, dtype="float32")
    np.testing.assert_allclose(ours(weights), keras_own(weights), rtol=1e-6)


def test_strengths_are_read_when_called():
    penalty = L1L2(l2=0.1)
    penalty.l2 = 0.4
    np.testing.assert_allclose(penalty(keras.ops.array([1.0, 2.0])), 2.0, rtol=1e-6)


def test_one_trace_serves_every_strength():
    traces = []

    @tf.function
    def penalty(first, second):
        traces.append(1)
        regularizer = L1L2()
        regularizer.l1, regularizer.l2 = first, second
        return regularizer(tf.constant(WEIGHTS))

    for first, second in [(0.0, 0.0), (0.3, 0.2)]:
        value = penalty(tf.constant(first, tf.float64), tf.constant(second, tf.float64))
        expected = first * np.abs(WEIGHTS).sum() + second * (WEIGHTS**2).sum()
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)
    assert len(traces) == 1


def test_survives_serialization():
    config = keras.saving.serialize_keras_object(L1L2(0.3, 0.2))
    assert config["registered_name"] == "tuner_app>L1L2"
    assert keras.saving.deserialize_keras_object(config).get_config() == {"l1": 0.3, "l2": 0.2}


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_refuses_what_is_no_strength(wrong):
    with pytest.raises(ValueError, match="l2=.*expected a number at least 0"):
        L1L2(l2=wrong)
