"""A trial takes over the whole state of another, and has numbers of its own.

Where both are lanes of one stack it is a gather along the lane axis; `inherited` does the same for
states on the host.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np

from tuner_app.population.models.building import built
from tuner_app.population.models.drawing import drawn
from tuner_app.population.population import Population
from tuner_app.population.signatures.description import Description
from tuner_app.population.signatures.signature import describe

_PARTS = {
    "non_trainable": lambda model: model.non_trainable_variables,
    "optimizer": lambda model: model.optimizer.variables,
}
# By part and position: scalar variables of a model that is not trained yet.
Scalars = dict[tuple[str, int], np.ndarray]


@dataclass(frozen=True)
class Draft:
    """What is to be known of a model that is not trained itself: its description, its class, its
    optimizer, and its scalar variables as they are before any training."""

    description: Description
    kind: type
    optimizer: keras.optimizers.Optimizer
    scalars: Scalars

    @property
    def structure(self) -> tuple:
        return self.description.structure


def read(build: Callable, seed: int) -> Draft:
    """Builds a model, of a structure that has been trained here, to be read only."""
    model = built(build, seed, light=True)
    found = [
        ((part, i), variable)
        for part, variables in _PARTS.items()
        for i, variable in enumerate(variables(model))
        if len(variable.shape) == 0
    ]
    values = drawn([variable for _, variable in found])
    scalars = {place: np.array(v) for (place, _), v in zip(found, values, strict=True)}
    return Draft(describe(model).without_sites(), type(model), model.optimizer, scalars)


def one_program(population: Population, before: Draft, after: Draft) -> bool:
    """Whether both models compute by the same program of the population, as far as is known."""
    if before.structure != after.structure:
        return False
    shape = population._shapes[before.description.body.structure]
    return any(
        stack.knows(before.description) and stack.knows(after.description) for stack in shape.stacks
    )


def changed(before: Draft, after: Draft) -> Scalars:
    """The scalars in which two models differ before any training: the numbers that a model or an
    optimizer keeps in variables, such as the learning rate. Steps and slots are not among them."""
    return {
        place: value
        for place, value in after.scalars.items()
        if not np.array_equal(value, before.scalars[place])
    }


def inherited(values: dict[str, list], before: Draft, after: Draft) -> dict[str, list]:
    """A source's state (see `LaneState.values`) for a model with the numbers of `after`.

    Args:
        before: The source's model.
    """
    found = {part: [np.array(array) for array in arrays] for part, arrays in values.items()}
    for (part, i), value in changed(before, after).items():
        found[part][i] = np.array(value, found[part][i].dtype)
    return found


@dataclass(frozen=True)
class Copy:
    """`key` is to take over the state of `source`: their names, and their models' numbers."""

    key: object
    source: object
    before: Draft
    after: Draft


def copy_lanes(population: Population, copies: Iterable[Copy]) -> set:
    """Makes the copies that are possible within a stack as it is; returns the keys of these.

    A copy has its source's seed too, so with the same numbers it goes on exactly as the source.
    The sources must not be among the keys.
    """
    by_stack: dict[int, list[Copy]] = {}
    for copy in copies:
        if copy.key in population and copy.source in population:
            stack = population.stack_of(copy.key)
            if stack is population.stack_of(copy.source) and _possible(stack, copy):
                by_stack.setdefault(id(stack), []).append(copy)
    for found in by_stack.values():
        _copy_within(population.stack_of(found[0].key), found)
    return {copy.key for found in by_stack.values() for copy in found}


def _possible(stack, copy: Copy) -> bool:
    """Whether both have lanes, and the program needs no new trace for the new numbers."""
    if stack.is_waiting(copy.key) or stack.is_waiting(copy.source):
        return False
    description = copy.after.description
    if not stack.knows(description):
        return False
    rule = stack.rule_of(description)
    return not (
        stack.body.news(description.body.numbers) or rule.lifting.news(description.rule.numbers)
    )


def _copy_within(stack, copies: list[Copy]) -> None:
    index = np.arange(len(stack.trials))
    for copy in copies:
        index[stack.lane_of(copy.key)] = stack.lane_of(copy.source)
    arrays = stack.arrays
    arrays.arrange(index.tolist(), len(index), stack.width)
    for copy in copies:
        trial, source = stack.trial(copy.key), stack.trial(copy.source)
        trial.description, trial.seed, trial.epoch = (
            copy.after.description,
            source.seed,
            source.epoch,
        )
    arrays.refresh_numbers()
    for copy in copies:
        for (part, i), value in changed(copy.before, copy.after).items():
            arrays.overwrite(copy.key, part, i, value)
