"""Every loss against float64 NumPy and SciPy, against Keras, at its edges, saved and stacked."""

import json

import keras
import numpy as np
import pytest
import scipy.spatial
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

COUNTS = RNG.poisson(2.0, (N, C)).astype("float64")
PAIRS, TRIPLETS = RNG.normal(size=(N, 2, 3)), RNG.normal(size=(N, 3, 3))
SAME = RNG.integers(0, 2, N).astype("float64")
P_TRUE = PROBABILITIES[np.arange(N), LABELS]

log = np.log


def tversky(y, p, a, b, s):
    hit = (y * p).sum(-1) + s
    return 1 - hit / (hit + a * ((1 - y) * p).sum(-1) + b * (y * (1 - p)).sum(-1))


def contrastive(y, pairs, margin):
    d = np.sqrt(((pairs[:, 0] - pairs[:, 1]) ** 2).sum(-1))
    return np.where(y == 1, d**2, np.maximum(0, margin - d) ** 2)


def triplet(x, margin):
    near, far = ((x[:, :1] - x[:, 1:]) ** 2).sum(-1).T
    return np.maximum(0, near - far + margin)


def focal(y, p, a, g):
    return -(a * y * (1 - p) ** g * log(p) + (1 - a) * (1 - y) * p**g * log(1 - p)).mean(-1)


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
    "focal of class numbers": (
        losses.CategoricalFocal(alpha=1.0), LABELS, PROBABILITIES,
        -((1 - P_TRUE) ** 2) * log(P_TRUE), None,
    ),
    "binary focal": (
        losses.BinaryFocal(alpha=0.7), YES, SIGMOID, focal(YES, SIGMOID, 0.7, 2.0),
        K.BinaryFocalCrossentropy(alpha=0.7, apply_class_balancing=True),
    ),
    "binary focal logits": (
        losses.BinaryFocal(from_logits=True, gamma=1.5), YES, LOGITS,
        focal(YES, SIGMOID, 0.25, 1.5), None,
    ),
    "poly": (
        losses.CategoricalPoly(epsilon=2.0, gamma=1.0), LABELS, PROBABILITIES,
        (1 - P_TRUE) * -log(P_TRUE) + 2 * (1 - P_TRUE) ** 2, None,
    ),
    "poly logits": (
        losses.CategoricalPoly(from_logits=True, epsilon=-0.5, label_smoothing=0.1), LABELS, LOGITS,
        (smooth(ONE_HOT, 0.1) * (-log(PROBABILITIES) - 0.5 * (1 - PROBABILITIES))).sum(-1), None,
    ),
    "generalized": (
        losses.GeneralizedCrossEntropy(q=0.4), LABELS, PROBABILITIES, (1 - P_TRUE**0.4) / 0.4, None,
    ),
    "generalized logits": (
        losses.GeneralizedCrossEntropy(from_logits=True), ONE_HOT, LOGITS,
        (1 - P_TRUE**0.7) / 0.7, None,
    ),
    "generalized of q = 0": (
        losses.GeneralizedCrossEntropy(q=0.0), LABELS, PROBABILITIES, -log(P_TRUE),
        K.SparseCategoricalCrossentropy(),
    ),
    "symmetric": (
        losses.SymmetricCrossEntropy(), LABELS, PROBABILITIES,
        -0.1 * log(P_TRUE) + 4 * (1 - P_TRUE), None,
    ),
    "symmetric logits": (
        losses.SymmetricCrossEntropy(from_logits=True, alpha=1.0, beta=0.5), SOFT, LOGITS,
        -(SOFT * log(PROBABILITIES)).sum(-1)
        - 0.5 * (PROBABILITIES * np.maximum(log(SOFT), -4)).sum(-1), None,
    ),
    "dice": (losses.Dice(), YES, SIGMOID, tversky(YES, SIGMOID, 0.5, 0.5, 0.5), None),
    "dice logits": (
        losses.Dice(from_logits=True, smooth=0.2), YES, LOGITS,
        tversky(YES, SIGMOID, 0.5, 0.5, 0.1), None,
    ),
    "tversky": (
        losses.Tversky(alpha=0.3, beta=0.7), YES, SIGMOID, tversky(YES, SIGMOID, 0.3, 0.7, 1), None,
    ),
    "log-cosh": (
        losses.LogCosh(), TARGETS, NUMBERS, log(np.cosh(NUMBERS - TARGETS)).mean(-1), K.LogCosh(),
    ),
    "quantile": (
        losses.Quantile(level=0.8), TARGETS, NUMBERS,
        np.maximum(0.8 * (TARGETS - NUMBERS), -0.2 * (TARGETS - NUMBERS)).mean(-1), None,
    ),
    "poisson": (
        losses.Poisson(), COUNTS, PREDICTED_AMOUNTS,
        (PREDICTED_AMOUNTS - COUNTS * log(PREDICTED_AMOUNTS)).mean(-1), K.Poisson(),
    ),
    "poisson logits": (
        losses.Poisson(from_logits=True), COUNTS, NUMBERS,
        (np.exp(NUMBERS) - COUNTS * NUMBERS).mean(-1), None,
    ),
    "cosine": (
        losses.CosineDistance(), TARGETS, NUMBERS,
        [scipy.spatial.distance.cosine(y, p) for y, p in zip(TARGETS, NUMBERS, strict=True)], None,
    ),
    "contrastive": (
        losses.Contrastive(margin=3.0), SAME, PAIRS, contrastive(SAME, PAIRS, 3.0), None,
    ),
    "triplet": (losses.Triplet(margin=2.0), SAME, TRIPLETS, triplet(TRIPLETS, 2.0), None),
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
    for flat in [0, 6, p.size - 1]:
        at = np.unravel_index(flat, p.shape)
        step = np.zeros_like(p)
        step[at] = 1e-6
        numeric = (float(loss(y, p + step)) - float(loss(y, p - step))) / 2e-6
        assert np.isclose(slope[at], numeric, rtol=1e-5, atol=1e-8)


