"""Adadelta: steps in the units of the weight, from running means of gradients and of steps.

For training without a learning rate, of old; mostly of historical interest, since it starts very
slowly. Keeps 2 numbers a parameter; about 13 operations a parameter and step. Leave the learning
rate near 1 (Keras's default, 0.001, hardly moves); tune epsilon, which sets the first steps, then
rho.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdadeltaRule(Rule):
    """Adadelta. Slots s and d: running means of the squared gradient and of the squared step."""

    defaults = {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-6}
    ranges = {
        "learning_rate": Range(1e-2, 10.0),
        "rho": (0.9, 0.95, 0.99),
        "epsilon": Range(1e-8, 1e-4),
    }
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        return {"s": ops.zeros_like(param), "d": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        rho, epsilon = hyperparameters["rho"], hyperparameters["epsilon"]
        # s ← ρ s + (1 − ρ) g²
        s = rho * slots["s"] + (1 - rho) * grad * grad
        # Δ = √(d + ε) / √(s + ε) · g
        delta = ops.sqrt((slots["d"] + epsilon) / (s + epsilon)) * grad
        # d ← ρ d + (1 − ρ) Δ²
        d = rho * slots["d"] + (1 - rho) * delta * delta
        # x ← x − α Δ
        return param - hyperparameters["learning_rate"] * delta, {"s": s, "d": d}


@keras.saving.register_keras_serializable(package="tuner_app")
class Adadelta(RuleOptimizer):
    """Adadelta: s ← ρ s + (1−ρ) g², Δ = √(d+ε)/√(s+ε) g, d ← ρ d + (1−ρ) Δ², x ← x − α Δ.

    The paper has no learning rate: α = 1, which is the default here. Keras's default is 0.001, and
    its ε is 1e-7; with equal arguments the two are equal.

    Args:
        learning_rate: α.
        rho: ρ, the share of both means kept at each step.
        epsilon: ε, which also sets the length of the first step.

    >>> w = keras.Variable([1.0])
    >>> optimizer = Adadelta(epsilon=1e-3)
    >>> for _ in range(200):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.
    """

    rule = AdadeltaRule()
