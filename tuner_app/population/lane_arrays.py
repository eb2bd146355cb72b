"""A stack's state on the device: each array with a leading lane axis."""

import keras
import numpy as np
from keras import tree

from tuner_app.population import vectorize


class LaneArrays:
    """The arrays of a stack's lanes, and the numbers that differ between them.

    `state` is as `program` describes it, stacked; `numbers` holds "body" and "rules", float32 of
    shape (lanes, n, 2), and "which", int32 of shape (lanes,): the position of the lane's rule.
    """

    def __init__(self, stack):
        self.stack = stack
        self.state: dict | None = None
        self.numbers: dict | None = None
        stack.model.reset_metrics()
        self.initial_metrics = [
            keras.ops.convert_to_numpy(v) for v in stack.model.metrics_variables
        ]

    def arrange(self, kept: list[int], lanes: int) -> None:
        """`lanes` lanes, the first of which are the old lanes `kept`."""
        if self.state is None:
            self.state = self._template(lanes)
            return
        filler = [kept[0] if kept else 0] * (lanes - len(kept))
        index = vectorize.to_device(np.array([*kept, *filler], "int32"))
        self.state = tree.map_structure(lambda a: vectorize.rows(a, index), self.state)

    def widen(self) -> None:
        """Adds the slots that a new rule needs."""
        lanes = len(self.stack.trials)
        for shape, dtype in self.stack.pool.specs[len(self.state["optimizer"]) :]:
            self.state["optimizer"].append(vectorize.to_device(np.zeros((lanes, *shape), dtype)))

    def _template(self, lanes: int) -> dict:
        model = self.stack.model
        slots = [np.zeros(shape, dtype) for shape, dtype in self.stack.pool.specs]
        return {
            "trainable": _tiled(model.trainable_variables, lanes),
            "non_trainable": _tiled(model.non_trainable_variables, lanes),
            "optimizer": _tiled(slots, lanes),
            "metrics": _tiled(self.initial_metrics, lanes),
        }

    def reset_metrics(self) -> None:
        self.state["metrics"] = _tiled(self.initial_metrics, len(self.stack.trials))

    def write(self, lanes: np.ndarray, trials: list) -> None:
        """Puts the trials' initial values into the lanes."""
        for part in ("trainable", "non_trainable"):
            columns = zip(*(trial.values[part] for trial in trials), strict=True)
            for i, column in enumerate(columns):
                self.state[part][i] = vectorize.put(self.state[part][i], lanes, np.stack(column))
        for rule in self.stack.rules:
            mine = [i for i, t in enumerate(trials) if self.stack.rule_of(t.description) is rule]
            if not mine:
                continue
            columns = zip(*(trials[i].values["optimizer"] for i in mine), strict=True)
            slots = self.state["optimizer"]
            for place, column in zip(rule.places, columns, strict=True):
                slots[place] = vectorize.put(slots[place], lanes[mine], np.stack(column))

    def read(self, key, part: str, i: int | None = None) -> list[np.ndarray]:
        """The trial's arrays of one part of the state, or the i-th only, copied to the host."""
        trial = self.stack.trial(key)
        chosen = slice(None) if i is None else slice(i, i + 1)
        if self.stack.is_waiting(key):
            return [np.array(a) for a in trial.values[part][chosen]]
        lane = self.stack.lane_of(key)
        places = self.positions(trial, part)[chosen]
        return [vectorize.row(self.state[part][p], lane) for p in places]

    def values_of(self, state: dict, lane: int, rule) -> dict[str, list[np.ndarray]]:
        """One lane of a state as this one, as in `Trial.values`, copied to the host."""
        arrays = {**state, "optimizer": [state["optimizer"][place] for place in rule.places]}
        parts = ("trainable", "non_trainable", "optimizer")
        return {part: [vectorize.row(a, lane) for a in arrays[part]] for part in parts}

    def overwrite(self, key, part: str, i: int, value: np.ndarray) -> None:
        """Replaces the trial's i-th array of one part of the state."""
        trial = self.stack.trial(key)
        if self.stack.is_waiting(key):
            trial.values[part][i] = np.asarray(value, trial.values[part][i].dtype)
            return
        place = self.positions(trial, part)[i]
        stacked = self.state[part][place]
        value = np.asarray(value).reshape(stacked.shape[1:])[None]
        value = value.astype(keras.backend.standardize_dtype(stacked.dtype))
        lane = np.array([self.stack.lane_of(key)])
        self.state[part][place] = vectorize.put(stacked, lane, value)

    def positions(self, trial, part: str):
        """Where in `state[part]` the trial's own arrays are, in the order of `Trial.values`."""
        if part == "optimizer":
            return self.stack.rule_of(trial.description).places
        return range(len(self.state[part]))

    def refresh_numbers(self) -> None:
        self.numbers = self.numbers_of([t and t.description for t in self.stack.trials])

    def numbers_of(self, descriptions: list) -> dict:
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
        return {
            "body": vectorize.to_device(stack.body.pairs(body)),
            "rules": vectorize.to_device(pairs),
            "which": vectorize.to_device(which),
        }


def _tiled(values, lanes: int) -> list:
    arrays = [np.asarray(keras.ops.convert_to_numpy(v)) for v in values]
    return [vectorize.to_device(np.broadcast_to(a, (lanes, *a.shape)).copy()) for a in arrays]
