"""Nesterov momentum: the gradient is taken at the point that the velocity is about to reach.

For what momentum is for, steadier with a large rho, as it looks ahead. Keeps 1 number a parameter;
7 operations a parameter and step. Tune the learning rate together with rho, as momentum's. Evaluate
and save at the point itself: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class NesterovRule(Rule):
    """Nesterov momentum. The parameter is the look-ahead point y; slot m: the last step of x."""

    defaults = {"learning_rate": 0.01, "rho": 0.9}
    ranges = {"learning_rate": Range(1e-4, 0.3), "rho": Range(0.8, 0.99, "linear")}
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        return {"m": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        rho, alpha = hyperparameters["rho"], hyperparameters["learning_rate"]
        # m ← ρ m − α g(y)
        m = rho * slots["m"] - alpha * grad
        # y ← y + ρ m − α g(y), which is (x + m) + ρ m for the old x = y − ρ (the old m)
        return param + rho * m - alpha * grad, {"m": m}

    def eval_param(self, param, slots, hyperparameters):
        # x = y − ρ m
        return param - hyperparameters["rho"] * slots["m"]


@keras.saving.register_keras_serializable(package="tuner_app")
class Nesterov(RuleOptimizer):
    """Nesterov momentum: m ← ρ m − α g(x + ρ m), x ← x + m.

    Keras takes the gradient at the model's own variables, so these hold the look-ahead point
    y = x + ρ m while training, and y's recurrence is what `NesterovRule` computes: exactly the
    method above, whatever the learning rate's schedule. With a constant rate it is also
    v ← ρ v + g(x − αρ v), x ← x − α v, where m = −α v. `eval_param` gives x back; the two points
    meet as the velocity fades. It equals Keras's `SGD(momentum=ρ, nesterov=True)` step for step.

    Decoupled weight decay acts on y, where the gradient is taken too: x loses αλ y.

    Args:
        learning_rate: α.
        rho: ρ, the share of the velocity kept at each step.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Nesterov(learning_rate=0.1, rho=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1e-4)
    True

    References: Y. Nesterov, "A method for solving the convex programming problem with convergence
    rate O(1/k²)", 1983; I. Sutskever et al., "On the importance of initialization and momentum in
    deep learning", 2013.
    """

    rule = NesterovRule()
