"""Every loss against float64 NumPy and SciPy, against Keras, at its edges, saved and stacked."""

import json

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tuner_app import losses
from tuner_app.errors import UserError

RNG = np.random.default_rng(0)
N, C = 6, 4
NUMBERS = RNG.normal(size=(N, C)) * 2
TARGETS = RNG.normal(size=(N, C))
AMOUNTS, PREDICTED_AMOUNTS = RNG.exponential(size=(2, N, C))
LABELS = RNG.integers(0, C, N)
ONE_HOT = np.eye(C)[LABELS]
SOFT = RNG.dirichlet(np.ones(C), N)
LOGITS = RNG.normal(size=(N, C)) * 3
PROBABILITIES = scipy.special.softmax(LOGITS, axis=-1)
YES = RNG.integers(0, 2, (N, C)).astype("float64")
SIGMOID = scipy.special.expit(LOGITS)

log = np.log


def smooth(y, s, classes=C):
    return (1 - s) * y + s / classes


def hinge(scores, margin):
    """One example and one class at a time."""
    return [
        sum(max(0, row[j] - row[y] + margin) for j in range(C) if j != y)
        for row, y in zip(scores, LABELS, strict=True)
    ]


def huber(e, delta):
    return np.where(abs(e) <= delta, 0.5 * e**2, delta * (abs(e) - 0.5 * delta)).mean(-1)


def binary(y, p):
    return -(y * log(p) + (1 - y) * log(1 - p)).mean(-1)


# loss, truth, prediction, expected value of each example, the same by Keras (or None)
K = keras.losses
ROWS = {
    "mse": (
        losses.MeanSquaredError(), TARGETS, NUMBERS,
        ((NUMBERS - TARGETS) ** 2).mean(-1), K.MeanSquaredError(),
    ),
    "l2": (
        losses.SumOfSquares(), TARGETS, NUMBERS, ((NUMBERS - TARGETS) ** 2).sum(-1), None,
    ),
    "mae": (
        losses.MeanAbsoluteError(), TARGETS, NUMBERS,
        abs(NUMBERS - TARGETS).mean(-1), K.MeanAbsoluteError(),
    ),
    "l1": (
        losses.SumOfAbsoluteErrors(), TARGETS, NUMBERS, abs(NUMBERS - TARGETS).sum(-1), None,
    ),
    "squared log": (
        losses.SquaredLogarithmicError(), AMOUNTS, PREDICTED_AMOUNTS,
        ((log(1 + PREDICTED_AMOUNTS) - log(1 + AMOUNTS)) ** 2).mean(-1),
        K.MeanSquaredLogarithmicError(),
    ),
    "huber": (
        losses.Huber(delta=0.7), TARGETS, NUMBERS, huber(NUMBERS - TARGETS, 0.7), K.Huber(0.7),
    ),
    "categorical": (
        losses.CategoricalCrossEntropy(), ONE_HOT, PROBABILITIES,
        -(ONE_HOT * log(PROBABILITIES)).sum(-1), K.CategoricalCrossentropy(),
    ),
    "categorical logits": (
        losses.CategoricalCrossEntropy(from_logits=True), SOFT, LOGITS,
        -(SOFT * log(PROBABILITIES)).sum(-1), K.CategoricalCrossentropy(from_logits=True),
    ),
    "categorical smoothed": (
        losses.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.2), ONE_HOT, LOGITS,
        -(smooth(ONE_HOT, 0.2) * log(PROBABILITIES)).sum(-1),
        K.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
    ),
    "sparse": (
        losses.SparseCategoricalCrossEntropy(), LABELS, PROBABILITIES,
        -log(PROBABILITIES[np.arange(N), LABELS]), K.SparseCategoricalCrossentropy(),
    ),
    "sparse logits": (
        losses.SparseCategoricalCrossEntropy(from_logits=True), LABELS[:, None], LOGITS,
        -log(PROBABILITIES[np.arange(N), LABELS]),
        K.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "sparse smoothed": (
        losses.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.2), LABELS, LOGITS,
        -(smooth(ONE_HOT, 0.2) * log(PROBABILITIES)).sum(-1), None,
    ),
    "binary": (
        losses.BinaryCrossEntropy(), YES, SIGMOID, binary(YES, SIGMOID), K.BinaryCrossentropy(),
    ),
    "binary logits": (
        losses.BinaryCrossEntropy(from_logits=True), YES, LOGITS, binary(YES, SIGMOID),
        K.BinaryCrossentropy(from_logits=True),
    ),
    "binary smoothed": (
        losses.BinaryCrossEntropy(label_smoothing=0.2), YES, SIGMOID,
        binary(smooth(YES, 0.2, 2), SIGMOID), K.BinaryCrossentropy(label_smoothing=0.2),
    ),
    "kl": (
        losses.KLDivergence(), SOFT, PROBABILITIES,
        scipy.special.rel_entr(SOFT, PROBABILITIES).sum(-1), K.KLDivergence(),
    ),
    "kl logits": (
        losses.KLDivergence(from_logits=True), ONE_HOT, LOGITS,
        scipy.special.rel_entr(ONE_HOT, PROBABILITIES).sum(-1), None,
    ),
    "hinge": (losses.MulticlassHinge(), LABELS, LOGITS, hinge(LOGITS, 1), None),
    "hinge one-hot": (
        losses.MulticlassHinge(margin=2.5), ONE_HOT, LOGITS, hinge(LOGITS, 2.5), None,
    ),
    "focal": (
        losses.CategoricalFocal(gamma=1.5), ONE_HOT, PROBABILITIES,
        -0.25 * (ONE_HOT * (1 - PROBABILITIES) ** 1.5 * log(PROBABILITIES)).sum(-1),
        K.CategoricalFocalCrossentropy(gamma=1.5),
    ),
    "focal logits": (
        losses.CategoricalFocal(from_logits=True), ONE_HOT, LOGITS,
        -0.25 * (ONE_HOT * (1 - PROBABILITIES) ** 2 * log(PROBABILITIES)).sum(-1),
        K.CategoricalFocalCrossentropy(from_logits=True),
    ),
}  # fmt: skip
every_row = pytest.mark.parametrize("name", ROWS)
WEIGHTS = np.arange(N) / 2


