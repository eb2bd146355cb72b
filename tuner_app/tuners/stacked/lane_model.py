"""What a callback sees as `self.model`: one lane of a stack, with a Keras model's interface.

Weights, learning rate and `stop_training` act on the lane itself. Whatever else a callback asks for
(`save`, `predict`, `layers`, ...) is asked of a real model of the trial, which is built when it is
first needed and holds the lane's values; what a callback changes in it goes back to the lane.
"""

from collections.abc import Callable

import keras
import numpy as np

from tuner_app.population import CannotStack, Lane, Readout
from tuner_app.population.signatures.signature import describe

_PARTS = {
    "trainable": lambda model: model.trainable_variables,
    "non_trainable": lambda model: model.non_trainable_variables,
    "optimizer": lambda model: model.optimizer.variables,
}
_OWN = ("stop_training", "history")  # what fit and callbacks set on a model


class LaneModel:
    """A lane in the place of a `keras.Model`; `isinstance` says so too.

    Args:
        lane: The trial's lane.
        kind: The class of the trial's model.
        optimizer: The trial's optimizer. It is not kept, only asked what it has.
        build: Builds the trial's model, compiled, with its optimizer built.
        iterations: Returns the steps done by the optimizer.
    """

    def __init__(
        self,
        lane: Lane,
        kind: type,
        optimizer: keras.optimizers.Optimizer,
        build: Callable[[], keras.Model],
        iterations: Callable[[], int],
    ):
        own = self.__dict__
        own["lane"], own["_kind"], own["_build"] = lane, kind, build
        own["readout"] = None  # of all lanes, as the last epoch left them
        own["pending"] = None  # weights that were set and are not in the lane yet
        own["_real"], own["_given"] = None, None
        own["stop_training"], own["history"] = False, None
        own["optimizer"] = LaneOptimizer(self, optimizer, iterations)
        own["train_function"] = None

    @property
    def __class__(self):
        return self._kind

    # What acts on the lane at once.

    def get_weights(self) -> list[np.ndarray]:
        if self.pending is not None:
            return [array.copy() for array in self.pending]
        if self.readout is not None:
            return self.readout.weights(self.lane.key)
        return self.lane.get_weights()

    def set_weights(self, weights: list[np.ndarray]) -> None:
        present = self.lane.template.weights
        if len(weights) != len(present):
            raise ValueError(f"Expected {len(present)} weights, received {len(weights)}.")
        arrays = [np.array(weight) for weight in weights]
        for array, variable in zip(arrays, present, strict=True):
            if array.shape != tuple(variable.shape):
                raise ValueError(
                    f"{variable.path} has shape {tuple(variable.shape)}, received {array.shape}."
                )
        self.take_back("a callback")
        # A run that ends now never needs them in the lane: `flush` puts them there.
        self.__dict__["pending"] = arrays
        self.__dict__["_given"] = None

    @property
    def metrics(self) -> list:
        """Metrics of the same names and directions; their values are not this lane's."""
        return self.lane.template.metrics

    @property
    def metrics_names(self) -> list[str]:
        return [metric.name for metric in self.metrics]

    def jax_state_sync(self) -> None:
        """Keras asks for it before a callback reads the model; nothing is out of step here."""

    # What the tuner calls between epochs.

    def at(self, readout: Readout | None) -> None:
        """A new epoch is over (or, with None, is to begin): what was read before is stale."""
        self.__dict__["readout"] = readout
        self.__dict__["_given"] = None

    def move_to(self, lane: Lane, kind: type | None = None, optimizer=None) -> None:
        """From now on the lane is another one; with `kind` and `optimizer`, of another model."""
        own = self.__dict__
        own["lane"], own["readout"], own["_given"] = lane, None, None
        if kind is not None:
            own["_kind"], own["_real"], own["pending"] = kind, None, None
            own["optimizer"] = LaneOptimizer(self, optimizer, self.optimizer._iterations)

    def forget(self) -> None:
        """The lane was changed: what was read of it is stale."""
        self.__dict__["readout"] = None

    def flush(self) -> None:
        """Puts weights that were set into the lane."""
        if self.pending is not None:
            self.lane.set_weights(self.pending)
            self.__dict__["pending"] = self.__dict__["_given"] = None
            self.forget()

    def take_back(self, who: str) -> None:
        """Moves what a callback changed in the real model to the lane.

        Raises:
            CannotStack: it changed something that is not a lane's own.
        """
        if self._given is None:
            return
        given, structure, numbers = self._given
        description = describe(self._real)
        if description.structure != structure:
            raise CannotStack(f"{who} changes the model")
        for site, before, now in zip(description.sites, numbers, description.numbers, strict=True):
            if before != now:
                raise CannotStack(f"{who} changes {site.label}")
        for part, variables in _PARTS.items():
            for i, variable in enumerate(variables(self._real)):
                now = keras.ops.convert_to_numpy(variable)
                if not np.array_equal(now, given[part][i], equal_nan=True):
                    self.lane.write(part, i, now)
                    given[part][i] = np.array(now)
                    self.forget()

    def close(self) -> None:
        """Gives the real model up, if there is one."""
        self.__dict__["_real"] = self.__dict__["_given"] = None

    def real(self) -> keras.Model:
        """A model of the trial with the lane's present values."""
        own = self.__dict__
        if own["_real"] is None:
            own["_real"] = self._build()
            for name in ("stop_training", "stop_evaluating", "stop_predicting"):
                setattr(own["_real"], name, False)  # Keras would, and that is no change
        if own["_given"] is None:
            self.flush()
            values = self.lane.state.values
            for part, variables in _PARTS.items():
                for variable, value in zip(variables(own["_real"]), values[part], strict=True):
                    variable.assign(value)
            description = describe(own["_real"])
            own["_given"] = (values, description.structure, description.numbers)
        return own["_real"]

    def __getattr__(self, name: str):
        if name.startswith("__") or not hasattr(self._kind, name) and name not in _fields():
            raise AttributeError(f"{self._kind.__name__} has no attribute {name!r}")
        return getattr(self.real(), name)

    def __call__(self, *args, **kwargs):
        return self.real()(*args, **kwargs)

    def __setattr__(self, name: str, value) -> None:
        if name not in _OWN and (hasattr(self._kind, name) or name in _fields()):
            raise CannotStack(f"a callback sets model.{name}")
        self.__dict__[name] = value


