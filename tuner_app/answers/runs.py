"""Given configurations trained with given seeds, stacked like the trials of a search.

They are a search of their own, whose oracle only hands out a list. So they are stacked, fall back
on `fit`, are resumed after a death, and fail one by one, as any trials do.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_tuner

import search_spaces
from tuner_app import tuners
from tuner_app.answers.replaying import ReplayingSearch, ReplayOracle
from tuner_app.config import SearchConfig
from tuner_app.data import Dataset
from tuner_app.optimizers import EvaluateAtPoint
from tuner_app.oracles import StoredOracle
from tuner_app.results.lineage import Stretch, as_json
from tuner_app.results.search_results import objective_parts
from tuner_app.store import SearchReader, holds_search
from tuner_app.store.json_text import to_text
from tuner_app.store.reader import History
from tuner_app.trial_data import in_search
from tuner_app.tuners.observer import Observer


@dataclass(frozen=True)
class Wanted:
    """One run to be made.

    Attributes:
        name: Of its configuration.
        values: Its hyperparameters.
        seed: The run's own.
        line: Of population-based training the stretches of epochs that are trained, each with
            values of its own. All wanted runs have one, or none has.
    """

    name: str
    values: Mapping[str, Any]
    seed: int
    line: Sequence[Stretch] = ()


@dataclass(frozen=True)
class Ran:
    """What came of a run.

    Attributes:
        name, seed: As wanted.
        score: The objective's best value over the epochs; None where the run failed.
        best_epoch: The epoch (from 0) it comes from.
        epochs, seconds: What it took.
        history: (execution, epoch) to metrics.
        message: Why it failed; "" otherwise.
        mode: "stacked" or "fit".
    """

    name: str
    seed: int
    score: float | None
    best_epoch: int | None
    epochs: int
    seconds: float
    history: History = field(repr=False)
    message: str = ""
    mode: str = "fit"


class ListedOracle(StoredOracle, keras_tuner.Oracle):
    """Hands out given values in their order, one trial each.

    Args:
        values: Hyperparameter values, one mapping a trial.
    """

    def __init__(self, values: Sequence[Mapping[str, Any]], **arguments):
        self._values = [dict(one) for one in values]
        super().__init__(max_trials=len(self._values), **arguments)

    def populate_space(self, trial_id):
        return {"status": "RUNNING", "values": dict(self._values[int(trial_id)])}


class SeededTuner(tuners.PopulationTuner):
    """A `PopulationTuner` whose trials have given seeds, by their number."""

    seeds: Sequence[int] = ()
    evolving_kind = ReplayingSearch

    def seed_of(self, trial_id: str, execution: int) -> int:
        return self.seeds[int(trial_id)]


def run(
    config: SearchConfig,
    dataset: Dataset,
    wanted: Sequence[Wanted],
    objective: Mapping[str, str],
    directory: Path,
    *,
    observers: Iterable[Observer] = (),
    epochs: int | None = None,
    patience: int | None = None,
    space: keras_tuner.HyperModel | None = None,
    keep_best: int = 1,
) -> list[Ran]:
    """Trains every wanted run, in their order; goes on where an earlier call was stopped.

    Args:
        config: The search's: data, space, batch size, precision, lanes.
        dataset: Its data set; `validation` is what scores are measured on.
        wanted: The runs.
        objective: name and direction, and parts where it is several (see the store).
        directory: A folder for this alone. Runs that an earlier call with the same arguments made
            are taken from there.
        epochs, patience: The configuration's, unless given.
        space: The space, where it is not the configuration's.

    Raises:
        UserError: The space can't build its model.
        KeyboardInterrupt: It was stopped, and may be called again.
    """
    epochs = config.epochs if epochs is None else epochs
    patience = config.patience if patience is None else patience
    if space is None:
        steps = config.steps(dataset.train.size, epochs)
        space = search_spaces.load(
            config.space, dataset.spec, config.optimizers, steps, losses=config.losses
        )
    asked = {
        "runs": [[w.name, dict(w.values), w.seed, as_json(w.line)] for w in wanted],
        "objective": dict(objective),
        "epochs": epochs,
        "patience": patience,
        "config": config.to_dict(),
    }
    searched, given = in_search(space, dataset, config)
    goals = [
        keras_tuner.Objective(name, direction)
        for name, direction in objective_parts(objective).items()
    ]
    asked_for = {
        "objective": goals if len(goals) > 1 else goals[0],
        "seed": 0,
        "max_failed_fraction": 1.0,
    }
    lines = [w.line for w in wanted if w.line]
    tuner = SeededTuner(
        ReplayOracle(lines, **asked_for)
        if lines
        else ListedOracle([w.values for w in wanted], **asked_for),
        searched,
        directory=str(directory.parent),
        project_name=directory.name,
        observers=list(observers),
        seed=config.seed,
        keep_best=keep_best,
        config={"digest": hashlib.sha256(to_text(asked).encode()).hexdigest()},
        overwrite=holds_search(directory) and not _same(directory, asked),
        lanes=config.lanes if config.lanes == "auto" else int(config.lanes),
    )
    tuner.seeds = [w.seed for w in wanted]
    callbacks: list[Any] = [EvaluateAtPoint()]
    if patience and not lines:  # a line ends at its best epoch
        callbacks.append(
            keras.callbacks.EarlyStopping(
                goals[0].name,  # of several, patience watches the first, as in the search
                mode=goals[0].direction,
                patience=patience,
                restore_best_weights=True,
            )
        )
    try:
        tuner.search(**given, epochs=epochs, callbacks=callbacks, verbose=0)
    except tuners.SearchFailed:
        pass  # each run says why it failed
    finally:
        tuner.close()
    return _read(directory, wanted)


def _same(directory: Path, asked: Mapping[str, Any]) -> bool:
    """Whether the directory holds an unfinished call for the same runs."""
    with SearchReader(directory) as reader:
        kept = reader.fact("config") or {}
    return kept.get("digest") == hashlib.sha256(to_text(asked).encode()).hexdigest()


def _read(directory: Path, wanted: Sequence[Wanted]) -> list[Ran]:
    with SearchReader(directory) as reader:
        rows = {row.number: row for row in reader.trials()}
        histories = {number: reader.history(row.trial_id) for number, row in rows.items()}
    found = []
    for number, one in enumerate(wanted):
        row = rows.get(number)
        if row is None:
            found.append(Ran(one.name, one.seed, None, None, 0, 0.0, {}, "was not run"))
            continue
        score = row.score if row.score is not None and math.isfinite(row.score) else None
        history = histories[number]
        found.append(
            Ran(
                one.name,
                one.seed,
                score,
                row.best_epoch,
                row.epochs,
                row.seconds,
                history,
                row.message,
                row.mode,
            )
        )
    return found
