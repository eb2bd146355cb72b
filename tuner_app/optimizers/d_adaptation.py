"""D-Adaptation: AdamW that finds its own learning rate, by a lower bound of the distance.

For when no time can go into tuning a learning rate; Prodigy is its successor and usually faster.
Keeps 3 numbers a parameter; about 24 operations a parameter and step, and two sums over all of
them. Leave the learning rate at 1, with a schedule that falls to 0; tune the decay.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class DAdaptAdamRule(Rule):
    """D-Adapt Adam. Slots m and v as in Adam, and s: the weighted mean of gradients."""

    own_decay = True

    defaults = AdamRule.defaults | {"learning_rate": 1.0, "initial_d": 1e-6, "weight_decay": 0.0}
    ranges = {
        "learning_rate": Range(0.3, 3.0),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.99, 0.999),
    }
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "v", "s")}

    def init_shared(self):
        return {"growth": 1.0, "numerator": 0.0}  # d in units of d₀; r

    def shared(self, params, grads, slots, values, hyperparameters, step):
        keep = ops.sqrt(hyperparameters["beta_2"])
        d = hyperparameters["initial_d"] * values["growth"]
        rate = d * _rate(hyperparameters, step)
        epsilon = hyperparameters["epsilon"]
        # r ← √β₂ r + (1 − √β₂) γ d ⟨g, s / (√v + ε)⟩, with s and v from before this step
        pairs = list(zip(grads, slots, strict=True))
        ahead = sum(ops.sum(g * slot["s"] / (ops.sqrt(slot["v"]) + epsilon)) for g, slot in pairs)
        numerator = keep * values["numerator"] + (1 - keep) * rate * ahead
        # d ← max(d, r / ((1 − √β₂) ‖s‖₁)), with the new s
        length = sum(
            ops.sum(ops.abs(keep * slot["s"] + (1 - keep) * rate * g)) for g, slot in pairs
        )
        moved = length > 0
        estimate = numerator / ((1 - keep) * ops.where(moved, length, ops.ones_like(length)))
        estimate = estimate / hyperparameters["initial_d"]
        growth = ops.where(moved, ops.maximum(values["growth"], estimate), values["growth"])
        return {"d": d}, {"growth": growth, "numerator": numerator}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        keep = ops.sqrt(beta_2)
        rate = hyperparameters["d"] * _rate(hyperparameters, step)
        # m ← β₁ m + (1 − β₁) γ d g;  v ← β₂ v + (1 − β₂) g²;  s ← √β₂ s + (1 − √β₂) γ d g
        m = slots["m"] + (1 - beta_1) * (rate * grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        s = keep * slots["s"] + (1 - keep) * rate * grad
        # x ← x − γ d λ x − m / (√v + ε)
        new = param - rate * hyperparameters["weight_decay"] * param
        return new - m / (ops.sqrt(v) + hyperparameters["epsilon"]), {"m": m, "v": v, "s": s}


def _rate(hyperparameters, step):
    """γ: the learning rate with Adam's bias corrections."""
    corrections = ops.sqrt(1 - hyperparameters["beta_2"] ** step)
    corrections = corrections / (1 - hyperparameters["beta_1"] ** step)
    return hyperparameters["learning_rate"] * corrections


@keras.saving.register_keras_serializable(package="tuner_app")
class DAdaptAdam(RuleOptimizer):
    """D-Adaptation of Adam: x ← x − m/(√v + ε), m of γ d g, d ← max(d, r/((1−√β₂)‖s‖₁)).

    r ← √β₂ r + (1−√β₂) γ d ⟨g, s/(√v + ε)⟩ and s ← √β₂ s + (1−√β₂) γ d g sum over all variables. γ
    is the learning rate with Adam's bias corrections. Equal to Optax's `dadapt_adamw`.

    Args:
        learning_rate: a factor of the step; keep 1, or a schedule from 1 to 0.
        beta_1, beta_2, epsilon: as in `Adam`.
        initial_d: d₀, far smaller than any sensible learning rate.
        weight_decay: λ, decoupled, with γ d for its rate.

    >>> w = keras.Variable([4.0])
    >>> optimizer = DAdaptAdam(initial_d=1e-3)
    >>> for _ in range(60):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 2.0)
    True

    Reference: A. Defazio, K. Mishchenko, "Learning-Rate-Free Learning by D-Adaptation", 2023.
    """

    rule = DAdaptAdamRule()
