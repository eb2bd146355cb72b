"""Losses, penalties, metrics, weights, several outputs, precision: stacked equals plain Keras."""

import keras
import numpy as np
import pytest
from keras.src.utils import naming

L, losses, metrics = keras.layers, keras.losses, keras.metrics
RNG = np.random.default_rng(0)
SIZE = 8  # whole batches, but where a test says otherwise
X = RNG.normal(size=(SIZE, 5)).astype("float32")
TARGETS = {
    "real": RNG.normal(size=(SIZE, 3)).astype("float32"),
    "class": RNG.integers(0, 3, SIZE).astype("int32"),
    "one_hot": np.eye(3, dtype="float32")[RNG.integers(0, 3, SIZE)],
    "binary": RNG.integers(0, 2, (SIZE, 3)).astype("float32"),
    "sign": RNG.choice([-1.0, 1.0], (SIZE, 3)).astype("float32"),
    "label": RNG.integers(1, 3, (SIZE, 1)).astype("int32"),
}
# Name: loss of the lane's number, activation, targets.
LOSSES = {
    "squared": (lambda v: losses.MeanSquaredError(), None, "real"),
    "absolute": (lambda v: losses.MeanAbsoluteError(), None, "real"),
    "percentage": (lambda v: losses.MeanAbsolutePercentageError(), None, "real"),
    "squared_log": (lambda v: losses.MeanSquaredLogarithmicError(), "softplus", "binary"),
    "cosine": (lambda v: losses.CosineSimilarity(), None, "real"),
    "huber": (lambda v: losses.Huber(delta=v), None, "real"),
    "log_cosh": (lambda v: losses.LogCosh(), None, "real"),
    "tversky": (lambda v: losses.Tversky(alpha=v, beta=1 - v), "sigmoid", "binary"),
    "dice": (lambda v: losses.Dice(), "sigmoid", "binary"),
    "kl": (lambda v: losses.KLDivergence(), "softmax", "one_hot"),
    "poisson": (lambda v: losses.Poisson(), "softplus", "binary"),
    "hinge": (lambda v: losses.Hinge(), "tanh", "sign"),
    "squared_hinge": (lambda v: losses.SquaredHinge(), "tanh", "sign"),
    "categorical_hinge": (lambda v: losses.CategoricalHinge(), None, "one_hot"),
    "categorical": (
        lambda v: losses.CategoricalCrossentropy(label_smoothing=v),
        "softmax",
        "one_hot",
    ),
    "focal": (lambda v: losses.CategoricalFocalCrossentropy(gamma=v), "softmax", "one_hot"),
    "binary": (lambda v: losses.BinaryCrossentropy(True, label_smoothing=v), None, "binary"),
    "binary_focal": (lambda v: losses.BinaryFocalCrossentropy(gamma=v), "sigmoid", "binary"),
    "sparse": (lambda v: losses.SparseCategoricalCrossentropy(True), None, "class"),
    "sum": (lambda v: losses.MeanSquaredError(reduction="sum"), None, "real"),
    "ctc": (lambda v: losses.CTC(), None, "label"),
    "generalized": (lambda v: losses.CategoricalGeneralizedCrossEntropy(q=v), "softmax", "class"),
    "circle": (lambda v: losses.Circle(gamma=10 * v, margin=v), None, "class"),
}


@pytest.mark.parametrize("kinds", [list(LOSSES)[::2], list(LOSSES)[1::2]], ids=["even", "odd"])
def test_losses_and_their_numbers(kinds, stacked_equals_plain):
    """Half of the losses at once: a model with an output each."""

    def build(value):
        inputs = keras.Input((5,))
        x = L.Dense(4, "tanh")(inputs)
        outputs = {k: L.Dense(3, LOSSES[k][1], name=k)(x) for k in kinds}
        if "ctc" in kinds:  # of two time steps
            outputs["ctc"] = L.Reshape((2, 3), name="steps")(L.Dense(6)(x))
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(0.01), {k: LOSSES[k][0](value) for k in kinds})
        return model

    data = (X, {k: TARGETS[LOSSES[k][2]] for k in kinds})
    stacked_equals_plain(
        build,
        [{"value": 0.3}, {"value": 0.1}],
        data,
        data,
        epochs=1,
        jit_compile=False,
        tolerance=1e-4,
    )


