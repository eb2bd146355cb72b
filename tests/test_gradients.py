"""Numeric gradients, gradient checks, random search, and gradient descent by hand."""

import keras
import numpy as np
import pytest

from tuner_app import gradients, losses, optimizers, random_weights
from tuner_app.errors import UserError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3))
LABELS = RNG.integers(0, 2, 10)


def make_model(dtype="float32"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(30, "tanh", kernel_regularizer="l2", dtype=dtype),
            keras.layers.Dropout(0.5, dtype=dtype),
            keras.layers.Dense(2, dtype=dtype),
        ]
    )
    model.layers[-1].bias.assign([0.3, -0.2])
    return model


LOSS = losses.SparseCategoricalCrossEntropy(from_logits=True)


def test_numeric_gradient_of_a_known_function():
    x = RNG.normal(size=(2, 3)) * 10
    numeric = gradients.numeric_gradient(lambda x: np.sin(x).sum() + x[0, 0] * x[1, 2], x)
    exact = np.cos(x)
    exact[0, 0] += x[1, 2]
    exact[1, 2] += x[0, 0]
    assert np.allclose(numeric, exact, rtol=1e-6, atol=1e-8)
    some = gradients.numeric_gradient(lambda x: (x**2).sum(), x, coordinates=[4, 1])
    assert np.allclose(some, 2 * x.reshape(-1)[[4, 1]])


def test_a_right_gradient_passes_and_a_wrong_one_is_found():
    x = np.array([1.0, 2.0])
    right = gradients.check_gradient(lambda x: (x**3).sum(), 3 * x**2, x)
    assert right.ok and right.relative_error < 1e-8
    wrong = gradients.check_gradient(lambda x: (x**3).sum(), 2 * x**2, x, name="cube")
    # a = 2x², n = 3x²: the relative error is (3 − 2) / (3 + 2).
    assert not wrong.ok and np.isclose(wrong.relative_error, 0.2)
    assert np.isclose(wrong.largest_difference, 4.0)
    assert str(wrong) == "cube: WRONG, relative error 2.0e-01 (up to 1e-06) on 2 of 2"
    with pytest.raises(UserError, match=r"shape \(1,\) and the point \(2,\)"):
        gradients.check_gradient(np.sum, np.ones(1), x)


def test_a_model_in_float64_passes_sharply():
    model = make_model("float64")
    before = model.get_weights()
    reports = gradients.check_model_gradient(model, LOSS, X, LABELS, numbers_per_variable=15)
    assert [report.name for report in reports] == [v.path for v in model.trainable_variables]
    assert [(report.checked, report.size) for report in reports] == [
        (15, 90),
        (15, 30),
        (15, 60),
        (2, 2),
    ]
    assert all(report.ok and report.relative_error < 1e-7 for report in reports)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_model_in_float32_passes():
    reports = gradients.check_model_gradient(make_model(), LOSS, X.astype("float32"), LABELS)
    assert all(report.ok for report in reports)
    assert {report.tolerance for report in reports} == {2e-2}


def test_a_layer_with_a_wrong_gradient_is_found():
    class Halved(keras.layers.Layer):
        """y = x, whose gradient it halves."""

        def call(self, x):
            return 0.5 * x + keras.ops.stop_gradient(0.5 * x)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, dtype="float64"),
            Halved(dtype="float64"),
            keras.layers.Dense(2, dtype="float64"),
        ]
    )
    reports = gradients.check_model_gradient(model, LOSS, X, LABELS)
    assert [report.ok for report in reports] == [False, False, True, True]
    assert np.isclose(reports[0].relative_error, 1 / 3)  # (1 − ½) / (1 + ½)


def test_random_search_keeps_the_best_and_the_seed_decides():
    def loss(p):
        return float(((p[0] - 1) ** 2).sum() + ((p[1] + 2) ** 2).sum())

    start = [np.zeros((2, 2)), np.zeros(1)]
    found = random_weights.random_search(loss, start, tries=300, scale=0.3, local=True, seed=1)
    assert found.history[0] == 8.0 and len(found.history) == 301
    assert (np.diff(found.history) <= 0).all()
    assert found.loss == found.history[-1] == loss(found.point) < 0.2
    again = random_weights.random_search(loss, start, tries=300, scale=0.3, local=True, seed=1)
    assert again.history == found.history
    other = random_weights.random_search(loss, start, tries=300, scale=0.3, local=True, seed=2)
    assert other.history != found.history
    # Around 0 with a small scale no point reaches the minimum; around the best one does.
    assert random_weights.random_search(loss, start, tries=300, scale=0.3, seed=1).loss > 2


def test_random_search_passes_over_nan():
    values = iter([float("nan"), 3.0, float("nan"), 2.0])
    found = random_weights.random_search(lambda p: next(values), [np.zeros(1)], tries=3, scale=1.0)
    assert found.loss == 2.0
    with pytest.raises(UserError, match="tries ≥ 1"):
        random_weights.random_search(sum, [np.zeros(1)], tries=0, scale=1.0)


def test_random_search_over_a_model_leaves_it_with_the_best_weights():
    model = make_model()
    x = X.astype("float32")
    found = random_weights.random_search_model(
        model, LOSS, x, LABELS, tries=20, scale=0.05, local=True, seed=0
    )
    assert found.loss < found.history[0]
    value = float(LOSS(LABELS, model(x))) + float(sum(model.losses))
    assert np.isclose(value, found.loss, rtol=1e-6)


def test_batch_gradient_descent_on_a_square():
    """W² from 4 at rate 0.3: the factor 1 − 2 · 0.3 = 0.4 a step, by hand and by the optimizer."""
    w = keras.Variable([4.0])
    optimizer = optimizers.SGD(learning_rate=0.3)
    by_optimizer, by_hand, x = [], [], np.array([4.0])
    for _ in range(4):
        optimizer.apply([2 * w], [w])
        by_optimizer.append(float(w.numpy()[0]))
        x = x - 0.3 * gradients.numeric_gradient(lambda x: x[0] ** 2, x)
        by_hand.append(x[0])
    assert np.allclose(by_optimizer, [1.6, 0.64, 0.256, 0.1024], rtol=1e-6)
    assert np.allclose(by_hand, [1.6, 0.64, 0.256, 0.1024], rtol=1e-6)
