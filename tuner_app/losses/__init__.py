"""Losses: one value an example, stable where the plain formula is not; and accuracy by arg-max."""

from tuner_app.losses.accuracy import ArgMaxAccuracy, arg_max_accuracy
from tuner_app.losses.classification import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    KLDivergence,
    SparseCategoricalCrossEntropy,
)
from tuner_app.losses.embeddings import Contrastive, CosineDistance, Triplet
from tuner_app.losses.focused import BinaryFocal, CategoricalFocal, CategoricalPoly
from tuner_app.losses.loss import ExampleLoss
from tuner_app.losses.margin import MulticlassHinge
from tuner_app.losses.noisy_labels import GeneralizedCrossEntropy, SymmetricCrossEntropy
from tuner_app.losses.overlap import Dice, Tversky
from tuner_app.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    SquaredLogarithmicError,
    SumOfAbsoluteErrors,
    SumOfSquares,
)

__all__ = [
    "ArgMaxAccuracy",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalCrossEntropy",
    "CategoricalFocal",
    "CategoricalPoly",
    "Contrastive",
    "CosineDistance",
    "Dice",
    "ExampleLoss",
    "GeneralizedCrossEntropy",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossEntropy",
    "SquaredLogarithmicError",
    "SumOfAbsoluteErrors",
    "SumOfSquares",
    "SymmetricCrossEntropy",
    "Triplet",
    "Tversky",
    "arg_max_accuracy",
]
