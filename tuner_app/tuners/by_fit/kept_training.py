"""One training by `fit` that can be taken up amid it: its whole state, taken and given back."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner

from tuner_app.tuners.by_fit import model_state
from tuner_app.tuners.by_fit.fit_checkpoint import FitRuns
from tuner_app.tuners.by_fit.fit_order import in_own_order
from tuner_app.tuners.runs import callback_state


class KeptTraining(keras.callbacks.Callback):
    """The last of an execution's callbacks, so that it finds done what others do to an epoch.

    It does nothing unless `arrange` was called.

    Args:
        runs: The trial's executions.
        seed: The seed of this one.
        callbacks: The user's, as they were copied for it.
    """

    def __init__(self, runs: FitRuns, seed: int, callbacks: list[keras.callbacks.Callback]):
        super().__init__()
        self.runs, self.seed, self._callbacks = runs, seed, callbacks
        self._kept = False
        self._exact = False  # whether the same epochs would come again
        self._drew = False  # whether from what TensorFlow keeps a state of that can't be taken
        self._state: dict[str, Any] | None = None  # to be given back
        self._history: tuple | None = None

    # Before `fit`.

    def arrange(
        self, model: keras.Model, args: tuple, kwargs: Mapping[str, Any]
    ) -> tuple[tuple, dict[str, Any]]:
        """The arguments of `fit` for a model of this execution. From now on what it reaches is
        kept, where that can be."""
        why, kwargs = _own_way(self.runs.tuner, model), dict(kwargs)
        if not why:
            self._exact = True  # batches of ours follow `initial_epoch`
            if type(self.runs.tuner.hypermodel).fit is keras_tuner.HyperModel.fit:
                given = in_own_order(args, kwargs, self.seed)
                self._exact = given is not None
                args, kwargs = (args, kwargs) if given is None else ((), given)
            why = next(filter(None, map(callback_state.not_kept, self._callbacks)), "")
        self._kept = not why
        if why:
            self.runs.begins_again(why)
        elif self.runs.state is not None:
            kwargs["initial_epoch"] = self.runs.state["epoch"]
        return args, kwargs

    def take_up(self, model: keras.Model, step: Callable[[], Any]) -> bool:
        """Whether the model can have what was kept, if anything was; if not the execution begins
        again, with another model.

        Args:
            step: Trains the model for a moment.
        """
        state = self.runs.state
        if state is None:
            return True
        same = len(state["callbacks"]) == len(self._callbacks)
        if not same or not model_state.made_to_fit(model, state["model"], step):
            self.runs.begins_again("it was kept with other variables or callbacks")
            return False
        how = "" if state["exact"] and self._exact else ", its data in an order of their own"
        how += ", TensorFlow's own random numbers drawn anew" * state["drew"]
        self._state = self.runs.goes_on(how)
        for callback, known in zip(self._callbacks, state["callbacks"], strict=True):
            if known:
                callback_state.prepare(callback, known)
        return True

    def note_draw(self) -> None:
        """The training draws random numbers that can't be taken up: see `tensorflow_draws`."""
        self._drew = True

    # In `fit`.

    def on_train_begin(self, logs=None):
        """Gives back what was kept: after the others, which have begun anew."""
        if self._state is None:
            return
        for callback, known in zip(self._callbacks, self._state["callbacks"], strict=True):
            callback_state.give_back(callback, known)
        model_state.give(self.model, self._state["model"])
        self.model._initial_epoch = self._state["epoch"]  # a BackupAndRestore may have set another
        self._history, self._state = self._state["history"], None

    def on_epoch_begin(self, epoch, logs=None):
        """Gives Keras's history, which has now begun anew as well, the epochs before."""
        if self._history is not None:
            self.model.history.epoch, self.model.history.history = self._history
            self._history = None

    def on_epoch_end(self, epoch, logs=None):
        """Keeps where the training stands, if it goes on and it is time, or another trial may go
        on from its end."""
        if not self._kept or self.model.stop_training:
            return
        if epoch + 1 < self.params["epochs"]:
            self.runs.save_if_due(lambda: self._taken(epoch, logs or {}), self._exact)
        else:
            self.runs.write_end(lambda: self._taken(epoch, logs or {}, callback_state.WITH_FILES))

    def _taken(
        self, epoch: int, logs: Mapping[str, Any], left_out: tuple[type, ...] = ()
    ) -> dict[str, Any]:
        known = self.model.history
        epochs = list(known.epoch)
        history = {name: list(values) for name, values in known.history.items()}
        if epochs[-1:] != [epoch]:  # Keras's own hears of the epoch after this callback
            epochs.append(epoch)
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
        return {
            "epoch": epoch + 1,
            "history": (epochs, callback_state.plain(history)[1]),
            "callbacks": [
                {} if type(callback) in left_out else callback_state.of(callback)
                for callback in self._callbacks
            ],
            "model": model_state.taken(self.model),
            "exact": self._exact,
            "drew": self._drew,
        }


def _own_way(tuner: Any, model: keras.Model) -> str:
    """Why nothing is known of how `fit` trains; "" where it is Keras's own."""
    hypermodel = tuner.hypermodel
    if hasattr(hypermodel, "cannot_stack"):  # ours, which gives batches to another one's fit
        hypermodel = hypermodel.space
    if type(hypermodel).fit is not keras_tuner.HyperModel.fit:
        return f"{type(hypermodel).__name__} has its own fit"
    if type(model).fit is not keras.Model.fit:
        return f"its model {type(model).__name__} has its own fit"
    if tuner.distribution_strategy is not None:
        return "the tuner has a distribution strategy"
    return ""
