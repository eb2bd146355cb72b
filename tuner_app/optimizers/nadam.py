"""Nadam: Adam with Nesterov's look-ahead in its first mean.

For what Adam is for, a little faster at the start. Keeps 2 numbers a parameter; about 16 operations
a parameter and step. Tune as Adam: the learning rate, then beta_1 and beta_2.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class NadamRule(Rule):
    """Nadam. Slots m and v as in Adam."""

    defaults = AdamRule.defaults
    ranges = AdamRule.ranges
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², in Adam's faster form
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # m̂ = β₁ m / (1 − β₁ᵗ⁺¹) + (1 − β₁) g / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
        m_hat = beta_1 / (1 - beta_1 ** (step + 1)) * m + (1 - beta_1) / (1 - beta_1**step) * grad
        v_hat = v / (1 - beta_2**step)
        # x ← x − α m̂ / (√v̂ + ε)
        return param - alpha * m_hat / (ops.sqrt(v_hat) + epsilon), {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class Nadam(RuleOptimizer):
    """Nadam: Adam with m̂ = β₁m/(1−β₁ᵗ⁺¹) + (1−β₁)g/(1−β₁ᵗ), x ← x − α m̂/(√v̂ + ε).

    β₁ is constant, as in Optax. Keras's Nadam lets it grow over the first steps, as the paper's
    appendix does.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of v kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Nadam(learning_rate=0.3)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """

    rule = NadamRule()
