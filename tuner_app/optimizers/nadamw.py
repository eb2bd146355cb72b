"""NAdamW: Nadam with decoupled weight decay.

For what AdamW is for, where a little more speed at the start is worth a multiplication: in the
AlgoPerf benchmark it was the strongest tuned baseline. Keeps 2 numbers a parameter; about 16
operations a parameter and step. Tune the learning rate, then the decay, then beta_1.
"""

import dataclasses

import keras

from tuner_app.optimizers.nadam import NadamRule
from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class NAdamWRule(NadamRule):
    """Nadam's update; the decay comes before it, on the weights that are not excluded."""

    defaults = NadamRule.defaults | {"weight_decay": 0.004}
    ranges = NadamRule.ranges | {"weight_decay": Range(1e-5, 1e-1)}


@keras.saving.register_keras_serializable(package="tuner_app")
class NAdamW(RuleOptimizer):
    """Nadam with decoupled weight decay: x ← x − α λ x − α m̄/(√v̂ + ε), m̄ as in `Nadam`.

    Equal to Optax's `nadamw`.

    Args:
        learning_rate: α.
        weight_decay: λ.
        beta_1, beta_2, epsilon: as in `Nadam`.

    >>> w = keras.Variable([4.0])
    >>> optimizer = NAdamW(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    References: T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016; I. Loshchilov and
    F. Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    rule = NAdamWRule()
