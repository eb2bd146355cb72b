"""Losses: one value an example, stable where the plain formula is not; and accuracy by arg-max."""

from tuner_app.losses.accuracy import ArgMaxAccuracy, arg_max_accuracy
from tuner_app.losses.classification import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    CategoricalFocal,
    KLDivergence,
    SparseCategoricalCrossEntropy,
)
from tuner_app.losses.loss import ExampleLoss
from tuner_app.losses.margin import MulticlassHinge
from tuner_app.losses.regression import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SquaredLogarithmicError,
    SumOfAbsoluteErrors,
    SumOfSquares,
)

__all__ = [
    "ArgMaxAccuracy",
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "CategoricalFocal",
    "ExampleLoss",
    "Huber",
    "KLDivergence",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "SparseCategoricalCrossEntropy",
    "SquaredLogarithmicError",
    "SumOfAbsoluteErrors",
    "SumOfSquares",
    "arg_max_accuracy",
]
