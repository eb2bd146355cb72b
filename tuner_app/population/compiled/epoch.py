"""One epoch of a stack, a bounded number of steps at a time."""

import time

import numpy as np

from tuner_app.population.compiled.readout import rate_place


class Epoch:
    """Where a stack stands in its epoch: `step` full batches done, in each lane's own order."""

    def __init__(self, stack):
        self.stack = stack
        self.step = 0
        # By block in use: int32 (steps, lanes, batch) and (lanes, remainder).
        self._full: dict[int, np.ndarray] | None = None
        self._tail: dict[int, np.ndarray] = {}

    @property
    def full_steps(self) -> int:
        return self.stack.train.an_epoch // self.stack.batch_size

    def advance(self) -> dict[object, tuple[dict[str, float], float | None]] | None:
        """Runs at most `steps_per_call` steps; at the epoch's end, each trial's logs, and where
        its learning rate's schedule stands, by key."""
        started = time.monotonic()
        if self._full is None:
            self._draw_order()
        if self.step < self.full_steps:
            self._run_full_batches()
        logs = self._close() if self.step >= self.full_steps else None
        self.stack.stats.run_seconds += time.monotonic() - started
        return logs

    def _draw_order(self):
        stack, size = self.stack, self.stack.train.an_epoch
        used = self.full_steps * stack.batch_size
        self._full, self._tail = {}, {}
        for block in stack.busy_blocks:
            indices = np.zeros((stack.width, size), "int32")
            for row, trial in enumerate(stack.trials[stack.arrays.lanes(block)]):
                if trial is not None:
                    indices[row] = stack.train.order(trial.seed, trial.epoch)
            full = indices[:, :used].reshape(stack.width, self.full_steps, stack.batch_size)
            self._full[block] = np.ascontiguousarray(full.transpose(1, 0, 2))
            self._tail[block] = indices[:, used:]

    def _run(self, function, orders: dict[int, np.ndarray]):
        arrays = self.stack.arrays
        states = [arrays.blocks[block] for block in orders]
        numbers = [arrays.numbers[block] for block in orders]
        for block, state in zip(orders, function(states, numbers, [*orders.values()]), strict=True):
            arrays.blocks[block] = state

    def _run_full_batches(self):
        count = min(self.stack.steps_per_call, self.full_steps - self.step)
        parts = {block: o[self.step : self.step + count] for block, o in self._full.items()}
        self._run(self.stack.programs.train, parts)
        self.step += count
        self._count(count)

    def _count(self, steps):
        stats = self.stack.stats
        stats.lane_steps += steps * self.stack.width * len(self._full)
        stats.useful_lane_steps += steps * self.stack.active

    def _close(self):
        stack = self.stack
        if stack.train.an_epoch % stack.batch_size:
            self._run(stack.programs.tail, self._tail)
            self._count(1)
        blocks = list(self._full)
        states = [stack.arrays.blocks[block] for block in blocks]
        numbers = [stack.arrays.numbers[block] for block in blocks]
        logs, rates = stack.programs.close(states, numbers)
        stack.arrays.reset_metrics()
        self.step, self._full, self._tail = 0, None, {}
        found = {}
        trials = [t for block in blocks for t in stack.trials[stack.arrays.lanes(block)]]
        for lane, trial in enumerate(trials):
            if trial is not None:
                trial.epoch += 1
                if trial.epoch == trial.epochs:
                    self._put_averages_in_place(trial)
                own = {name: float(column[lane]) for name, column in logs.items()}
                optimizer = stack.rule_of(trial.description).optimizer
                scheduled = rates is not None and rate_place(optimizer) is None
                found[trial.key] = own, float(rates[lane]) if scheduled else None
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
