"""SWA: stochastic weight averaging: any rule, evaluated at the mean of the later weights.

For a better end of almost any training run, at no cost in tuning. Keeps 1 number a parameter
beside the inner rule's; about 3 operations a parameter and step more. Set start to about three
quarters of the steps, period to an epoch, and keep the learning rate high after start. Evaluate
and save at the average: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.wrapper import Wrapper


@dataclasses.dataclass(frozen=True)
class SWARule(Wrapper):
    """SWA. Slot average: the mean of the weights seen, and the weights until there are some."""

    inner: str = "momentum"

    own_defaults = {"start": 1000, "period": 100}
    own_ranges = {"period": (1, 10, 100)}
    of_steps = {"start": 0.75}
    averages = True

    def init_slots(self, param):
        return self.inner_rule.init_slots(param) | {"average": param}

    def update(self, param, grad, slots, hyperparameters, step):
        inner = {name: value for name, value in slots.items() if name != "average"}
        new, inner = self.inner_rule.update(param, grad, inner, hyperparameters, step)
        # From step T on, every c steps: x̄ ← x̄ + (x − x̄) / n, for the n-th of them; x is where the
        # inner rule is evaluated: SAM's variables are elsewhere in every second step
        x = self.inner_point(new, inner, hyperparameters)
        start, period = hyperparameters["start"], hyperparameters["period"]
        since = step - start
        n = ops.floor(ops.maximum(since, 0.0) / period) + 1
        due = ops.logical_and(since >= 0, ops.mod(ops.maximum(since, 0.0), period) < 0.5)
        # Before T all of x, then 1 / n of it where one is due, and nothing else
        share = ops.where(since < 0, ops.ones_like(n), ops.cast(due, n.dtype) / n)
        return new, inner | {"average": (1 - share) * slots["average"] + share * x}

    def eval_param(self, param, slots, hyperparameters):
        return slots["average"]


@keras.saving.register_keras_serializable(package="tuner_app")
class SWA(RuleOptimizer):
    """SWA: x̄ ← x̄ + (x − x̄)/n every c steps from step T on, x by the inner rule; evaluated at x̄.

    Before T x̄ is x. Statistics of batch normalization belong to x: compute them anew at x̄ (a pass
    over the training data) before you evaluate. For a mean that forgets see Keras's `use_ema`.

    Args:
        inner: the name of the inner rule. Its hyperparameters are arguments too.
        start: T, the first step whose weights are averaged, from 1.
        period: c, the steps from one to the next.

    >>> w = keras.Variable([4.0])
    >>> optimizer = SWA(inner="sgd", learning_rate=0.3, start=10, period=1)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(optimizer.eval_param(w).numpy()[0]) < 0.1)
    True

    Reference: P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson, "Averaging Weights
    Leads to Wider Optima and Better Generalization", 2018.
    """

    rule = SWARule()
