"""AdaBound: Adam whose steps are bounded, ever closer, by those of gradient descent.

For runs that start fast with Adam but generalize better with SGD: each weight's step is clipped
between two bounds that meet at final_ratio times the learning rate. Keeps 2 numbers a parameter;
about 16 operations a parameter and step. Tune the learning rate, then final_ratio; gamma says how
soon the bounds meet (about 1/gamma steps).
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdaBoundRule(Rule):
    """AdaBound. Slots m and v as in Adam."""

    defaults = AdamRule.defaults | {"final_ratio": 100.0, "gamma": 0.001}
    ranges = AdamRule.ranges | {"final_ratio": Range(1.0, 1e3), "gamma": Range(1e-4, 1e-1)}
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        gamma = hyperparameters["gamma"]
        # m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², in Adam's faster form
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # α* = α times final_ratio; between α* (1 − 1/(γt + 1)) and α* (1 + 1/(γt))
        final = alpha * hyperparameters["final_ratio"]
        lower = final * (1 - 1 / (gamma * step + 1))
        upper = final * (1 + 1 / (gamma * step))
        # η = clip(α √(1 − β₂ᵗ) / ((1 − β₁ᵗ) (√v + ε)), lower, upper); x ← x − η m
        scale = alpha * ops.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        eta = ops.minimum(ops.maximum(scale / (ops.sqrt(v) + epsilon), lower), upper)
        return param - eta * m, {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class AdaBound(RuleOptimizer):
    """AdaBound: x ← x − clip(α √(1−β₂ᵗ)/((1−β₁ᵗ)(√v + ε)), lower, upper) m.

    lower = α*(1 − 1/(γt+1)) and upper = α*(1 + 1/(γt)), with m and v as in Adam. The paper's α* is
    a rate of its own; here it is `final_ratio` times α, so a schedule moves both, as in the
    authors' code. The bias corrections are that code's too; γ = 0 never bounds.

    Args:
        learning_rate: α.
        beta_1, beta_2, epsilon: as in `Adam`.
        final_ratio: α*/α, how much longer the last steps are, per unit of gradient.
        gamma: γ, how fast the bounds meet.

    >>> w = keras.Variable([4.0])
    >>> optimizer = AdaBound(learning_rate=0.1, final_ratio=1.0)
    >>> for _ in range(60):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.5)
    True

    Reference: L. Luo, Y. Xiong, Y. Liu, X. Sun, "Adaptive Gradient Methods with Dynamic Bound of
    Learning Rate", 2019.
    """

    rule = AdaBoundRule()
