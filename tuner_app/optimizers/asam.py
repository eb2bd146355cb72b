"""ASAM: SAM with each weight's move in proportion to its size.

For what SAM is for, where weights differ much in size, as with batch normalization: rescaling them
changes nothing. Keeps 1 number a parameter beside the inner rule's; about 14 operations a
parameter and step more. Tune radius (0.5 to 2), then the inner rule. Count twice the steps in
schedules, and evaluate at the unmoved point, as for SAM.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.sam import SAMRule


@dataclasses.dataclass(frozen=True)
class ASAMRule(SAMRule):
    """SAM with T = |x| + η."""

    floor: float = 0.01

    own_defaults = {"radius": 0.5}
    own_ranges = {"radius": Range(0.1, 5.0)}

    def scale(self, param):
        # T = |x| + η. It is asked for while the variable is at x (the odd steps).
        return ops.abs(param) + self.floor


@keras.saving.register_keras_serializable(package="tuner_app")
class ASAM(RuleOptimizer):
    """ASAM: the inner rule at x, with the gradient of x + ρ T² g/‖T g‖, T = |x| + η.

    As `SAM`, which says how two gradients make an update.

    Args:
        inner: the name of the inner rule. Its hyperparameters are arguments too.
        radius: ρ.
        floor: η.

    >>> w = keras.Variable([4.0])
    >>> optimizer = ASAM(inner="sgd", learning_rate=0.2)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(optimizer.eval_param(w).numpy()[0]) < 0.3)
    True

    Reference: J. Kwon, J. Kim, H. Park, I. K. Choi, "ASAM: Adaptive Sharpness-Aware Minimization
    for Scale-Invariant Learning of Deep Neural Networks", 2021.
    """

    rule = ASAMRule()