def test_penalties_and_metrics(stacked_equals_plain):
    def build(value):
        R = keras.regularizers
        model = keras.Sequential(
            [
                L.Input((5,)),
                L.Dense(4, kernel_regularizer=R.L1(value), bias_regularizer=R.L2(value)),
                L.Dense(4, kernel_regularizer=R.L1L2(value, 2 * value)),
                L.Dense(4, kernel_regularizer=R.OrthogonalRegularizer(value)),
                L.Dense(3, "softmax"),
            ]
        )
        model.compile(
            keras.optimizers.SGD(0.05),
            "categorical_crossentropy",
            metrics=[
                "accuracy",
                metrics.TopKCategoricalAccuracy(2, name="top_2"),
                metrics.AUC(num_thresholds=9, name="auc"),
            ],
            weighted_metrics=[metrics.Precision(name="precision"), "mse"],
        )
        return model

    data = (X, TARGETS["one_hot"], RNG.random(SIZE).astype("float32"))
    choices = [{"value": 0.01}, {"value": 0.1}]
    stacked_equals_plain(build, choices, data, data, epochs=1, jit_compile=False)


# Name of an output: its activation, its targets' name, its metrics.
METRICS = {
    "probabilities": (
        "softmax",
        "class",
        lambda: [
            metrics.SparseCategoricalAccuracy(),
            metrics.SparseCategoricalCrossentropy(),
            metrics.SparseTopKCategoricalAccuracy(2),
            metrics.IoU(3, [0, 2], sparse_y_pred=False),
            metrics.MeanIoU(3, sparse_y_pred=False),
        ],
    ),
    "classes": (
        "softmax",
        "one_hot",
        lambda: [
            metrics.CategoricalAccuracy(),
            metrics.CategoricalCrossentropy(),
            metrics.CategoricalHinge(),
            metrics.OneHotIoU(3, [0, 1]),
            metrics.OneHotMeanIoU(3),
            metrics.F1Score(average="macro"),
            metrics.FBetaScore(average="micro", beta=0.5),
            metrics.KLDivergence(),
            metrics.Poisson(),
            metrics.CosineSimilarity(),
        ],
    ),
    "yes": (
        "sigmoid",
        "binary",
        lambda: [
            metrics.BinaryAccuracy(threshold=0.4),
            metrics.BinaryCrossentropy(),
            metrics.BinaryIoU([0, 1]),
            metrics.FalseNegatives(),
            metrics.FalsePositives(0.4),
            metrics.TrueNegatives(),
            metrics.TruePositives(),
            metrics.Recall(),
            metrics.PrecisionAtRecall(0.5, num_thresholds=9),
            metrics.RecallAtPrecision(0.5, num_thresholds=9),
            metrics.SensitivityAtSpecificity(0.5, num_thresholds=9),
            metrics.SpecificityAtSensitivity(0.5, num_thresholds=9),
        ],
    ),
    "number": (
        "softplus",
        "binary",
        lambda: [
            metrics.Accuracy(),
            metrics.MeanAbsoluteError(),
            metrics.MeanAbsolutePercentageError(),
            metrics.MeanSquaredError(),
            metrics.MeanSquaredLogarithmicError(),
            metrics.RootMeanSquaredError(),
            metrics.LogCoshError(),
            metrics.ConcordanceCorrelation(),
            metrics.PearsonCorrelation(),
            metrics.R2Score(),
            metrics.MeanMetricWrapper(losses.mean_squared_error, name="wrapped"),
        ],
    ),
    "sign": ("tanh", "sign", lambda: [metrics.Hinge(), metrics.SquaredHinge()]),
}


