"""One trial's place in a stack: its weights, learning rate and whole state, on the host."""

from dataclasses import dataclass

import keras
import numpy as np

from tuner_app.population.backend import vectorize
from tuner_app.population.compiled.readout import rate_place, weight_places
from tuner_app.population.data import order
from tuner_app.population.models.drawing import drawn


@dataclass(frozen=True)
class LaneState:
    """All that a trial needs to go on.

    Args:
        values: "trainable", "non_trainable", "optimizer": lists of NumPy arrays in the model's
            and the optimizer's own order.
        seed, epochs, epoch: as given to `admit`, and the epochs done.
    """

    values: dict[str, list[np.ndarray]]
    seed: int
    epochs: int
    epoch: int


class Lane:
    """A handle on one trial, valid between epochs until the trial is retired."""

    def __init__(self, stack, key):
        self._stack, self.key = stack, key

    @property
    def _trial(self):
        return self._stack.trial(self.key)

    @property
    def epoch(self) -> int:
        """Epochs done; may be set before its first one, to count on from another trial's."""
        return self._trial.epoch

    @epoch.setter
    def epoch(self, epoch: int):
        self._trial.epoch = epoch

    @property
    def epochs(self) -> int:
        """Epochs until it is done; may be set, to stop earlier or go on for longer."""
        return self._trial.epochs

    @epochs.setter
    def epochs(self, epochs: int):
        self._trial.epochs = epochs

    @property
    def state(self) -> LaneState:
        trial = self._trial
        values = {
            part: self._stack.arrays.read(self.key, part)
            for part in ("trainable", "non_trainable", "optimizer")
        }
        return LaneState(values, trial.seed, trial.epochs, trial.epoch)

    @property
    def template(self):
        """A model of the trial's structure. Its weights and numbers are not the trial's; it may
        be used to hold weights for a moment."""
        return self._stack.model

    def get_weights(self) -> list[np.ndarray]:
        """The weights in the order of `model.get_weights()`. For many lanes see `Readout`."""
        values = {
            part: self._stack.arrays.read(self.key, part) for part in ("trainable", "non_trainable")
        }
        return [values[part][i] for part, i in weight_places(self._stack.model)]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Replaces the weights, given in the order of `model.get_weights()`."""
        places = weight_places(self._stack.model)
        if len(weights) != len(places):
            raise ValueError(f"expected {len(places)} arrays, got {len(weights)}")
        for (part, i), array in zip(places, weights, strict=True):
            self._stack.arrays.overwrite(self.key, part, i, array)

    def write(self, part: str, i: int, array: np.ndarray) -> None:
        """Replaces one array of the state: the `i`-th of `part`, as in `LaneState.values`."""
        self._stack.arrays.overwrite(self.key, part, i, array)

    @property
    def learning_rate(self) -> float:
        """The learning rate in use. It may be set, unless the optimizer has a schedule."""
        return float(self._stack.arrays.read(self.key, "optimizer", self._rate_place())[0])

    @learning_rate.setter
    def learning_rate(self, value: float):
        self._stack.arrays.overwrite(self.key, "optimizer", self._rate_place(), np.float64(value))

    def _rate_place(self) -> int:
        place = rate_place(self._stack.optimizer_of(self.key))
        if place is None:
            raise ValueError(
                "the learning rate follows a schedule and can't be read or set by lane"
            )
        return place


def initial_values(model, seed: int) -> dict[str, list[np.ndarray]]:
    """A built model's initial state on the host, its seed generators seeded from `seed`.

    A generator that was given a seed by the model's author keeps it.
    """
    parts = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
    values = iter(drawn([variable for part in parts for variable in part]))
    trainable, non_trainable, slots = ([next(values) for _ in part] for part in parts)
    position = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    for variable, state in seed_states(model, seed):
        i = position[id(variable)]
        non_trainable[i] = np.array(state, non_trainable[i].dtype)
    return {
        "trainable": trainable,
        "non_trainable": non_trainable,
        "optimizer": slots,
    }


def seed_states(model, seed: int) -> list[tuple[keras.Variable, list[int]]]:
    """The first state of each of a model's seed generators, for a trial of this seed.

    A generator that was given a seed by the model's author keeps it, and is not among them.
    """
    position = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    return [
        (generator.state, [order.layer_seed(seed, position[id(generator.state)]), 0])
        for layer in model._flatten_layers()
        for generator in layer._seed_generators
        if id(generator.state) in position and generator._initial_seed is None
    ]


def host(variables) -> list[np.ndarray]:
    """The variables' values, copied."""
    return [vectorize.to_host(keras.ops.convert_to_numpy(v)) for v in variables]
