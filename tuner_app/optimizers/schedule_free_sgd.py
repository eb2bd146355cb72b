"""Schedule-free SGD: averaging in the learning rate schedule's place.

For runs whose length is not known beforehand: at any step the averaged point is as good as a
schedule that ended there. Keeps 1 number a parameter; about 12 operations a parameter and step.
Tune the learning rate, larger than SGD's, constant or with a warm-up, then beta_1. Evaluate and
save at the averaged point: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.errors import UserError
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class ScheduleFreeSGDRule(Rule):
    """Schedule-free SGD. The parameter is y, where the gradient is taken; slot z: SGD's point."""

    own_decay = True
    averages = True

    defaults = {"learning_rate": 1.0, "beta_1": 0.9, "weight_decay": 0.0}
    ranges = {
        "learning_rate": Range(1e-2, 10.0),
        "beta_1": Range(0.8, 0.98, "linear"),
    }
    fractions = frozenset({"beta_1"})

    def init_slots(self, param):
        return {"z": param}

    def init_shared(self):
        return {"largest_rate": 0.0, "weight_sum": 0.0}

    def shared(self, params, grads, slots, values, hyperparameters, step):
        # w = (max α)²;  c = w / Σ w
        largest = ops.maximum(values["largest_rate"], hyperparameters["learning_rate"])
        total = values["weight_sum"] + largest * largest
        some = total > 0
        c = largest * largest / ops.where(some, total, ops.ones_like(total))
        return {"averaging": c}, {"largest_rate": largest, "weight_sum": total}

    def update(self, param, grad, slots, hyperparameters, step):
        # z ← z − α (g + λ y)
        return self.averaged(
            param, grad + hyperparameters["weight_decay"] * param, slots["z"], hyperparameters
        )

    @staticmethod
    def averaged(y, direction, z, hyperparameters):
        """The new y, and z, after a step of z along `-direction`."""
        beta, c = hyperparameters["beta_1"], hyperparameters["averaging"]
        # x = (y − (1 − β) z) / β is not kept. y itself moves, where x ← x + c (z⁺ − x), by
        # β c (z⁺ − x) + (1 − β)(z⁺ − z), in which β x = y − (1 − β) z: nothing is divided by β.
        # With z⁺ = z + s that is c (z⁺ − y) + (1 − β)(1 − c) s. Of the z before XLA would keep a
        # copy.
        step_of_z = -hyperparameters["learning_rate"] * direction
        new_z = z + step_of_z
        new_y = y + (c * (new_z - y) + (1 - beta) * (1 - c) * step_of_z)
        return new_y, {"z": new_z}

    def eval_param(self, param, slots, hyperparameters):
        # x = (y − (1 − β) z) / β
        beta = hyperparameters["beta_1"]
        return (param - (1 - beta) * slots["z"]) / beta

    def check(self, name, value):
        super().check(name, value)
        if name == "beta_1" and value == 0:
            raise UserError("beta_1 must be above 0: the average x = (y − (1 − β) z) / β needs it.")


@keras.saving.register_keras_serializable(package="tuner_app")
class ScheduleFreeSGD(RuleOptimizer):
    """Schedule-free SGD: z ← z − α(g(y) + λy), x ← (1−c) x + c z, y = (1−β) z + β x.

    c is this step's share in the sum of the squares of the largest learning rate so far: 1/t for a
    constant rate, and less weight for a warm-up. The model's variables hold y while training, since
    there the gradient is taken; `evaluation_point` and `EvaluateAtPoint` give x. Equal to Optax's
    `schedule_free` around `sgd`. Give it no schedule that falls. Statistics of batch normalization
    belong to y: compute them anew at x (a pass over the training data) before you evaluate.

    Args:
        learning_rate: α.
        beta_1: β, above 0: how near y is to the average.
        weight_decay: λ, at y.

    >>> w = keras.Variable([4.0])
    >>> optimizer = ScheduleFreeSGD(learning_rate=0.4)
    >>> for _ in range(40):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.5)
    True

    Reference: A. Defazio et al., "The Road Less Scheduled", 2024.
    """

    rule = ScheduleFreeSGDRule()
