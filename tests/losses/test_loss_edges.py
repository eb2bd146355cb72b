"""Losses at their edges: 0, 1, huge and equal values, for the value and for its slope."""

import numpy as np
import pytest
import tensorflow as tf

from tuner_app import losses


def gradient(loss, y, p):
    p = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = loss(tf.constant(y), p)
    return value.numpy(), tape.gradient(value, p).numpy()


SURE = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
FROM_PROBABILITIES = {
    "categorical": (losses.CategoricalCrossEntropy(), SURE),
    "categorical smoothed": (losses.CategoricalCrossEntropy(label_smoothing=0.1), SURE),
    "sparse": (losses.SparseCategoricalCrossEntropy(), np.array([0, 1])),
    "binary": (losses.BinaryCrossEntropy(), SURE),
    "kl": (losses.KLDivergence(), SURE),
    "focal": (losses.CategoricalFocal(), SURE),
    "focal of gamma 0": (losses.CategoricalFocal(gamma=0.0), SURE),
    "focal of gamma one half": (losses.CategoricalFocal(gamma=0.5), SURE),
    "binary focal": (losses.BinaryFocal(alpha=0.5), SURE),
    "poly": (losses.CategoricalPoly(), SURE),
    "poly of gamma one half": (losses.CategoricalPoly(gamma=0.5), SURE),
    "generalized": (losses.GeneralizedCrossEntropy(q=0.7), SURE),
    "generalized of q = 0": (losses.GeneralizedCrossEntropy(q=0.0), SURE),
    "symmetric": (losses.SymmetricCrossEntropy(), np.array([0, 1])),
    "dice": (losses.Dice(), SURE),
}


@pytest.mark.parametrize("name", FROM_PROBABILITIES)
def test_probabilities_of_exactly_0_and_1(name):
    loss, y = FROM_PROBABILITIES[name]
    value, slope = gradient(loss, y, SURE)  # right, and sure of it
    assert np.isfinite(slope).all()
    if loss.get_config().get("label_smoothing", 0) == 0:
        assert abs(value) < 1e-6
    value, slope = gradient(loss, y, SURE[::-1].copy())  # wrong, and sure of it
    assert np.isfinite(slope).all()
    assert 0.5 < value < 20
    # A larger probability of the true class would lower the loss.
    assert (slope[[0, 1], [0, 1]] < 0).all()


FROM_LOGITS = {
    "categorical": (losses.CategoricalCrossEntropy(from_logits=True), SURE, 1000.0),
    "sparse": (losses.SparseCategoricalCrossEntropy(from_logits=True), np.array([0, 1]), 1000.0),
    "binary": (losses.BinaryCrossEntropy(from_logits=True), SURE, 500.0),
    "kl": (losses.KLDivergence(from_logits=True), SURE, 1000.0),
    "focal": (losses.CategoricalFocal(from_logits=True, alpha=1.0), SURE, 1000.0),
    "binary focal": (losses.BinaryFocal(from_logits=True, alpha=0.5), SURE, 250.0),
    "poly": (losses.CategoricalPoly(from_logits=True, epsilon=2.0), SURE, 1002.0),
    "generalized of q = 0": (
        losses.GeneralizedCrossEntropy(from_logits=True, q=0.0),
        SURE,
        1000.0,
    ),
    "symmetric": (losses.SymmetricCrossEntropy(from_logits=True), SURE, 104.0),
}


@pytest.mark.parametrize("name", FROM_LOGITS)
def test_logits_far_from_zero(name):
    loss, y, expected = FROM_LOGITS[name]
    logits = 500 * (2 * SURE - 1)
    value, slope = gradient(loss, y, logits)
    assert value < 1e-6 and np.isfinite(slope).all()
    value, slope = gradient(loss, y, logits[::-1].copy())
    assert np.isclose(value, expected) and np.isfinite(slope).all()
    assert (slope[[0, 1], [0, 1]] < 0).all()


