"""Yogi: Adam whose divisor moves towards the squared gradient by steps of its size.

For training where Adam forgets large gradients too fast (sparse or heavy-tailed ones): v changes
by at most (1 − beta_2) g², whichever way. Keeps 2 numbers a parameter; about 16 operations a
parameter and step. Tune the learning rate, about ten times Adam's, and epsilon, which is large
here.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class YogiRule(Rule):
    """Yogi. Slots m and v: the running mean of the gradient, and Yogi's of its square."""

    initial_accumulator: float = 1e-6

    defaults = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-3}
    ranges = AdamRule.ranges | {"learning_rate": Range(1e-3, 1e-1), "epsilon": Range(1e-6, 1e-1)}
    fractions = AdamRule.fractions

    def init_slots(self, param):
        start = self.initial_accumulator
        return {"m": ops.full_like(param, start), "v": ops.full_like(param, start)}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m ← β₁ m + (1 − β₁) g
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        # v ← v − (1 − β₂) sign(v − g²) g²
        square = grad * grad
        v = slots["v"] + (1 - beta_2) * square * ops.sign(square - slots["v"])
        # x ← x − α m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ); as in Adam, the
        # corrections are moved off the tensors
        root_correction = ops.sqrt(1 - beta_2**step)
        scale = alpha * root_correction / (1 - beta_1**step)
        return param - scale * m / (ops.sqrt(v) + epsilon * root_correction), {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class Yogi(RuleOptimizer):
    """Yogi: v ← v − (1−β₂) sign(v − g²) g², x ← x − α m̂/(√v̂ + ε).

    Equal to Optax's, which like the authors' code corrects m and v for their start (the paper does
    not) and starts both at 1e-6.

    Args:
        learning_rate: α.
        beta_1, beta_2: β₁ and β₂ as in `Adam`.
        epsilon: ε.
        initial_accumulator: what m and v start at.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Yogi(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    Reference: M. Zaheer, S. Reddi, D. Sachan, S. Kale, S. Kumar, "Adaptive Methods for Nonconvex
    Optimization", 2018.
    """

    rule = YogiRule()
