"""A resume that asks for another space, objective or budget than before, and is to have it.

What was completed stays; what comes after follows the new wishes.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras_tuner

from tuner_app.errors import UserError
from tuner_app.oracles import GridOracle, HyperbandOracle, StoredOracle
from tuner_app.store import SearchStore


def take(
    oracle: StoredOracle, store: SearchStore, before: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    """Makes an oracle that was reloaded from `store` follow `now` instead of `before`, both as
    `what_was_asked.asked` gives them, and has the store hold it.

    Raises:
        UserError: the change can't be taken over; the message says why.
    """
    if before["oracle"]["name"] != now["oracle"]["name"]:
        raise _impossible(store, "the oracle is another one")
    if before["objective"] != now["objective"]:
        _rescore(oracle, store)
    for name, value in now["oracle"].items():
        if name != "name":
            setattr(oracle, name, value)
    if isinstance(oracle, HyperbandOracle) and _without_trials(before) != _without_trials(now):
        oracle.begin_anew()  # brackets of another size
    if before["space"] != now["space"]:
        if isinstance(oracle, GridOracle):
            raise _impossible(store, "a grid's order has no place for another space's combinations")
        oracle.hyperparameters = keras_tuner.HyperParameters.from_config(
            {"space": now["space"], "values": {}}
        )
    store.set_fact("asked", now)
    store.set_fact("objective", now["objective"])
    oracle.save()


def _without_trials(question: Mapping[str, Any]) -> dict:
    return {name: value for name, value in question["oracle"].items() if name != "max_trials"}


def _rescore(oracle: StoredOracle, store: SearchStore) -> None:
    """Scores every completed trial by the oracle's objective, from the metrics of its epochs."""
    objective = oracle.objective
    for trial in oracle.trials.values():
        if trial.status != "COMPLETED":
            continue
        best: dict[int, tuple[float, int]] = {}
        for (execution, epoch), metrics in store.history(trial.trial_id).items():
            if not objective.has_value(metrics):
                continue
            value = objective.get_value(metrics)
            if math.isfinite(value) and (
                execution not in best or objective.better_than(value, best[execution][0])
            ):
                best[execution] = (value, epoch)
        if not best:
            raise _impossible(store, f"trial {trial.trial_id} reported no {objective.name}")
        score = sum(value for value, _ in best.values()) / len(best)
        epoch = sum(epoch for _, epoch in best.values()) // len(best)
        if not trial.metrics.exists(objective.name):
            trial.metrics.register(objective.name, objective.direction)
            trial.metrics.update(objective.name, score, step=epoch)
        trial.score, trial.best_step = score, epoch
        oracle.save_trial(trial)


def _impossible(store: SearchStore, why: str) -> UserError:
    return UserError(
        f"{store.directory} can't go on with the new wishes: {why}. Ask for the same as before, "
        "choose another directory, or begin again with overwrite=True."
    )
