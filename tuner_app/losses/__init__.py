"""Losses: one value an example, stable where the plain formula is not; and accuracy by arg-max."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuner_app.errors import UserError, unknown
from tuner_app.losses.accuracy import ArgMaxAccuracy, arg_max_accuracy
from tuner_app.losses.blend import LossBlend
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
    "LossBlend",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "Offer",
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
    "offer",
]


@dataclass(frozen=True)
class Offer:
    """What a search space needs of a loss.

    Attributes:
        make: The class.
        fixed: Arguments that the task fixes.
        defaults: Its numbers, by name.
        ranges: Where to search, by name.
    """

    make: type[ExampleLoss]
    fixed: Mapping[str, bool]
    defaults: Mapping[str, float]
    ranges: Mapping


def offer(name: str, task: str) -> Offer:
    """What a search space needs of the loss of a name.

    Args:
        name: The name of a class.
        task: "classification", of one class an example, from logits; or "regression".

    Raises:
        UserError: no loss has that name, or it is for other truths.

    >>> offer("Huber", "regression").defaults
    {'delta': 1.0}
    """
    kinds = {kind: globals()[kind] for kind in __all__ if hasattr(globals()[kind], "task")}
    if name not in kinds:
        raise unknown("loss", name, kinds)
    kind = kinds[name]
    if kind.task != task:
        fitting = ", ".join(each for each, kind in kinds.items() if kind.task == task)
        raise UserError(f"The loss {name} is not for this {task}. Expected of: {fitting}.")
    numbers = dict(kind().get_config())
    fixed = {"from_logits": True} if "from_logits" in numbers else {}
    defaults = {key: value for key, value in numbers.items() if isinstance(value, float)}
    return Offer(kind, fixed, defaults, kind.ranges)