def test_a_column_and_a_row_do_not_broadcast():
    y, p = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [5.0]])
    assert np.isclose(losses.MeanSquaredError()(y, p), 4 / 3)
    assert np.isclose(losses.MeanSquaredError()(y, p[:, 0]), 4 / 3)


def test_saved_and_named_in_compile(tmp_path):
    """One model with an output for each row."""
    inputs = [
        keras.Input(p.shape[1:], name=f"in_{i}") for i, (_, _, p, *_) in enumerate(ROWS.values())
    ]
    outputs = [keras.layers.Identity(name=f"out_{i}")(x) for i, x in enumerate(inputs)]
    model = keras.Model(inputs, outputs)
    given = [row[0] for row in ROWS.values()]
    model.compile(loss=given)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for loss, again in zip(given, loaded.loss, strict=True):
        config = loss.get_config()
        assert json.loads(json.dumps(config)) == config
        assert type(again) is type(loss) and again.get_config() == config
    named = [f"tuner_app>{type(loss).__name__}" for loss in given]
    model.compile(loss=named, run_eagerly=True)
    truths, predictions = zip(*((y, p) for _, y, p, *_ in ROWS.values()), strict=True)
    found = model.evaluate(list(predictions), list(truths), verbose=0, return_dict=True)
    for i, (loss, y, p) in enumerate(zip(given, truths, predictions, strict=True)):
        assert np.isclose(found[f"out_{i}_loss"], float(type(loss)()(y, p)), rtol=1e-5)


@every_row
def test_half_precision_predictions_and_a_mask(name):
    loss, y, p, _, _ = ROWS[name]
    half = tf.constant(p, "float16")
    exact = np.asarray(type(loss).from_config(loss.get_config() | {"reduction": None})(y, half))
    assert exact.dtype == "float32"  # computed in float32, so equal to the rounded prediction's
    assert np.array_equal(
        exact,
        type(loss).from_config(loss.get_config() | {"reduction": None})(
            y, half.numpy().astype("float32")
        ),
    )
    kept = np.arange(N) % 2 == 0
    half._keras_mask = tf.constant(kept)
    assert np.isclose(loss(y, half), exact[kept].mean(), rtol=1e-5)


PARAMETERS = {
    "categorical smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "sparse smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "binary smoothed": {"label_smoothing": [0.0, 0.1, 0.5]},
    "huber": {"delta": [0.1, 1.0, 5.0]},
    "focal logits": {"gamma": [0.0, 0.5, 2.0], "alpha": [1.0, 0.5, 0.25]},
    "hinge": {"margin": [0.0, 1.0, 3.0]},
    "binary focal": {"gamma": [0.0, 0.5, 2.0], "alpha": [1.0, 0.5, 0.25]},
    "poly logits": {"epsilon": [-1.0, 0.0, 2.0], "gamma": [0.0, 1.0, 2.0]},
    "generalized": {"q": [0.0, 0.5, 1.0]},
    "symmetric": {"alpha": [0.0, 1.0, 2.0], "beta": [1.0, 0.0, 2.0]},
    "tversky": {"alpha": [0.0, 0.5, 1.0], "beta": [1.0, 0.5, 0.2], "smooth": [0.0, 1.0, 2.0]},
    "quantile": {"level": [0.1, 0.5, 0.9]},
    "contrastive": {"margin": [2.0, 3.0, 4.0]},
    "triplet": {"margin": [0.0, 1.0, 3.0]},
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
    (lambda: losses.Quantile(level=1.5), "level must be a number, from 0 to 1; got 1.5"),
    (lambda: losses.CategoricalPoly(epsilon=-2), "epsilon must be a number, from -1 up; got -2"),
    (lambda: losses.GeneralizedCrossEntropy(q=float("nan")), "q must be a number, from 0 to 1"),
    (
        lambda: losses.Triplet()(np.zeros(3), np.zeros((3, 4))),
        r"Triplet needs predictions of shape \(examples, 3, features\)",
    ),
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
