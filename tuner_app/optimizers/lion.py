"""Lion: every weight moves by the learning rate, in the direction of a blended sign.

For large models in large batches, where memory is scarce: half of Adam's state, and every weight
moves equally far. Keeps 1 number a parameter; about 9 operations a parameter and step. Tune the
learning rate, a third to a tenth of AdamW's, with a decay (`weight_decay`) three to ten times
larger, then beta_1 and beta_2.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.tensors import sign


@dataclasses.dataclass(frozen=True)
class LionRule(Rule):
    """Lion. Slot m: the running mean of the gradient."""

    defaults = {"learning_rate": 1e-4, "beta_1": 0.9, "beta_2": 0.99}
    ranges = {
        "learning_rate": Range(1e-5, 1e-2),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.95, 0.98, 0.99, 0.999),
    }
    fractions = frozenset({"beta_1", "beta_2"})

    def init_slots(self, param):
        return {"m": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # c = β₁ m + (1 − β₁) g
        c = beta_1 * slots["m"] + (1 - beta_1) * grad
        # m ← β₂ m + (1 − β₂) g
        m = beta_2 * slots["m"] + (1 - beta_2) * grad
        # x ← x − α sign(c)
        return param - hyperparameters["learning_rate"] * sign(c), {"m": m}


@keras.saving.register_keras_serializable(package="tuner_app")
class Lion(RuleOptimizer):
    """Lion: c = β₁m + (1−β₁)g, x ← x − α sign(c), m ← β₂m + (1−β₂)g.

    Every step is α long in every weight, so α is 3 to 10 times smaller than Adam's and the
    `weight_decay` as much larger.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m in the direction taken.
        beta_2: β₂, the share of m kept at each step.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Lion(learning_rate=0.02, beta_2=0.9)
    >>> for _ in range(400):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.3)
    True

    Reference: X. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
    """

    rule = LionRule()
