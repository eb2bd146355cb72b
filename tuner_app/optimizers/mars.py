"""MARS: AdamW on gradients corrected by how much they changed since the last step.

For large language models and other noisy training: a share of the last step's change of the
gradient is added, which lowers its variance. Keeps 3 numbers a parameter; about 24 operations a
parameter and step. Tune the learning rate and decay as AdamW's, then gamma.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class MARSRule(Rule):
    """MARS-AdamW. Slots m and v as in Adam, and the last gradient."""

    defaults = {
        "learning_rate": 0.003,
        "beta_1": 0.95,
        "beta_2": 0.99,
        "epsilon": 1e-8,
        "gamma": 0.025,
        "weight_decay": 0.01,
    }
    ranges = {
        "learning_rate": Range(1e-4, 3e-2),
        "beta_1": Range(0.9, 0.98, "linear"),
        "beta_2": (0.95, 0.98, 0.99, 0.999),
        "gamma": Range(0.005, 0.1),
        "weight_decay": Range(1e-5, 1e-1),
    }
    fractions = frozenset({"beta_1", "beta_2"})

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "v", "last")}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # c = g + γ β₁ / (1 − β₁) (g − gₜ₋₁), and g in the first step
        later = ops.cast(step > 1.5, grad.dtype)
        weight = later * hyperparameters["gamma"] * beta_1 / (1 - beta_1)
        c = grad + weight * (grad - slots["last"])
        # c ← c / max(1, ‖c‖)
        c = 1 / ops.maximum(ops.sqrt(ops.sum(c * c)), 1.0) * c
        # m ← β₁ m + (1 − β₁) c;  v ← β₂ v + (1 − β₂) c²
        m = slots["m"] + (1 - beta_1) * (c - slots["m"])
        v = slots["v"] + (1 - beta_2) * (c * c - slots["v"])
        # x ← x − α m̂ / (√v̂ + ε); as in Adam, the corrections are moved off the tensors
        correction = ops.sqrt(1 - beta_2**step)
        scale = hyperparameters["learning_rate"] * correction / (1 - beta_1**step)
        root = ops.sqrt(v) + hyperparameters["epsilon"] * correction
        return param - scale * m / root, {"m": m, "v": v, "last": grad}


@keras.saving.register_keras_serializable(package="tuner_app")
class MARS(RuleOptimizer):
    """MARS-AdamW: Adam on c = g + γ β₁/(1−β₁) (g − gₜ₋₁), c ← c / max(1, ‖c‖) for each variable.

    The paper's exact form takes gₜ₋₁ on this step's batch; this is its approximate one (the
    authors' default), with the gradient that the last step had.

    Args:
        learning_rate: α.
        beta_1, beta_2, epsilon: as in `Adam`.
        gamma: γ, the share of the correction.
        weight_decay: λ, decoupled.

    >>> w = keras.Variable([4.0])
    >>> optimizer = MARS(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: H. Yuan, Y. Liu, S. Wu, X. Zhou, Q. Gu, "MARS: Unleashing the Power of Variance
    Reduction for Training Large Models", 2024.
    """

    rule = MARSRule()
