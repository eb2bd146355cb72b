"""signSGD: every weight moves by the learning rate, whatever its gradient's size.

For noisy or badly scaled gradients, and where workers send one bit a gradient; mostly a baseline
for Signum and Lion. Keeps 0 numbers a parameter; 3 operations a parameter and step. Tune the
learning rate, which is the distance a weight moves, and let it fall to 0.
"""

import dataclasses

import keras

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.tensors import sign


@dataclasses.dataclass(frozen=True)
class SignSGDRule(Rule):
    """signSGD. It keeps no slots."""

    defaults = {"learning_rate": 0.001}
    ranges = {"learning_rate": Range(1e-5, 1e-2)}

    def init_slots(self, param):
        return {}

    def update(self, param, grad, slots, hyperparameters, step):
        # x ← x − α sign(g)
        return param - hyperparameters["learning_rate"] * sign(grad), {}


@keras.saving.register_keras_serializable(package="tuner_app")
class SignSGD(RuleOptimizer):
    """signSGD: x ← x − α sign(g). A gradient of 0 moves nothing.

    Args:
        learning_rate: α, how far each weight moves in a step.

    >>> w = keras.Variable([4.0])
    >>> optimizer = SignSGD(learning_rate=0.25)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.3)
    True

    Reference: J. Bernstein, Y.-X. Wang, K. Azizzadenesheli, A. Anandkumar, "signSGD: Compressed
    Optimisation for Non-Convex Problems", 2018.
    """

    rule = SignSGDRule()
