"""Penalties, dropout and augmentation whose strengths are values, never other programs."""

from tuner_app.regularization.augmentation import (
    Augmentation,
    Noise,
    RandomFlip,
    RandomRotation,
    RandomShift,
)
from tuner_app.regularization.dropout import Dropout
from tuner_app.regularization.mixup import MixUp, MixUpModel
from tuner_app.regularization.penalties import L1L2, l1, l2

__all__ = [
    "L1L2",
    "Augmentation",
    "Dropout",
    "MixUp",
    "MixUpModel",
    "Noise",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "l1",
    "l2",
]
