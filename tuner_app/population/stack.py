"""Lanes of one signature: their state stacked on the device, and the programs that advance it."""

import time
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import tree

from tuner_app.population import check, order, vectorize
from tuner_app.population.errors import CannotStack
from tuner_app.population.lane_scalar import register_with_jax, split
from tuner_app.population.programs import Programs
from tuner_app.population.seam import recurrence
from tuner_app.population.signature import Description


@dataclass(eq=False)
class Trial:
    """One trial in, or waiting for, a lane."""

    key: object
    description: Description
    values: dict
    seed: int
    epochs: int
    epoch: int = 0
    model: object = None  # until it has a lane: it may become the template of another stack

    @property
    def numbers(self) -> np.ndarray:
        return self.description.numbers


@dataclass
class StackStats:
    """What one stack has done: times in seconds, steps in batches of one lane."""

    traces: int = 0
    trace_seconds: float = 0.0
    check_seconds: float = 0.0
    lane_steps: int = 0
    useful_lane_steps: int = 0
    run_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class Stack:
    """Trials of one signature, trained together.

    Args:
        model: the template: compiled, built, with metrics, losses and optimizer built.
        description: its description.
        train, validation: the examples; validation may be None.
        batch_size: examples a step.
        limit: most lanes.
        steps_per_call: most steps in one call of the compiled program.
        native: one lane only, with the backend's own kernels.
        jit_compile: whether XLA compiles the program (TensorFlow); None: where it can.
    """

    def __init__(
        self,
        model,
        description: Description,
        train,
        validation,
        batch_size,
        limit,
        steps_per_call,
        native=False,
        jit_compile=None,
    ):
        self.model, self.description = model, description
        self.train, self.validation, self.batch_size = train, validation, batch_size
        self.limit, self.steps_per_call, self.native = limit, steps_per_call, native
        self.fixed: tuple[int, ...] = ()  # positions of numbers that can't be lifted
        self.varying: tuple[int, ...] = ()
        self.checked: set[int] | None = None  # numbers whose lifting was compared with plain Keras
        self.trials: list[Trial | None] = []
        self.waiting: list[Trial] = []
        self.state, self.pairs = None, None
        self.step, self.indices = 0, None
        self.xla = not recurrence.has_long(model) if jit_compile is None else jit_compile
        self.programs = None
        self.stats = StackStats()
        if vectorize.on_jax():
            register_with_jax()
        self.initial_metrics = _initial_metrics(model)

    # -- lanes ---------------------------------------------------------------------------------

    @property
    def active(self) -> int:
        return sum(trial is not None for trial in self.trials)

    def accepts(self, numbers: np.ndarray) -> bool:
        """Whether a trial with these numbers computes by this stack's program."""
        mine = self.description.numbers
        if any(numbers[i] != mine[i] for i in self.fixed):
            return False
        if self.programs is None:
            return True
        journal = self.programs.journal
        chosen = np.array([numbers[i] for i in self.varying])
        return journal.outcomes(chosen) == tuple(outcome for _, outcome in journal.branches)

    @property
    def trusted(self) -> bool:
        """Whether its program is traced and was checked."""
        return self.programs is not None and self.checked is not None

    def trusts(self, numbers: np.ndarray) -> bool:
        """Whether a trial with these numbers needs neither a trace nor a check."""
        differs = set(np.flatnonzero(numbers != self.description.numbers).tolist())
        return self.trusted and differs <= self.checked and self.accepts(numbers)

    def lane_of(self, key) -> int:
        for lane, trial in enumerate(self.trials):
            if trial is not None and trial.key == key:
                return lane
        raise KeyError(key)

    def trial(self, key) -> Trial:
        waiting = {trial.key: trial for trial in self.waiting}
        return waiting[key] if key in waiting else self.trials[self.lane_of(key)]

    def free(self, key) -> None:
        """Gives up the trial's lane, or its place among those that wait."""
        before = len(self.waiting)
        self.waiting = [trial for trial in self.waiting if trial.key != key]
        if len(self.waiting) == before:
            self.trials[self.lane_of(key)] = None

    def abandon(self) -> list[Trial]:
        """All trials, which leave the stack."""
        trials = [trial for trial in (*self.trials, *self.waiting) if trial is not None]
        self.trials, self.waiting = [None] * len(self.trials), []
        return trials

    def is_waiting(self, key) -> bool:
        return any(trial.key == key for trial in self.waiting)

    def read(self, key, part: str, i: int | None = None) -> list[np.ndarray]:
        """The trial's arrays of one part of the state, or the i-th only, copied to the host."""
        chosen = slice(None) if i is None else slice(i, i + 1)
        if self.is_waiting(key):
            return [np.array(a) for a in self.trial(key).values[part][chosen]]
        lane = self.lane_of(key)
        return [np.array(a[lane]) for a in self.state[part][chosen]]

    def write(self, key, part: str, i: int, value: np.ndarray) -> None:
        """Replaces the trial's i-th array of one part of the state."""
        trial = self.trial(key)
        if trial in self.waiting:
            trial.values[part][i] = np.asarray(value, trial.values[part][i].dtype)
            return
        stacked = self.state[part][i]
        value = np.asarray(value).reshape(stacked.shape[1:])[None]
        value = value.astype(keras.backend.standardize_dtype(stacked.dtype))
        self.state[part][i] = vectorize.put(stacked, np.array([self.lane_of(key)]), value)

    def settle(self) -> list[Trial]:
        """Puts waiting trials into lanes; returns those that need another stack after all."""
        if self.step:
            return []
        room = self.limit - self.active
        coming = self.waiting[:room]
        if not coming:
            if self.programs is None and self.active:
                self._trace([])
            return []
        self._lift_differences(coming)
        self._make_room(len(coming))
        refused = self._trace(coming) if self.programs is None else []
        coming = [trial for trial in coming if trial not in refused]
        self.waiting = self.waiting[room:]
        lanes = [lane for lane, trial in enumerate(self.trials) if trial is None][: len(coming)]
        for lane, trial in zip(lanes, coming, strict=True):
            self.trials[lane] = trial
        if lanes:
            self._write(np.array(lanes), coming)
            refused += self._check(lanes[: check.LANES], coming)
        for trial in coming:
            if trial not in refused:
                trial.model = trial.values = None
        return refused

    def _check(self, lanes: list[int], coming: list[Trial]) -> list[Trial]:
        """Compares a few steps of these lanes with plain Keras, if the program is new.

        Returns the trials that need another stack, where numbers newly lifted are at fault.
        """
        if self.checked is not None and set(self.varying) <= self.checked:
            return []
        started = time.monotonic()
        try:
            check.verify(self, lanes, coming[: len(lanes)])
        except CannotStack:
            if self.checked is None:
                raise
            self.fixed = tuple(sorted({*self.fixed, *(set(self.varying) - self.checked)}))
            self.varying = tuple(sorted(self.checked))
            self.programs = None
            for trial in coming:
                self.trials[self.trials.index(trial)] = None
            self._trace([])
            self._write_pairs()
            return coming
        finally:
            self.stats.check_seconds += time.monotonic() - started
        self.checked = set(self.varying)
        return []

    def _lift_differences(self, coming):
        mine = self.description.numbers
        differs = {int(i) for trial in coming for i in np.flatnonzero(trial.numbers != mine)}
        if differs - set(self.varying):
            self.varying = tuple(sorted(differs | set(self.varying)))
            self.programs = None
            self._write_pairs()

    def _make_room(self, coming: int):
        needed = self.active + coming
        if needed <= len(self.trials):
            return
        lanes = min(self.limit, max(needed, 2 * len(self.trials)))
        self._resize(lanes, list(range(len(self.trials))))

    def _resize(self, lanes: int, kept: list[int]):
        """A stack of `lanes` lanes whose first ones are the old lanes `kept`."""
        self.programs = None
        filler = [kept[0] if kept else 0] * (lanes - len(kept))
        if self.state is None:
            self.state = self._template_state(lanes)
        else:
            index = vectorize.to_device(np.array([*kept, *filler], "int32"))
            self.state = tree.map_structure(lambda a: vectorize.rows(a, index), self.state)
        self.trials = [self.trials[lane] for lane in kept] + [None] * (lanes - len(kept))
        self._write_pairs()

    def compact(self) -> None:
        """Shrinks the stack to its active lanes; the next step is traced anew."""
        if self.step:
            raise RuntimeError("a stack is compacted between epochs")
        kept = [lane for lane, trial in enumerate(self.trials) if trial is not None]
        self._resize(max(1, len(kept)), kept)

    def _template_state(self, lanes: int) -> dict:
        def tiled(variables):
            arrays = [np.asarray(keras.ops.convert_to_numpy(v)) for v in variables]
            return [
                vectorize.to_device(np.broadcast_to(a, (lanes, *a.shape)).copy()) for a in arrays
            ]

        return {
            "trainable": tiled(self.model.trainable_variables),
            "non_trainable": tiled(self.model.non_trainable_variables),
            "optimizer": tiled(self.model.optimizer.variables),
            "metrics": self._fresh_metrics(lanes),
        }

    def _fresh_metrics(self, lanes: int) -> list:
        return [
            vectorize.to_device(np.broadcast_to(a, (lanes, *a.shape)).copy())
            for a in self.initial_metrics
        ]

    def _write(self, lanes: np.ndarray, trials: list[Trial]):
        for part in ("trainable", "non_trainable", "optimizer"):
            columns = zip(*(trial.values[part] for trial in trials), strict=True)
            for i, column in enumerate(columns):
                self.state[part][i] = vectorize.put(self.state[part][i], lanes, np.stack(column))
        self._write_pairs()

    def _write_pairs(self):
        mine = self.description.numbers
        rows = [mine if trial is None else trial.numbers for trial in self.trials]
        self.pairs = self.pairs_of(rows)

    def pairs_of(self, rows):
        """The lifted ones of each lane's numbers, as the programs take them."""
        numbers = np.array([[row[i] for i in self.varying] for row in rows], "float64")
        return vectorize.to_device(split(numbers.reshape(len(rows), len(self.varying))))

    # -- programs ------------------------------------------------------------------------------

    def _trace(self, coming: list[Trial]) -> list[Trial]:
        """Traces the step; returns the trials whose numbers it would not compute rightly."""
        started = time.monotonic()
        while True:
            self.programs = Programs(self)
            with vectorize.exact_reason():
                self.programs.trace()
            constants = {self.varying[int(i)] for i in self.programs.journal.constants}
            if not constants:
                break
            # Read as plain floats while tracing: constants of the program, so of the signature.
            self.fixed = tuple(sorted({*self.fixed, *constants}))
            labels = sorted({self.description.sites[i].label for i in constants})
            self.stats.notes.append(f"each value of {', '.join(labels)} has a stack of its own")
            self.varying = tuple(i for i in self.varying if i not in constants)
            self._write_pairs()
        self.stats.traces += 1
        self.stats.trace_seconds += time.monotonic() - started
        settled = [trial for trial in self.trials if trial is not None]
        if not all(self.accepts(trial.numbers) for trial in settled):
            raise RuntimeError("a trial in a lane no longer fits its stack's program")
        return [trial for trial in coming if not self.accepts(trial.numbers)]

    # -- training ------------------------------------------------------------------------------

    @property
    def full_steps(self) -> int:
        return self.train.size // self.batch_size

    def advance(self) -> dict[object, dict[str, float]] | None:
        """Runs at most `steps_per_call` steps; at an epoch's end, each trial's logs by key."""
        started = time.monotonic()
        if self.indices is None:
            self._draw_order()
        if self.step < self.full_steps:
            self._run_full_batches()
        if self.step < self.full_steps:
            self.stats.run_seconds += time.monotonic() - started
            return None
        logs = self._close_epoch()
        self.stats.run_seconds += time.monotonic() - started
        return logs

    def _draw_order(self):
        size = self.train.size
        used = self.full_steps * self.batch_size
        self.indices = np.zeros((len(self.trials), size), "int32")
        for lane, trial in enumerate(self.trials):
            if trial is not None:
                self.indices[lane] = order.permutation(size, trial.seed, trial.epoch)
        full = self.indices[:, :used].reshape(len(self.trials), self.full_steps, self.batch_size)
        self.full = np.ascontiguousarray(full.transpose(1, 0, 2))
        self.tail = self.indices[:, used:]

    def _run_full_batches(self):
        width = min(self.steps_per_call, self.full_steps)
        count = min(width, self.full_steps - self.step)
        chunk = np.zeros((width, *self.full.shape[1:]), "int32")
        chunk[:count] = self.full[self.step : self.step + count]
        self.state = self.programs.run(
            "train",
            self.state,
            self.pairs,
            self.train.leaves,
            vectorize.to_device(chunk),
            vectorize.to_device(np.int32(count)),
        )
        self.step += count
        self._count(count)

    def _count(self, steps):
        self.stats.lane_steps += steps * len(self.trials)
        self.stats.useful_lane_steps += steps * self.active

    def _close_epoch(self):
        if self.tail.shape[1]:
            self.state = self.programs.run(
                "tail", self.state, self.pairs, self.train.leaves, vectorize.to_device(self.tail)
            )
            self._count(1)
        held_out = self.validation.leaves if self.validation else []
        logs = self.programs.run("close", self.state, self.pairs, held_out)
        self.state["metrics"] = self._fresh_metrics(len(self.trials))
        self.step, self.indices = 0, None
        logs = {name: vectorize.to_host(column) for name, column in logs.items()}
        found = {}
        for lane, trial in enumerate(self.trials):
            if trial is not None:
                trial.epoch += 1
                if trial.epoch == trial.epochs:
                    self._finalize(lane)
                found[trial.key] = {name: float(column[lane]) for name, column in logs.items()}
        return found

    def _finalize(self, lane: int):
        """Puts averaged weights in place, as `fit` does at its end."""
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not optimizer.use_ema:
            return
        slots = {id(v): i for i, v in enumerate(self.model.optimizer.variables)}
        for i, average in enumerate(optimizer._model_variables_moving_average):
            if average is not None:
                value = self.state["optimizer"][slots[id(average)]][lane]
                self.state["trainable"][i] = vectorize.put(
                    self.state["trainable"][i], np.array([lane]), vectorize.to_host(value)[None]
                )


def _initial_metrics(model) -> list[np.ndarray]:
    model.reset_metrics()
    return [np.asarray(keras.ops.convert_to_numpy(v)) for v in model.metrics_variables]
