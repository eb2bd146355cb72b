"""Grid search: every combination of values once, beginning with the defaults."""

import keras_tuner
from keras_tuner.src.tuners.gridsearch import LinkedList

from tuner_app.oracles.stored import StoredOracle

NAME = "grid"


class GridOracle(StoredOracle, keras_tuner.oracles.GridSearchOracle):
    """KerasTuner's grid search, in the store. `max_trials=None`: until the space is exhausted.

    KerasTuner forgets the order of the combinations on a resume; here each trial notes which one it
    follows. KerasTuner also waits for a trial's end before it gives the next combination; here as
    many may be open as are asked for. So there may be trials that lack a hyperparameter because
    their models do not ask for it, or have not yet: such a one is not varied there, and where
    combinations are compared it counts as its default.

    >>> oracle = GridOracle(objective="val_loss")
    >>> oracle.hyperparameters.Choice("units", [8, 16])
    8
    >>> oracle.create_trial("tuner0").hyperparameters.values
    {'units': 8}
    """

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self._ordered_ids = _NotedList()

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        # What follows may be asked for at once. When the trial ends it is asked again, in case its
        # model had hyperparameters that were not known before.
        if response["status"] == "RUNNING" and trial_id not in self._populate_next:
            self._populate_next.append(trial_id)
        return response

    def _get_next_combination(self, values):
        space = self.get_space()
        space.values = dict(values)
        was_active = [space.is_active(hp) for hp in space.space]
        for hp in reversed(space.space):
            if hp.name not in values or not space.is_active(hp):
                continue
            order = _in_order(hp)
            place = order.index(values[hp.name]) + 1
            space.values[hp.name] = order[place % len(order)]
            if place < len(order):
                break
        else:
            return None
        following = {}
        for hp, active_before in zip(space.space, was_active, strict=True):
            if not space.is_active(hp):
                continue
            if not active_before:
                space.values[hp.name] = hp.default
            if hp.name in space.values:
                following[hp.name] = space.values[hp.name]
        return following

    def _compare(self, a, b):
        for hp in self.get_space().space:
            one, other = a.get(hp.name, hp.default), b.get(hp.name, hp.default)
            if one != other:
                order = _in_order(hp)
                return -1 if order.index(one) < order.index(other) else 1
        return 0

    def get_state(self):
        return super().get_state() | {"populate_next": list(self._populate_next)}

    def set_state(self, state):
        super().set_state(state)
        self._populate_next = list(state["populate_next"])

    def _note(self, trial_id):
        return {"follows": self._ordered_ids.follows.get(trial_id)}

    def _restore_notes(self, rows):
        self._ordered_ids = _NotedList()
        for row in rows:
            self._ordered_ids.insert(row.trial_id, row.note["follows"])


def _in_order(hp) -> list:
    """A hyperparameter's values, the default first."""
    return [hp.default, *(value for value in hp.values if value != hp.default)]


class _NotedList(LinkedList):
    """KerasTuner's list of combinations in order, which remembers how it was built."""

    def __init__(self):
        super().__init__()
        self.follows = {}

    def insert(self, data, data_pre=None):
        super().insert(data, data_pre)
        self.follows[data] = data_pre