@pytest.mark.parametrize("size", [1e15, 1e30])
@pytest.mark.parametrize("name", FROM_LOGITS)
def test_huge_logits(name, size):
    loss, y, _ = FROM_LOGITS[name]
    value, slope = gradient(loss, y, np.float32(size) * (2 * SURE - 1))
    assert value == 0 and np.isfinite(slope).all()


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
def test_generalized_cross_entropy_of_huge_logits(q):
    loss = losses.GeneralizedCrossEntropy(from_logits=True, q=q)
    for wrong, expected in ((1e4, None), (1e30, None), (-1e30, 0.0)):
        value, slope = gradient(loss, [[1.0, 0.0]], [[0.0, np.float32(wrong)]])
        # (1 − p^q) / q, and −log p where q is 0
        expected = (wrong if q == 0 else 1 / q) if expected is None else expected
        assert np.isclose(value, expected)
        # −p^q (1 − p), and its opposite
        steep = q == 0 and wrong > 0
        assert np.allclose(slope, [[-1.0, 1.0]] if steep else 0.0)


def test_binary_slope_at_a_logit_of_zero():
    _, slope = gradient(losses.BinaryCrossEntropy(from_logits=True), [[1.0]], [[0.0]])
    assert np.allclose(slope, -0.5)  # σ(0) − 1


def test_a_negative_amount_has_a_slope_back():
    value, slope = gradient(losses.SquaredLogarithmicError(), [[0.0]], [[-3.0]])
    assert np.isclose(value, 9.0) and np.isclose(slope[0, 0], -6.0)


def test_absolute_error_has_no_slope_at_its_minimum():
    assert gradient(losses.MeanAbsoluteError(), [[2.0]], [[2.0]])[1] == 0


@pytest.mark.parametrize("error", [1e-4, 1e-3, 0.5, 1.5, 30.0, -1e30])
def test_log_cosh_to_its_last_digits(error):
    value, slope = gradient(losses.LogCosh(), [[0.0]], [[error]])
    e = np.abs(np.float64(np.float32(error)))
    expected = 0.5 * np.log1p(np.sinh(e) ** 2) if e < 20 else e - np.log(2)
    assert np.isclose(value, expected, rtol=1e-6)
    assert np.isclose(slope[0, 0], np.tanh(np.float64(error)), rtol=1e-5)


def test_equal_values_have_no_slope():
    for loss in (losses.Huber(), losses.LogCosh(), losses.Quantile(level=0.9)):
        value, slope = gradient(loss, [[2.0]], [[2.0]])
        assert value == 0 and slope == 0
    for loss, number in ((losses.Contrastive(), 2), (losses.Triplet(), 3)):
        for y in (0.0, 1.0):
            value, slope = gradient(loss, [y], np.ones((1, number, 2), "float32"))
            assert np.isfinite(value) and (slope == 0).all()
    value, slope = gradient(losses.CosineDistance(), [[1.0, 2.0]], [[1.0, 2.0]])
    assert np.allclose(value, 0, atol=1e-6) and np.allclose(slope, 0, atol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1.0, 1e15, 1e30])
def test_contrastive_and_triplet_of_any_size(size):
    pair = [[[0.0, 0.0], [3 * size, 4 * size]]]
    value, slope = gradient(losses.Contrastive(margin=0.0), [1.0], pair)
    assert np.isclose(value, 25 * size**2 if size < 1e18 else np.inf, atol=1e-37)
    assert np.allclose(slope, [[[-6 * size, -8 * size], [6 * size, 8 * size]]], rtol=1e-6, atol=0)
    value, slope = gradient(losses.Contrastive(margin=0.0), [0.0], pair)
    assert value == 0 and (slope == 0).all()
    far = [[[0.0], [size], [2 * size]]]  # the other is farther, by 3 size²
    value, slope = gradient(losses.Triplet(margin=0.0), [0.0], far)
    assert value == 0 and (slope == 0).all()
    near = [[[0.0], [2 * size], [size]]]
    value, slope = gradient(losses.Triplet(margin=0.0), [0.0], near)
    assert np.isfinite(slope).all()
    if 1e-15 < size < 1e18:  # both squares vanish below, and beyond are taken for equal
        assert np.isclose(value, 3 * size**2, atol=1e-37)
        assert np.allclose(slope, [[[-2 * size], [4 * size], [-2 * size]]], rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1.0, 1e30])