class LaneOptimizer:
    """A lane in the place of its optimizer. See `LaneModel`."""

    def __init__(self, model: LaneModel, optimizer, iterations: Callable[[], int]):
        schedules = keras.optimizers.schedules.LearningRateSchedule
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        own = self.__dict__
        own["_model"], own["_iterations"] = model, iterations
        own["_names"] = frozenset(dir(optimizer))
        own["_schedule"] = (
            inner._learning_rate if isinstance(inner._learning_rate, schedules) else None
        )

    @property
    def learning_rate(self):
        lane = self._model.lane
        if self._schedule is not None:
            return keras.ops.convert_to_numpy(self._schedule(self.iterations))
        if self._model.readout is not None:
            return LaneRate(self._model.readout.learning_rate(lane.key), self)
        return LaneRate(lane.learning_rate, self)

    @learning_rate.setter
    def learning_rate(self, value) -> None:
        if self._schedule is not None:
            raise TypeError(
                "This optimizer was made with a LearningRateSchedule, so its learning rate can't "
                "be set."
            )
        if callable(value):
            raise CannotStack("a callback sets a learning rate schedule")
        self._model.lane.learning_rate = float(keras.ops.convert_to_numpy(value))
        self._model.forget()

    lr = learning_rate

    @property
    def iterations(self) -> int:
        return self._iterations()

    def __getattr__(self, name: str):
        if name.startswith("__") or name not in self._names:
            raise AttributeError(f"The optimizer has no attribute {name!r}")
        return getattr(self._model.real().optimizer, name)

    def __setattr__(self, name: str, value) -> None:
        if name in ("learning_rate", "lr"):
            object.__setattr__(self, "learning_rate", value)
        else:
            raise CannotStack(f"a callback sets optimizer.{name}")


class LaneRate(float):
    """A learning rate that can be assigned to, as the variable of an optimizer can."""

    def __new__(cls, value: float, optimizer: LaneOptimizer):
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value) -> None:
        self._optimizer.learning_rate = value

    def numpy(self) -> np.float32:
        return np.float32(self)

    @property
    def value(self) -> float:
        return float(self)


def _fields() -> frozenset[str]:
    """Attributes that a model has besides those of its class."""
    if not _FIELDS:
        model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Identity()])
        model.compile("sgd", "mse")
        _FIELDS.update(vars(model))
    return frozenset(_FIELDS)


_FIELDS: set[str] = set()
