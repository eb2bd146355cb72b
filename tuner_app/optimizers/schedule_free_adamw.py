"""Schedule-free AdamW: Adam's scaling, with averaging in the schedule's place.

For what AdamW is for, where the run's length is not known beforehand; it won AlgoPerf's self-tuning
track. Keeps 2 numbers a parameter; about 20 operations a parameter and step. Tune the learning
rate, some times AdamW's and with a warm-up, then the decay and beta_1. Evaluate and save at the
averaged point: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.schedule_free_sgd import ScheduleFreeSGDRule


@dataclasses.dataclass(frozen=True)
class ScheduleFreeAdamWRule(ScheduleFreeSGDRule):
    """Schedule-free AdamW. The parameter is y; slots z, and v: the mean of the squared gradient."""

    defaults = AdamRule.defaults | {"learning_rate": 0.0025, "weight_decay": 0.0}
    ranges = {
        "learning_rate": Range(1e-4, 1e-1),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.95, 0.99, 0.999),
    }
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {"z": param, "v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_2 = hyperparameters["beta_2"]
        # v ← β₂ v + (1 − β₂) g²;  z ← z − α (g / (√v̂ + ε) + λ y)
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # as in Adam, the correction of v is moved off the tensors
        correction = ops.sqrt(1 - beta_2**step)
        root = ops.sqrt(v) + hyperparameters["epsilon"] * correction
        direction = correction * grad / root + hyperparameters["weight_decay"] * param
        new, moved = self.averaged(param, direction, slots["z"], hyperparameters)
        return new, moved | {"v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class ScheduleFreeAdamW(RuleOptimizer):
    """Schedule-free AdamW: z ← z − α(g/(√v̂ + ε) + λy), x ← (1−c) x + c z, y = (1−β₁) z + β₁ x.

    As `ScheduleFreeSGD`, which says what c is and where to evaluate; β₁ takes momentum's place.
    Equal to Optax's `schedule_free_adamw`. Keras's own saves and evaluates y, not x.

    Args:
        learning_rate: α.
        beta_1: β₁, above 0: how near y is to the average.
        beta_2, epsilon: as in `Adam`.
        weight_decay: λ, at y.

    >>> w = keras.Variable([4.0])
    >>> optimizer = ScheduleFreeAdamW(learning_rate=0.5)
    >>> for _ in range(40):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: A. Defazio et al., "The Road Less Scheduled", 2024.
    """

    rule = ScheduleFreeAdamWRule()
