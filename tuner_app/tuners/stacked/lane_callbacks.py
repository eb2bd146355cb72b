"""Keras's own callback objects, and the user's, at work on one lane of a stack.

Between epochs a callback does to a lane what it does to a model in `fit`, through `LaneModel`. What
happens inside an epoch is one compiled program for all lanes, so a callback that wants to act on
batches, or while the validation data are evaluated, can't stack.
"""

from collections.abc import Iterable

import keras

from tuner_app.optimizers import EvaluateAtPoint
from tuner_app.population import CannotStack
from tuner_app.tuners.runs import callback_state
from tuner_app.tuners.stacked.lane_model import LaneModel

_INSIDE_AN_EPOCH = (
    "on_batch_begin on_batch_end on_train_batch_begin on_train_batch_end on_test_begin "
    "on_test_end on_test_batch_begin on_test_batch_end"
).split()


def refuse_inside_an_epoch(callbacks: Iterable[keras.callbacks.Callback]) -> None:
    """Raises `CannotStack`, naming the callback, where one of them acts inside an epoch.

    >>> refuse_inside_an_epoch([keras.callbacks.EarlyStopping()])
    >>> refuse_inside_an_epoch([keras.callbacks.ModelCheckpoint("a.keras", save_freq=5)])
    Traceback (most recent call last):
    tuner_app.population.errors.CannotStack: the callback ModelCheckpoint saves every 5 batches
    """
    for callback in callbacks:
        name = type(callback).__name__
        if not isinstance(callback, keras.callbacks.Callback):
            raise CannotStack(f"the callback {name} is no keras.callbacks.Callback")
        reason = _REASONS.get(type(callback), _its_hooks)(callback)
        if reason:
            raise CannotStack(f"the callback {name} {reason}")


def _its_hooks(callback) -> str | None:
    plain = keras.callbacks.Callback
    for hook in _INSIDE_AN_EPOCH:
        if hook in vars(callback) or getattr(type(callback), hook) is not getattr(plain, hook):
            return f"has its own {hook}"
    return None


def _of_checkpoint(callback) -> str | None:
    if callback.save_freq != "epoch":
        return f"saves every {callback.save_freq} batches"
    return None


def _of_tensorboard(callback) -> str | None:
    if callback.update_freq != "epoch" or callback.write_steps_per_second:
        return "writes every few batches"
    if callback._start_batch or callback._stop_batch:
        return "profiles batches"
    return None


# Keras's own that have hooks inside an epoch, and may do without them.
_REASONS = {
    # A lane whose loss is no number ends at that epoch anyway.
    keras.callbacks.TerminateOnNaN: lambda callback: None,
    keras.callbacks.ModelCheckpoint: _of_checkpoint,
    keras.callbacks.TensorBoard: _of_tensorboard,
    # The engine evaluates lanes there.
    EvaluateAtPoint: lambda callback: None,
}


class LaneCallbacks:
    """The callbacks of one run, called in their order as `fit` calls them.

    Args:
        callbacks: The run's own copies.
        model: The lane.
        epochs, steps: What Keras tells callbacks in `params`.
    """

    def __init__(
        self,
        callbacks: list[keras.callbacks.Callback],
        model: LaneModel,
        epochs: int,
        steps: int,
    ):
        self.model = model
        self._callbacks = callbacks
        self._params = {"verbose": 0, "epochs": epochs, "steps": steps}

    def train_begin(self, state: list[dict] | None = None) -> None:
        """Begins, or goes on where `state` was taken."""
        for i, callback in enumerate(self._callbacks):
            callback.set_params(self._params)
            callback.set_model(self.model)
            if state is not None:
                callback_state.prepare(callback, state[i])
        self._call("on_train_begin", None)
        if state is not None:
            for callback, attributes in zip(self._callbacks, state, strict=True):
                callback_state.give_back(callback, attributes)

    def begin_anew(self, kind: type, optimizer: keras.optimizers.Optimizer) -> None:
        """The lane has another model, of which they know nothing yet; what they log goes on."""
        self.model.move_to(self.model.lane, kind, optimizer)
        for callback in self._callbacks:
            if type(callback) not in (keras.callbacks.TerminateOnNaN, keras.callbacks.CSVLogger):
                callback.on_train_begin(None)
                self.model.take_back(f"the callback {type(callback).__name__}")

    def epoch_begin(self, epoch: int) -> None:
        self._call("on_epoch_begin", epoch, None)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """`logs` are the epoch's; callbacks may add to them."""
        for callback in self._callbacks:
            if type(callback) is keras.callbacks.TensorBoard:
                self._evaluated(callback, logs)
        self._call("on_epoch_end", epoch, logs)

    def train_end(self, logs: dict[str, float]) -> None:
        self._call("on_train_end", logs)
        self.model.close()

    def state(self, without_files: bool = False) -> list[dict]:
        """Each callback's attributes, as far as they are plain values, arrays, or nests of them.

        Args:
            without_files: Nothing of those that write to files of the trial's own.
        """
        own = callback_state.WITH_FILES if without_files else ()
        return [{} if type(c) in own else callback_state.of(c) for c in self._callbacks]

    def _call(self, hook: str, *arguments) -> None:
        for callback in self._callbacks:
            if type(callback) is keras.callbacks.TerminateOnNaN:
                continue
            getattr(callback, hook)(*arguments)
            self.model.take_back(f"the callback {type(callback).__name__}")

    def _evaluated(self, callback, logs) -> None:
        found = {k.removeprefix("val_"): v for k, v in logs.items() if k.startswith("val_")}
        if found:
            callback.on_test_begin()
            callback.on_test_end(found)