class Watched(L.Layer):
    """Metrics of values, which `compile` does not take: a layer may have them."""

    def __init__(self):
        super().__init__()
        self.mean, self.sum = metrics.Mean(name="mean"), metrics.Sum(name="sum")

    def call(self, x):
        self.mean.update_state(x)
        self.sum.update_state(x)
        return x


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # Keras's, of JAX
def test_every_metric(stacked_equals_plain):
    """All at once: a model with an output for each kind of target; one step an epoch."""

    def build(rate):
        naming.reset_uids()  # so that metrics of two models have the same names
        inputs = keras.Input((5,))
        x = L.Dropout(rate)(inputs)
        # Keras on JAX forgets what a layer's own metric has seen, so there it does not stack.
        x = Watched()(x) if keras.backend.backend() == "tensorflow" else x
        outputs = {name: L.Dense(3, kind[0], name=name)(x) for name, kind in METRICS.items()}
        model = keras.Model(inputs, outputs)
        loss = {name: "mae" for name in METRICS}
        loss["probabilities"] = "sparse_categorical_crossentropy"
        model.compile("sgd", loss, metrics={name: kind[2]() for name, kind in METRICS.items()})
        return model

    data = (X, {name: TARGETS[kind[1]] for name, kind in METRICS.items()})
    choices = [{"rate": 0.1}, {"rate": 0.3}]
    stacked_equals_plain(build, choices, data, batch_size=SIZE, epochs=1, jit_compile=False)


def test_class_weights(stacked_equals_plain):
    def build(rate):
        model = keras.Sequential([L.Input((5,)), L.Dropout(rate), L.Dense(3)])
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.05), loss, weighted_metrics=["accuracy"])
        return model

    stacked_equals_plain(
        build,
        [{"rate": 0.1}, {"rate": 0.3}],
        (X[:6], TARGETS["class"][:6]),  # the last batch is smaller
        (X, TARGETS["class"]),
        class_weight={0: 1.0, 1: 3.0, 2: 0.5},
        jit_compile=False,
    )


def test_several_inputs_and_outputs_with_sample_weights(stacked_equals_plain):
    def build(rate):
        a, b = keras.Input((5,), name="a"), keras.Input((2,), name="b")
        x = L.Dropout(rate)(L.Concatenate()([L.Dense(4)(a), b]))
        model = keras.Model({"a": a, "b": b}, [L.Dense(3, name="p")(x), L.Dense(1, name="q")(x)])
        weights = [1 - rate, 3 * rate]
        model.compile("sgd", ["mse", "mae"], loss_weights=weights, metrics=[["mae"], ["mse"]])
        return model

    x = {"a": X, "b": X[:, :2]}
    data = (x, [TARGETS["real"], TARGETS["real"][:, :1]])
    stacked_equals_plain(
        build, [{"rate": 0.1}, {"rate": 0.3}], data, data, epochs=1, jit_compile=False
    )


def test_mixed_precision(stacked_equals_plain):
    def build(rate):
        policy = keras.DTypePolicy("mixed_bfloat16")
        model = keras.Sequential(
            [
                L.Input((5,)),
                L.Dense(8, "relu", dtype=policy),
                L.Dropout(rate, dtype=policy),
                L.Dense(3, dtype="float32"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return model

    data = (X, TARGETS["real"])
    # bfloat16 keeps 8 bits, and the order of additions differs.
    choices = [{"rate": 0.1}, {"rate": 0.3}]
    stacked_equals_plain(build, choices, data, jit_compile=False, tolerance=1e-3)


def test_loss_scaling(stacked_equals_plain):
    def build(rate):
        model = keras.Sequential([L.Input((5,)), L.Dense(4), L.Dense(3)])
        inner = keras.optimizers.Adam(rate)
        model.compile(keras.optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=2), "mse")
        return model

    data = (X, TARGETS["real"])
    choices = [{"rate": 0.01}, {"rate": 0.1}]
    population = stacked_equals_plain(build, choices, data, jit_compile=True)
    assert population.stats.notes == ()  # of a condition that XLA refused