def test_cosine_distance_of_any_length(size):
    value, slope = gradient(losses.CosineDistance(), [[1.0, 0.0]], [[3 * size, 4 * size]])
    assert np.isclose(value, 1 - 0.6)
    # Towards the truth, by sin θ over the length
    expected = np.array([-16 / 125, 12 / 125]) / np.float32(size)
    assert np.allclose(slope[0] / expected, 1, rtol=1e-5)


def test_the_zero_vector_is_at_distance_1():
    value, slope = gradient(losses.CosineDistance(), [[1.0, 0.0]], [[0.0, 0.0]])
    assert value == 1 and np.isfinite(slope).all()


def test_poisson_at_rates_that_are_none_and_at_huge_logits():
    for rate in (0.0, -1.0):
        value, slope = gradient(losses.Poisson(), [[1.0]], [[rate]])
        assert np.isfinite(value) and slope[0, 0] < -1e6  # back up, and fast
    assert gradient(losses.Poisson(), [[0.0]], [[0.0]])[1] == 1
    value, slope = gradient(losses.Poisson(from_logits=True), [[1.0]], [[1000.0]])
    assert np.isclose(value, 961 * np.exp(40)) and np.isclose(slope[0, 0], np.exp(40))


def test_poisson_where_its_terms_have_no_room_in_float32():
    logits = [-3e38, -1e30, -100.0, 0.0, 40.0, 70.0, 88.0, 1e3, 1e30, 3e38]
    y, z = (a.ravel() for a in np.meshgrid([0, 1, 1e15, 2e17, 1e18, 1e25, 1e30, 3e38], logits))
    y, z = np.float32(y), np.float32(z)
    loss = losses.Poisson(from_logits=True, reduction="none")
    value, slope = gradient(loss, y[:, None], z[:, None])
    # In float64: e^z − y z, from `end` on its tangent.
    y, z = np.minimum(y.astype("float64"), 1e30), z.astype("float64")
    end = np.maximum(40, 1 + np.log(np.maximum(y, 1)))
    near, steep = np.minimum(z, end), np.exp(np.minimum(z, end)) - y
    want = np.exp(near) - y * near + np.maximum(z - end, 0) * steep
    with np.errstate(over="ignore"):
        want = want.astype("float32")  # inf, where there is no room for the sum
    # e^z to a float's rounding of z, of which the difference from y may leave little
    near_enough = 1e-5 * (np.exp(near) + y) + 1e-37
    wrong = ~np.isclose(value, want, rtol=1e-4, atol=50 * near_enough)
    assert not wrong.any(), (y[wrong], z[wrong], value[wrong], want[wrong])
    assert np.all(abs(slope[:, 0] - steep) <= near_enough)
    # Over outputs and over a batch nothing cancels to NaN.
    together = losses.Poisson(from_logits=True)
    value, slope = gradient(together, np.float32(y)[None], np.float32(z)[None])
    assert value == np.inf and np.isfinite(slope).all()
    value, slope = gradient(losses.Poisson(), np.float32([[0.0, 3e38]]), np.float32([[-3e38, 9.0]]))
    assert np.isfinite(value) and slope[0, 0] == 0.5 and slope[0, 1] < 0


@pytest.mark.parametrize("loss", [losses.Dice(), losses.Dice(smooth=0.0), losses.Tversky()])
def test_an_empty_region(loss):
    for p, expected in ((np.zeros((1, 2, 2, 1)), 0.0), (np.ones((1, 2, 2, 1)), 2 / 2.5)):
        value, slope = gradient(loss, np.zeros((1, 2, 2, 1), "float32"), p.astype("float32"))
        if p.any() and loss.smooth == 0:
            expected = 1.0
        elif p.any():
            expected = 2 / (2 + (0.5 if isinstance(loss, losses.Dice) else 1))
        assert np.isclose(value, expected) and np.isfinite(slope).all()
