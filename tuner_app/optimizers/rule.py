"""The contract of an update rule: a pure function of one tensor of one trial.

A rule takes a parameter, its gradient, its slots (the state it keeps for that parameter), its
hyperparameters and the step, and returns the new parameter and slots. It assigns nothing, casts
nothing, and knows nothing of Keras's optimizers or of stacked trials. `rule_optimizer.py` makes an
optimizer of it.

Methods that need more have their place, each one optional method or attribute of the contract:

- **Another evaluation point.** The model's variables hold the point where the gradient is taken,
  since that is where Keras takes it. A rule that evaluates elsewhere defines `eval_param`
  (Nesterov, schedule-free, weight averaging).
- **All tensors at once.** A rule that measures something over the whole model (Prodigy's distance,
  SAM's norm of the gradient) defines `shared`, run once a step before the tensors' own updates; its
  results reach `update` among the hyperparameters.
- **A second gradient.** Keras hands one gradient a step to an optimizer. A rule that needs two
  works in turns, told apart by the step's number: it moves the variables to where it wants the
  second gradient, and uses it in the next step (SAM), or spends a step on measuring (Sophia). So it
  works in `fit` on every backend and in a stack; its docstring says what a turn counts.
- **Its own decay.** Decoupled decay is taken off before `update`, αλx. A rule whose paper has it
  elsewhere sets `own_decay` and finds λ among the hyperparameters, 0 where a variable is excluded.
- **Another rule for some variables**, by their shape or path: `rule_for` (Muon).
- **Matrix products and decompositions**, by which a search plans, are counted by `work`.
- **A wrapper** changes what any other rule does: `wrapper.py`.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tuner_app.errors import UserError
from tuner_app.optimizers.step_work import StepWork

Slots = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Range:
    """Where a search looks for a hyperparameter: from low to high, on a linear or log scale.

    Raises:
        UserError: the bounds are out of order, or a log scale does not start above zero.

    >>> Range(1e-4, 1e-1)
    Range(low=0.0001, high=0.1, scale='log')
    """

    low: float
    high: float
    scale: str = "log"

    def __post_init__(self):
        if self.scale not in ("log", "linear"):
            raise UserError(f"A range's scale is 'log' or 'linear', not {self.scale!r}.")
        if not self.low < self.high or (self.scale == "log" and not self.low > 0):
            raise UserError(
                f"A {self.scale} range needs low < high"
                f"{' and low > 0' if self.scale == 'log' else ''}; got {self.low} and {self.high}."
            )


@dataclasses.dataclass(frozen=True)
class Rule(abc.ABC):
    """An update rule. Its dataclass fields are static options (booleans, or a slot's start).

    Attributes:
        defaults: every numeric hyperparameter, by name, with its default; "learning_rate" too.
            "weight_decay", where named, is Keras's decoupled decay and not seen by `update`.
        ranges: where to search: a `Range` or a tuple of choices, by hyperparameter.
        of_steps: the hyperparameters that are a number of the step, with the share of a run's steps
            that a search, which knows their number, sets them to.
        fractions: the hyperparameters that must lie in [0, 1), as decay rates do.
        double: compute in float64 where the backend has it, whatever the parameter's dtype.
        eval_param: `eval_param(param, slots, hyperparameters) -> param`, the point where the model
            is to be evaluated and served, or None where that is the point being trained.
        averages: `eval_param` is a mean of points that the slots hold, so a wrapper must not move
            the variable beneath it.
        own_decay: the rule applies weight decay itself: `hyperparameters` then always has
            "weight_decay".
        shared: `shared(params, grads, slots, values, hyperparameters, step) -> (results, values)`,
            or None: run once a step over all variables (three lists, in one order). `values` are
            scalars kept from step to step, started by `init_shared`; `results`, scalars too, are
            added to the hyperparameters that `update` sees.
    """

    defaults: ClassVar[Mapping[str, float]]
    ranges: ClassVar[Mapping[str, Range | tuple]]
    of_steps: ClassVar[Mapping[str, float]] = {}
    fractions: ClassVar[frozenset[str]] = frozenset()
    double: ClassVar[bool] = False
    eval_param: ClassVar[Callable | None] = None
    averages: ClassVar[bool] = False
    own_decay: ClassVar[bool] = False
    shared: ClassVar[Callable | None] = None

    @abc.abstractmethod
    def init_slots(self, param) -> Slots:
        """The slots before the first step, by name; tensors of any shape."""

    @abc.abstractmethod
    def update(self, param, grad, slots: Slots, hyperparameters: Mapping[str, Any], step):
        """One step.

        Args:
            param, grad: tensors of one shape and dtype.
            slots: as `init_slots` named them, in param's dtype.
            hyperparameters: scalars in param's dtype; they may be tensors that differ by trial,
                so a rule never branches on one.
            step: 1 in the first step, a scalar in param's dtype.

        Returns:
            The new parameter and the new slots.
        """

    def init_shared(self) -> dict[str, float]:
        """What `shared` keeps before the first step: numbers, by name."""
        return {}

    def rule_for(self, path: str, shape: tuple[int, ...]) -> "Rule":
        """The rule of one variable. It must use the hyperparameters of this one."""
        return self

    def work(self, shape: tuple[int, ...]) -> StepWork:
        """What a step of a tensor of that shape takes beyond single elements' arithmetic."""
        return StepWork()

    def check(self, name: str, value: float) -> None:
        """Raises UserError where a hyperparameter's value can't be right."""
        low, high = 0.0, 1.0 if name in self.fractions else math.inf
        if not low <= value < high:
            raise UserError(
                f"{name} must be a number in [{low:g}, {high:g}); got {value!r}. "
                f"A usual value is {self.defaults.get(name, 0.01):g}."
            )
