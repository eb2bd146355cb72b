"""What a search was asked to do, so that a resume can tell whether it is still the same."""

from collections.abc import Mapping
from typing import Any

import keras_tuner

from tuner_app.errors import UserError

# The oracle's arguments that make up the budget and the method; whichever it has.
_SETTINGS = (
    "max_trials max_epochs factor hyperband_iterations num_initial_points alpha beta "
    "population interval factors resample quantile patience "
    "options explore generation defaults_first extend_ranges pruner"
).split()


def asked(oracle: keras_tuner.Oracle, space: list[dict], executions_per_trial: int) -> dict:
    """The question as a JSON value: objective, oracle and its budget, space, executions a trial."""
    settings = {name: getattr(oracle, name) for name in _SETTINGS if hasattr(oracle, name)}
    return {
        "objective": objective(oracle.objective),
        "oracle": {"name": getattr(oracle, "sampler", type(oracle).__name__), **settings},
        "executions_per_trial": executions_per_trial,
        "space": space,
    }


def objective(of: keras_tuner.Objective) -> dict:
    """An objective as a JSON value: name, direction, and `parts` where it is a sum of several."""
    found = {"name": of.name, "direction": of.direction}
    if hasattr(of, "name_to_direction"):
        found["parts"] = dict(of.name_to_direction)
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two questions, each difference in words; empty when they are the same.

    >>> differences({"oracle": {"max_trials": 5}}, {"oracle": {"max_trials": 9}})
    ['oracle max_trials: 5 before, 9 now']
    """
    found = []
    for name in before.keys() | now.keys():
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name == "space":
            found.append(_space_difference(old, new))
        elif isinstance(old, dict) and isinstance(new, dict):
            found += [
                f"{name} {key}: {old.get(key)!r} before, {new.get(key)!r} now"
                for key in sorted(old.keys() | new.keys())
                if old.get(key) != new.get(key)
            ]
        else:
            found.append(f"{name}: {old!r} before, {new!r} now")
    return sorted(found)


def refuse(directory: object, found: list[str]) -> UserError:
    """The error for a resume that asks for something else than the search in `directory` did."""
    return UserError(
        f"{directory} holds a search for something else ({'; '.join(found)}). Ask for the same as "
        "before, choose another directory, begin again with overwrite=True, or go on with the new "
        'wishes with on_change="take".'
    )


def _space_difference(old: list[dict], new: list[dict]) -> str:
    before = {_name(entry): entry for entry in old or []}
    now = {_name(entry): entry for entry in new or []}
    words = [f"{name} is new" for name in now.keys() - before.keys()]
    words += [f"{name} is gone" for name in before.keys() - now.keys()]
    words += [f"{name} differs" for name in now.keys() & before.keys() if now[name] != before[name]]
    return "search space: " + (", ".join(sorted(words)) or "another order")


def _name(entry: dict) -> str:
    return entry["config"]["name"]
