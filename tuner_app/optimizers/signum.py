"""Signum: signSGD with the sign of the gradient's running mean.

For what signSGD is for, with less noise: the little one of Lion and, in scale, of Adam. Keeps 1
number a parameter; 6 operations a parameter and step. Tune the learning rate, a third to a tenth
of Adam's, then rho.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.tensors import sign


@dataclasses.dataclass(frozen=True)
class SignumRule(Rule):
    """Signum. Slot m: the running mean of the gradient."""

    defaults = {"learning_rate": 0.001, "rho": 0.9}
    ranges = {"learning_rate": Range(1e-5, 1e-2), "rho": Range(0.8, 0.99, "linear")}
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        return {"m": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        rho = hyperparameters["rho"]
        # m ← ρ m + (1 − ρ) g, in Adam's faster form;  x ← x − α sign(m)
        m = slots["m"] + (1 - rho) * (grad - slots["m"])
        return param - hyperparameters["learning_rate"] * sign(m), {"m": m}


@keras.saving.register_keras_serializable(package="tuner_app")
class Signum(RuleOptimizer):
    """Signum: m ← ρ m + (1−ρ) g, x ← x − α sign(m).

    Args:
        learning_rate: α, how far each weight moves in a step.
        rho: ρ, the share of m kept at each step.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Signum(learning_rate=0.25, rho=0.5)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.6)
    True

    Reference: J. Bernstein, Y.-X. Wang, K. Azizzadenesheli, A. Anandkumar, "signSGD: Compressed
    Optimisation for Non-Convex Problems", 2018.
    """

    rule = SignumRule()