def test_every_loss_has_a_row():
    public = {getattr(losses, name) for name in losses.__all__}
    public = {c for c in public if isinstance(c, type) and issubclass(c, losses.ExampleLoss)}
    assert {type(row[0]) for row in ROWS.values()} == public - {losses.ExampleLoss}


@every_row
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-5)])
def test_value_of_each_example(name, dtype, tolerance):
    loss, y, p, expected, _ = ROWS[name]
    loss = type(loss).from_config(loss.get_config() | {"reduction": None, "dtype": dtype})
    value = np.asarray(loss(y.astype(dtype), p.astype(dtype)))
    assert value.shape == (N,)
    assert np.allclose(value, expected, rtol=tolerance, atol=tolerance)


@every_row
def test_mean_and_weighted_mean(name):
    loss, y, p, expected, theirs = ROWS[name]
    assert np.isclose(loss(y, p), np.mean(expected), rtol=1e-5)
    weighted = np.mean(np.multiply(expected, WEIGHTS))
    assert np.isclose(loss(y, p, sample_weight=WEIGHTS), weighted, rtol=1e-5)
    if theirs is not None:
        assert np.isclose(loss(y, p), theirs(y, p), rtol=1e-5)


def gradient(loss, y, p):
    p = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = loss(tf.constant(y), p)
    return value.numpy(), tape.gradient(value, p).numpy()


@every_row
def test_gradient_is_the_slope_of_the_value(name):
    loss, y, p, _, _ = ROWS[name]
    loss = type(loss).from_config(loss.get_config() | {"dtype": "float64"})
    _, slope = gradient(loss, y, p)
    for i, j in [(0, 0), (1, 2), (5, 3)]:
        step = np.zeros_like(p)
        step[i, j] = 1e-6
        numeric = (float(loss(y, p + step)) - float(loss(y, p - step))) / 2e-6
        assert np.isclose(slope[i, j], numeric, rtol=1e-5, atol=1e-8)


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
    assert 1 < value < 20
    # A larger probability of the true class would lower the loss.
    assert (slope[[0, 1], [0, 1]] < 0).all()


