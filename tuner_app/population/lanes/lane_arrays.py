"""A stack's state on the device: a block of lanes at a time, arrays with a leading lane axis."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import tree

from tuner_app.population.backend import vectorize


class LaneArrays:
    """The arrays of a stack's lanes, and the numbers that differ between them.

    `blocks` holds a state for each block of `stack.width` lanes, as `program` describes it,
    stacked. `numbers` holds for each block "body" and "rules", float32 of shape (width, n, 2), and
    "which", int32 of shape (width,): the position of the lane's rule.
    """

    def __init__(self, stack):
        self.stack = stack
        self.blocks: list[dict] = []
        self.numbers: list[dict] = []
        stack.model.reset_metrics()
        self.initial_metrics = [
            keras.ops.convert_to_numpy(v) for v in stack.model.metrics_variables
        ]

    def place(self, lane: int) -> tuple[int, int]:
        """The lane's block, and its row there."""
        return divmod(lane, self.stack.width)

    def lanes(self, block: int) -> slice:
        return slice(block * self.stack.width, (block + 1) * self.stack.width)

    def arrange(self, kept: list[int], lanes: int, width: int) -> None:
        """`lanes` lanes in blocks of `width`, the first of which are the old lanes `kept`."""
        starts = range(0, lanes, width)
        if not self.blocks:
            self.blocks = [self._template(width) for _ in starts]
            return
        filler = [kept[0] if kept else 0] * (lanes - len(kept))
        index = np.array([*kept, *filler], "int32")
        parts = [index[start : start + width] for start in starts]
        self.blocks = [
            tree.map_structure(
                lambda *each, part=part: vectorize.lanes_of(each, part), *self.blocks
            )
            for part in parts
        ]

    def widen(self) -> None:
        """Adds the slots that a new rule needs."""
        for state in self.blocks:
            for shape, dtype in self.stack.pool.specs[len(state["optimizer"]) :]:
                zeros = np.zeros((self.stack.width, *shape), dtype)
                state["optimizer"].append(vectorize.to_device(zeros))

    def _template(self, width: int) -> dict:
        model = self.stack.model
        slots = [np.zeros(shape, dtype) for shape, dtype in self.stack.pool.specs]
        return {
            "trainable": _tiled(model.trainable_variables, width),
            "non_trainable": _tiled(model.non_trainable_variables, width),
            "optimizer": _tiled(slots, width),
            "metrics": _tiled(self.initial_metrics, width),
        }

    def reset_metrics(self) -> None:
        for state in self.blocks:
            state["metrics"] = _tiled(self.initial_metrics, self.stack.width)

    def write(self, lanes: np.ndarray, trials: list) -> None:
        """Puts the trials' initial values into the lanes."""
        for block, mine in self._by_block(lanes):
            rows = lanes[mine] - self.lanes(block).start
            self._write(self.blocks[block], rows, [trials[i] for i in mine])

    def _by_block(self, lanes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(block, positions in `lanes` of those in it)."""
        blocks = lanes // self.stack.width
        for block in np.unique(blocks):
            yield int(block), np.flatnonzero(blocks == block)

    def _write(self, state: dict, rows: np.ndarray, trials: list) -> None:
        for part in ("trainable", "non_trainable"):
            columns = zip(*(trial.values[part] for trial in trials), strict=True)
            for i, column in enumerate(columns):
                state[part][i] = vectorize.put(state[part][i], rows, np.stack(column))
        slots = state["optimizer"]
        for rule in self.stack.rules:
            mine = [i for i, t in enumerate(trials) if self.stack.rule_of(t.description) is rule]
            if not mine:
                continue
            columns = zip(*(trials[i].values["optimizer"] for i in mine), strict=True)
            for place, column in zip(rule.places, columns, strict=True):
                slots[place] = vectorize.put(slots[place], rows[mine], np.stack(column))

    def read(self, key, part: str, i: int | None = None) -> list[np.ndarray]:
        """The trial's arrays of one part of the state, or the i-th only, copied to the host."""
        trial = self.stack.trial(key)
        chosen = slice(None) if i is None else slice(i, i + 1)
        if self.stack.is_waiting(key):
            return [np.array(a) for a in trial.values[part][chosen]]
        block, row = self.place(self.stack.lane_of(key))
        places = self.positions(trial, part)[chosen]
        return [vectorize.row(self.blocks[block][part][p], row) for p in places]

    def values_of(self, state: dict, row: int, rule) -> dict[str, list[np.ndarray]]:
        """One lane of a block as these, as in `Trial.values`, copied to the host."""
        arrays = {**state, "optimizer": [state["optimizer"][place] for place in rule.places]}
        parts = ("trainable", "non_trainable", "optimizer")
        return {part: [vectorize.row(a, row) for a in arrays[part]] for part in parts}

    def overwrite(self, key, part: str, i: int, value: np.ndarray) -> None:
        """Replaces the trial's i-th array of one part of the state."""
        trial = self.stack.trial(key)
        if self.stack.is_waiting(key):
            trial.values[part][i] = np.asarray(value, trial.values[part][i].dtype)
            return
        block, row = self.place(self.stack.lane_of(key))
        position = self.positions(trial, part)[i]
        stacked = self.blocks[block][part][position]
        value = np.asarray(value).reshape(stacked.shape[1:])[None]
        value = value.astype(keras.backend.standardize_dtype(stacked.dtype))
        self.blocks[block][part][position] = vectorize.put(stacked, np.array([row]), value)

    def positions(self, trial, part: str):
        """Where in a state's `part` the trial's own arrays are, in the order of `Trial.values`."""
        if part == "optimizer":
            return self.stack.rule_of(trial.description).places
        return range(len(self.blocks[0][part]))

    def refresh_numbers(self) -> None:
        self.numbers = self.numbers_of([t and t.description for t in self.stack.trials])

    def numbers_of(self, descriptions: list) -> list[dict]:
        """The programs' numbers for lanes of these descriptions (None: an idle lane)."""
        stack = self.stack
        rules = [stack.rules[0] if d is None else stack.rule_of(d) for d in descriptions]
        body = [stack.body.part.numbers if d is None else d.body.numbers for d in descriptions]
        width = max(len(rule.lifting.varying) for rule in stack.rules)
        pairs = np.zeros((len(descriptions), width, 2), "float32")
        for lane, (rule, d) in enumerate(zip(rules, descriptions, strict=True)):
            mine = rule.lifting.part.numbers if d is None else d.rule.numbers
            pairs[lane] = rule.lifting.pairs([mine], width)[0]
        which = np.array([stack.rules.index(rule) for rule in rules], "int32")
        columns = {"body": stack.body.pairs(body), "rules": pairs, "which": which}
        return [
            {n: vectorize.to_device(c[self.lanes(block)]) for n, c in columns.items()}
            for block in range(len(self.blocks))
        ]


def _tiled(values, lanes: int) -> list:
    arrays = [np.asarray(keras.ops.convert_to_numpy(v)) for v in values]
    return [vectorize.to_device(np.broadcast_to(a, (lanes, *a.shape)).copy()) for a in arrays]
