"""Learning-rate schedules, for any Keras optimizer.

Each is a function of the steps done so far (0 at the first). Their numbers are plain attributes
that may be replaced by tensors (they may differ by trial in a stack), so none branches on one.
Reducing on a plateau depends on the metrics and not on the step: it is Keras's callback
`ReduceLROnPlateau`, for an optimizer whose learning rate is a number; in a stack it acts on each
trial by itself.
"""

from tuner_app.schedules.composed import Blend, WarmUp
from tuner_app.schedules.cycles import CosineRestarts, OneCycle, WarmUpStableDecay
from tuner_app.schedules.decay import (
    CosineDecay,
    ExponentialDecay,
    Fixed,
    InverseTimeDecay,
    LinearDecay,
    PiecewiseConstant,
    PolynomialDecay,
    StepDecay,
)

__all__ = [
    "Blend",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "Fixed",
    "InverseTimeDecay",
    "LinearDecay",
    "OneCycle",
    "PiecewiseConstant",
    "PolynomialDecay",
    "StepDecay",
    "WarmUp",
    "WarmUpStableDecay",
]