FROM_LOGITS = {
    "categorical": (losses.CategoricalCrossEntropy(from_logits=True), SURE, 1000.0),
    "sparse": (losses.SparseCategoricalCrossEntropy(from_logits=True), np.array([0, 1]), 1000.0),
    "binary": (losses.BinaryCrossEntropy(from_logits=True), SURE, 500.0),
    "kl": (losses.KLDivergence(from_logits=True), SURE, 1000.0),
    "focal": (losses.CategoricalFocal(from_logits=True, alpha=1.0), SURE, 1000.0),
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


def test_binary_slope_at_a_logit_of_zero():
    _, slope = gradient(losses.BinaryCrossEntropy(from_logits=True), [[1.0]], [[0.0]])
    assert np.allclose(slope, -0.5)  # σ(0) − 1


def test_a_negative_amount_has_a_slope_back():
    value, slope = gradient(losses.SquaredLogarithmicError(), [[0.0]], [[-3.0]])
    assert np.isclose(value, 9.0) and np.isclose(slope[0, 0], -6.0)


def test_absolute_error_has_no_slope_at_its_minimum():
    assert gradient(losses.MeanAbsoluteError(), [[2.0]], [[2.0]])[1] == 0


def test_a_column_and_a_row_do_not_broadcast():
    y, p = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [5.0]])
    assert np.isclose(losses.MeanSquaredError()(y, p), 4 / 3)
    assert np.isclose(losses.MeanSquaredError()(y, p[:, 0]), 4 / 3)


@every_row
def test_saved_and_named_in_compile(name, tmp_path):
    loss, y, p, _, _ = ROWS[name]
    config = loss.get_config()
    assert json.loads(json.dumps(config)) == config
    model = keras.Sequential([keras.layers.Input((C,)), keras.layers.Activation("linear")])
    model.compile(loss=loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded.loss) is type(loss)
    assert loaded.loss.get_config() == config
    model.compile(loss=f"tuner_app>{type(loss).__name__}")
    default = float(type(loss)()(y, p))
    assert np.isclose(model.evaluate(p, y, verbose=0), default, rtol=1e-5)


PARAMETERS = {
    "categorical smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "sparse smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "binary smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "huber": {"delta": [0.1, 1.0, 5.0]},
    "focal logits": {"gamma": [0.0, 0.5, 2.0], "alpha": [1.0, 0.5, 0.25]},
    "hinge": {"margin": [0.0, 1.0, 3.0]},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_may_differ_by_lane(name):
    loss, y, p, _, _ = ROWS[name]
    y, p = tf.constant(y, tf.float32), tf.constant(p, tf.float32)
    parameters, config = PARAMETERS[name], loss.get_config()

    def lane(values):
        stacked = type(loss).from_config(config)
        for parameter, value in zip(parameters, values, strict=True):
            setattr(stacked, parameter, value)
        return stacked(y, p)

    values = [tf.constant(v, tf.float32) for v in parameters.values()]
    stacked = tf.function(
        lambda *values: tf.vectorized_map(lane, values, fallback_to_while_loop=False)
    )(*values)
    expected = [
        float(type(loss)(**config | dict(zip(parameters, values, strict=True)))(y, p))
        for values in zip(*parameters.values(), strict=True)
    ]
    assert np.allclose(stacked.numpy(), expected, rtol=1e-5)
    assert len(set(expected)) == 3


BAD = [
    (lambda: losses.Huber(delt=1.0), "Did you mean 'delta'"),
    (lambda: losses.Huber(delta=-1.0), "delta must be a number, zero or more; got -1.0"),
    (lambda: losses.Huber(delta="1"), "delta must be a number"),
    (lambda: losses.KLDivergence(from_logits=1.0), "from_logits must be True or False"),
    (
        lambda: losses.CategoricalCrossEntropy()(np.zeros(3), np.zeros((3, 4))),
        r"truth has shape \(3,\) and the prediction \(3, 4\)",
    ),
    (
        lambda: losses.MeanSquaredError()(np.zeros((3, 2)), np.zeros((3, 4))),
        r"truth has shape \(3, 2\) and the prediction \(3, 4\)",
    ),
    (
        lambda: losses.SparseCategoricalCrossEntropy()(np.zeros((3, 4)), np.zeros((3, 4))),
        "expected one number an example",
    ),
]


@pytest.mark.parametrize("make, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_says_what_was_expected(make, message):
    with pytest.raises(UserError, match=message):
        make()
