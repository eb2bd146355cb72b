"""SAM: any rule, with the gradient from the worst point near by; every update takes two steps.

For better generalization of vision models and of anything that overfits, at twice the arithmetic.
Keeps 1 number a parameter beside the inner rule's; about 10 operations a parameter and step more.
Tune radius (0.05 on small images, up to 0.5 with much data), then the inner rule. Count twice the
steps in schedules. Evaluate and save at the unmoved point: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.wrapper import Wrapper


@dataclasses.dataclass(frozen=True)
class SAMRule(Wrapper):
    """SAM. The parameter is where the next gradient is taken; slot sam_move: its way from x."""

    own_decay = True
    own_defaults = {"radius": 0.05}
    own_ranges = {"radius": Range(0.01, 0.5)}

    def init_slots(self, param):
        return self.inner_rule.init_slots(param) | {"sam_move": ops.zeros_like(param)}

    def scale(self, param):
        """T: what a move is measured in; ASAM has another."""
        return ops.ones_like(param)

    def shared(self, params, grads, slots, values, hyperparameters, step):
        # ‖T g‖ over all variables
        squares = [ops.sum((self.scale(x) * g) ** 2) for x, g in zip(params, grads, strict=True)]
        results = {"sam_norm": ops.sqrt(sum(squares))}
        inner = self.inner_rule
        if inner.shared is not None:
            params = [x - slot["sam_move"] for x, slot in zip(params, slots, strict=True)]
            more, new = inner.shared(
                params, grads, slots, values, hyperparameters, ops.floor((step + 1) / 2)
            )
            climbing = _climbing(step)
            values = {name: ops.where(climbing, values[name], new[name]) for name in values}
            results |= more
        return results, values

    def update(self, param, grad, slots, hyperparameters, step):
        inner_slots = {name: value for name, value in slots.items() if name != "sam_move"}
        climbing = _climbing(step)
        # Odd steps climb: e = ρ T² g / ‖T g‖, and the gradient is next taken at x + e
        move = hyperparameters["radius"] * self.scale(param) ** 2 * grad
        move = move / (hyperparameters["sam_norm"] + 1e-12)
        # Even steps go back to x and update it by that gradient
        x = param - slots["sam_move"]
        inner = self.inner_rule
        if inner.own_decay:
            start = x
        else:
            decay = hyperparameters["learning_rate"] * hyperparameters["weight_decay"]
            start = x - decay * x
        new, changed = inner.update(
            start, grad, inner_slots, hyperparameters, ops.floor((step + 1) / 2)
        )
        slots = {name: ops.where(climbing, inner_slots[name], changed[name]) for name in changed}
        slots["sam_move"] = ops.where(climbing, move, ops.zeros_like(move))
        return ops.where(climbing, param + move, new), slots

    @property
    def eval_param(self):
        return self._without_move

    def _without_move(self, param, slots, hyperparameters):
        x, inner = param - slots["sam_move"], self.inner_rule.eval_param
        return x if inner is None else inner(x, slots, hyperparameters)


def _climbing(step):
    return ops.mod(step, 2) > 0.5


@keras.saving.register_keras_serializable(package="tuner_app")
class SAM(RuleOptimizer):
    """SAM: the inner rule at x, with the gradient of x + ρ g/‖g‖, the norm over all variables.

    Two gradients make an update, and Keras gives one a step: so the odd steps climb from x to the
    point near by, and the even ones go back and update x. `iterations`, schedules and epochs count
    both; the inner rule counts updates. Each gradient is that of its own step's batch, as in
    Optax's `sam` by turns; the paper takes both on one batch, which you get by giving each batch
    twice (`dataset.flat_map(lambda *b: Dataset.from_tensors(b).repeat(2))`). Between an odd step
    and an even one the model's variables are moved: `evaluation_point` gives x.

    Args:
        inner: the name of the inner rule. Its hyperparameters are arguments too.
        radius: ρ.

    >>> w = keras.Variable([4.0])
    >>> optimizer = SAM(inner="sgd", learning_rate=0.3)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-Aware Minimization for
    Efficiently Improving Generalization", 2021.
    """

    rule = SAMRule()
