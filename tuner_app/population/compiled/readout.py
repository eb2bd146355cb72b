"""All lanes' weights, slots and learning rates, read from the device once and not once a lane."""

import keras
import numpy as np

from tuner_app.population.backend import vectorize


class Readout:
    """What the lanes of a population hold at this moment, read when first asked for.

    It is a picture of that moment: after the next epoch, or a change of a lane, take another.

    Args:
        population: a `Population` between two epochs.
    """

    def __init__(self, population):
        self._population = population
        self._columns: dict[tuple[int, int, str, int], np.ndarray] = {}
        self._places: dict[int, list[tuple[str, int]]] = {}

    def weights(self, key) -> list[np.ndarray]:
        """A trial's weights in the order of `model.get_weights()`, as arrays of their own."""
        stack = self._population.stack_of(key)
        if stack.is_waiting(key):
            return self._population.lane(key).get_weights()
        if id(stack) not in self._places:
            self._places[id(stack)] = weight_places(stack.model)
        return self._rows(stack, key, self._places[id(stack)])

    def slots(self, key) -> list[np.ndarray]:
        """A trial's optimizer in the order of `optimizer.variables`, as arrays of their own."""
        stack = self._population.stack_of(key)
        if stack.is_waiting(key):
            return stack.arrays.read(key, "optimizer")
        places = stack.arrays.positions(stack.trial(key), "optimizer")
        return self._rows(stack, key, [("optimizer", place) for place in places])

    def learning_rate(self, key) -> float | None:
        """A trial's learning rate; None where it follows a schedule."""
        stack = self._population.stack_of(key)
        place = rate_place(stack.optimizer_of(key))
        if place is None:
            return None
        if stack.is_waiting(key):
            return float(stack.arrays.read(key, "optimizer", place)[0])
        # Where the trial's rule keeps it among the slots of all rules.
        place = stack.arrays.positions(stack.trial(key), "optimizer")[place]
        return float(self._rows(stack, key, [("optimizer", place)])[0])

    def structure(self, key) -> tuple:
        """The objects that trials of one structure, model and optimizer, have in common."""
        stack = self._population.stack_of(key)
        return stack.model, stack.optimizer_of(key)

    def _rows(self, stack, key, places: list[tuple[str, int]]) -> list[np.ndarray]:
        """The trial's own rows of some arrays, in memory of their own."""
        block, row = stack.arrays.place(stack.lane_of(key))
        return [np.array(self._column(stack, block, *at)[row]) for at in places]

    def _column(self, stack, block: int, part: str, place: int) -> np.ndarray:
        name = (id(stack), block, part, place)
        if name not in self._columns:
            self._columns[name] = vectorize.to_host(stack.arrays.blocks[block][part][place])
        return self._columns[name]


def weight_places(model) -> list[tuple[str, int]]:
    """Where each of `model.weights` is in a lane's state: (part, position)."""
    places = {}
    for part in ("trainable", "non_trainable"):
        for i, variable in enumerate(getattr(model, f"{part}_variables")):
            places[id(variable)] = (part, i)
    return [places[id(variable)] for variable in model.weights]


def rate_place(optimizer) -> int | None:
    """The position of the learning rate in `optimizer.variables`; None where it is a schedule."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = inner._learning_rate
    if not isinstance(rate, keras.Variable):
        return None
    return next(i for i, variable in enumerate(optimizer.variables) if variable is rate)
