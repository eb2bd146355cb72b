"""One trial's place in a stack: its weights, learning rate and whole state, on the host."""

from dataclasses import dataclass

import keras
import numpy as np

from tuner_app.population import order, vectorize


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
        """Epochs done."""
        return self._trial.epoch

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
            part: self._stack.read(self.key, part)
            for part in ("trainable", "non_trainable", "optimizer")
        }
        return LaneState(values, trial.seed, trial.epochs, trial.epoch)

    def get_weights(self) -> list[np.ndarray]:
        """The weights in the order of `model.get_weights()`."""
        values = {part: self._stack.read(self.key, part) for part in ("trainable", "non_trainable")}
        return [values[part][i] for part, i in self._weight_places()]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Replaces the weights, given in the order of `model.get_weights()`."""
        places = self._weight_places()
        if len(weights) != len(places):
            raise ValueError(f"expected {len(places)} arrays, got {len(weights)}")
        for (part, i), array in zip(places, weights, strict=True):
            self._stack.write(self.key, part, i, array)

    def _weight_places(self):
        model, places = self._stack.model, {}
        for part in ("trainable", "non_trainable"):
            for i, variable in enumerate(getattr(model, f"{part}_variables")):
                places[id(variable)] = (part, i)
        return [places[id(variable)] for variable in model.weights]

    @property
    def learning_rate(self) -> float:
        """The learning rate in use. It may be set, unless the optimizer has a schedule."""
        return float(self._stack.read(self.key, "optimizer")[self._rate_place()])

    @learning_rate.setter
    def learning_rate(self, value: float):
        self._stack.write(self.key, "optimizer", self._rate_place(), np.float32(value))

    def _rate_place(self) -> int:
        optimizer = self._stack.model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        rate = inner._learning_rate
        for i, variable in enumerate(optimizer.variables):
            if variable is rate:
                return i
        raise ValueError("the learning rate follows a schedule and can't be read or set by lane")


def initial_values(model, seed: int) -> dict[str, list[np.ndarray]]:
    """A built model's initial state on the host, its seed generators seeded from `seed`.

    A generator that was given a seed by the model's author keeps it.
    """
    non_trainable = host(model.non_trainable_variables)
    position = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    for layer in model._flatten_layers():
        for generator in layer._seed_generators:
            i = position.get(id(generator.state))
            if i is not None and generator._initial_seed is None:
                state = [order.layer_seed(seed, i), 0]
                non_trainable[i] = np.array(state, non_trainable[i].dtype)
    return {
        "trainable": host(model.trainable_variables),
        "non_trainable": non_trainable,
        "optimizer": host(model.optimizer.variables),
    }


def host(variables) -> list[np.ndarray]:
    """The variables' values, copied."""
    return [vectorize.to_host(keras.ops.convert_to_numpy(v)) for v in variables]
