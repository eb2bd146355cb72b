"""One epoch of a stack, a bounded number of steps at a time."""

import time

import numpy as np

from tuner_app.population import vectorize


class Epoch:
    """Where a stack stands in its epoch: `step` full batches done, in each lane's own order."""

    def __init__(self, stack):
        self.stack = stack
        self.step = 0
        self._full = self._tail = None  # int32 (steps, lanes, batch) and (lanes, remainder)

    @property
    def full_steps(self) -> int:
        return self.stack.train.size // self.stack.batch_size

    def advance(self) -> dict[object, dict[str, float]] | None:
        """Runs at most `steps_per_call` steps; at the epoch's end, each trial's logs by key."""
        started = time.monotonic()
        if self._full is None:
            self._draw_order()
        if self.step < self.full_steps:
            self._run_full_batches()
        logs = self._close() if self.step >= self.full_steps else None
        self.stack.stats.run_seconds += time.monotonic() - started
        return logs

    def _draw_order(self):
        stack, size = self.stack, self.stack.train.size
        used, lanes = self.full_steps * stack.batch_size, len(stack.trials)
        indices = np.zeros((lanes, size), "int32")
        for lane, trial in enumerate(stack.trials):
            if trial is not None:
                indices[lane] = stack.train.order(trial.seed, trial.epoch)
        full = indices[:, :used].reshape(lanes, self.full_steps, stack.batch_size)
        self._full = np.ascontiguousarray(full.transpose(1, 0, 2))
        self._tail = indices[:, used:]

    def _run(self, name, *arguments):
        stack = self.stack
        return stack.programs.run(name, stack.arrays.state, stack.arrays.numbers, *arguments)

    def _run_full_batches(self):
        stack = self.stack
        width = min(stack.steps_per_call, self.full_steps)
        count = min(width, self.full_steps - self.step)
        chunk = np.zeros((width, *self._full.shape[1:]), "int32")
        chunk[:count] = self._full[self.step : self.step + count]
        stack.arrays.state = self._run(
            "train",
            stack.train.leaves,
            vectorize.to_device(chunk),
            vectorize.to_device(np.int32(count)),
        )
        self.step += count
        self._count(count)

    def _count(self, steps):
        stats = self.stack.stats
        stats.lane_steps += steps * len(self.stack.trials)
        stats.useful_lane_steps += steps * self.stack.active

    def _close(self):
        stack = self.stack
        if self._tail.shape[1]:
            tail = vectorize.to_device(self._tail)
            stack.arrays.state = self._run("tail", stack.train.leaves, tail)
            self._count(1)
        logs = self._run("close", *stack.programs.held_out_arguments())
        logs = {name: vectorize.to_host(column) for name, column in logs.items()}
        stack.arrays.reset_metrics()
        self.step, self._full, self._tail = 0, None, None
        found = {}
        for lane, trial in enumerate(stack.trials):
            if trial is not None:
                trial.epoch += 1
                if trial.epoch == trial.epochs:
                    self._put_averages_in_place(trial)
                found[trial.key] = {name: float(column[lane]) for name, column in logs.items()}
        return found

    def _put_averages_in_place(self, trial):
        """What `fit` does at its end for an optimizer that averages the weights."""
        optimizer = self.stack.rule_of(trial.description).optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if not inner.use_ema:
            return
        slots = self.stack.arrays.read(trial.key, "optimizer")
        position = {id(v): i for i, v in enumerate(optimizer.variables)}
        for i, average in enumerate(inner._model_variables_moving_average):
            if average is not None:
                value = slots[position[id(average)]]
                self.stack.arrays.overwrite(trial.key, "trainable", i, value)
