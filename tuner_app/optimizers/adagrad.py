"""AdaGrad: each weight's step shrinks with the sum of its squared gradients.

For sparse features and convex problems: rare features get long steps, and the learning rate falls
by itself, in long runs too far. Keeps 1 number a parameter; about 6 operations a parameter and
step. Tune the learning rate, ten times Adam's and more; epsilon matters little.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdagradRule(Rule):
    """Diagonal AdaGrad. Slot s: the sum of squared gradients."""

    initial_accumulator: float = 0.0

    defaults = {"learning_rate": 0.01, "epsilon": 1e-7}
    ranges = {"learning_rate": Range(1e-3, 1.0), "epsilon": Range(1e-10, 1e-3)}

    def init_slots(self, param):
        return {"s": ops.full_like(param, self.initial_accumulator)}

    def update(self, param, grad, slots, hyperparameters, step):
        # s ← s + g²
        s = slots["s"] + grad * grad
        # x ← x − α g / (√s + ε)
        step_size = hyperparameters["learning_rate"] * grad
        return param - step_size / (ops.sqrt(s) + hyperparameters["epsilon"]), {"s": s}


@keras.saving.register_keras_serializable(package="tuner_app")
class Adagrad(RuleOptimizer):
    """Diagonal AdaGrad: s ← s + g², x ← x − α g / (√s + ε).

    The sum starts at 0 and ε stands outside the root, as in the paper. Keras and Optax start the
    sum at 0.1 and add 1e-7 inside the root: `initial_accumulator=0.1` gives the former, and without
    ε all three are equal.

    Args:
        learning_rate: α.
        epsilon: ε.
        initial_accumulator: what s starts at.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Adagrad(learning_rate=1.0)
    >>> for _ in range(50):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", 2011.
    """

    rule = AdagradRule()
