"""ADOPT: Adam that converges with any beta_2, by dividing before it averages.

For where Adam is unstable or beta_2 must be tuned: each gradient is divided by the root of the
mean square before it, then averaged. Keeps 2 numbers a parameter; about 14 operations a parameter
and step. Tune the learning rate; beta_2 matters little.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class ADOPTRule(Rule):
    """ADOPT. Slots m and v: the mean of the scaled gradient, and that of the squared one."""

    defaults = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.9999, "epsilon": 1e-6}
    ranges = AdamRule.ranges | {"beta_2": (0.9, 0.99, 0.999, 0.9999)}
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        m, v = slots["m"], slots["v"]
        # g / max(√v, ε), no further than (t − 1)^¼ from 0: v is that of the step before
        scaled = grad / ops.maximum(ops.sqrt(v), hyperparameters["epsilon"])
        bound = (step - 1) ** 0.25
        scaled = ops.minimum(ops.maximum(scaled, -bound), bound)
        # m ← β₁ m + (1 − β₁) (that);  x ← x − α m. In the first step the bound is 0, and so is m.
        m = m + (1 - beta_1) * (scaled - m)
        new = param - hyperparameters["learning_rate"] * m
        # v ← β₂ v + (1 − β₂) g², and g² in the first step
        kept = ops.where(step < 1.5, ops.zeros_like(beta_2), beta_2)
        # 0 m changes nothing but the order: m is made before v is overwritten, else XLA copies v.
        v = v + ((1 - kept) * (grad * grad - v) + 0 * m)
        return new, {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class ADOPT(RuleOptimizer):
    """ADOPT: m ← β₁m + (1−β₁) clip(g/max(√vₜ₋₁, ε), ±(t−1)^¼), x ← x − α m.

    The first step only fills v = g². The clipping is that of the paper's second version and of
    Optax's `adopt`.

    Args:
        learning_rate: α.
        beta_1, beta_2: the shares of m and v kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = ADOPT(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: S. Taniguchi et al., "ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal
    Rate", 2024.
    """

    rule = ADOPTRule()
