"""A whole search: configuration in, finished project out.

from tuner_app import SearchConfig, run_search

outcome = run_search(SearchConfig(dataset="digits", space="mlp", max_trials=3))
outcome.best.hyperparameters
"""

import contextlib
import dataclasses
import os
import shlex
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import search_spaces
from tuner_app import data, results
from tuner_app.config import SearchConfig
from tuner_app.config_checks import EXTENDING
from tuner_app.errors import UserError
from tuner_app.preparation import oracle_plan, prepare
from tuner_app.store import SearchReader, SearchStore, TrialRecord, holds_search, refuse_foreign
from tuner_app.store.disk_fault import DiskFault

if TYPE_CHECKING:
    from tuner_app.results import SearchResults
    from tuner_app.tuners.observer import Observer

ENDED = ("COMPLETED", "FAILED", "PRUNED")


@dataclass(frozen=True)
class Outcome:
    """What a search came to.

    Attributes:
        directory: The project directory, where everything is.
        results: Its trials, best first.
        device: What trained them, such as "CPU, 2 cores".
        seconds: Wall-clock seconds of this run (a resume does not count what went before).
        failure: Why the search has no result, or was given up; "" otherwise.
        stack: How trials were stacked, and why so; "" where none were.
        ended: Why the search, or trials that were open, ended early, or that the target was
            reached; "" otherwise.
        out_of_time: Whether trials are left, which a resume has time for again.
        edges: Ranges of hyperparameters that were too narrow, by the best trials.
        extendable: Whether the same search with `extend_ranges` would widen them.
    """

    directory: Path
    results: "SearchResults"
    device: str
    seconds: float
    failure: str = ""
    stack: str = ""
    ended: str = ""
    out_of_time: bool = False
    edges: tuple[results.Edge, ...] = ()
    extendable: bool = False

    @property
    def best(self) -> TrialRecord | None:
        """The best completed trial; None when none completed."""
        return self.results.best


def check(config: SearchConfig, resume: bool = False) -> None:
    """Raises the `UserError` that a search would, as far as can be told in a moment: without
    TensorFlow, and before anything is written."""
    _check_directory(config.directory, resume)
    data.check(config.dataset)
    search_spaces.check(config.space)


def stored(directory: str | Path) -> SearchConfig:
    """What was asked for in a project directory, to be resumed.

    Raises:
        UserError: The directory holds no search, or one that was not begun from a configuration.
    """
    with SearchReader(directory) as reader:
        asked = reader.fact("config")
    if asked is None:
        raise UserError(
            f"{directory} holds a search that was begun by a Python program of its own. Resume it "
            "with that program."
        )
    return SearchConfig.from_dict(asked | {"project": str(directory)})


def ended(directory: str | Path) -> list[TrialRecord]:
    """The trials of a search that are over, in the order of their beginnings."""
    with SearchReader(directory) as reader:
        return [trial for trial in reader.records() if trial.status in ENDED]


def finished(config: SearchConfig) -> Outcome | None:
    """What a search came to that has nothing left to train, without TensorFlow; None where it has,
    or where it is not known."""
    began = time.monotonic()
    with SearchReader(config.directory) as reader:
        account = reader.over()
    return None if account is None else outcome_of(config, began, account)


def run_search(
    config: SearchConfig,
    observers: "Iterable[Observer]" = (),
    *,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Runs a search to its end, in its project directory.

    Args:
        config: What to search.
        observers: Told of every trial and epoch.
        resume: Go on with the search that the directory holds.
        say: Is given lines for a person: what the data are and what will be done.

    Raises:
        UserError: Bad input; nothing has been written.
        KeyboardInterrupt: The search was stopped; it can be resumed.
    """
    began = time.monotonic()
    _check_directory(config.directory, resume)
    from keras_tuner import errors

    from tuner_app import tuners
    from tuner_app.oracles.budget import OUT_OF_TIME

    prepared = prepare(config, observers)
    tuner = prepared.tuner
    for line in prepared.lines:
        say(line)
    failure = ""
    try:
        tuner.search(**prepared.fit)
    except (tuners.SearchFailed, errors.FatalError) as error:
        failure = str(error)
    finally:
        tuner.close()
    # All members of a population end together.
    whole = not tuner.oracle.remaining_trials() and config.oracle != "pbt"
    account = {
        "device": prepared.device,
        "failure": failure,
        "stack": tuner.how_stacked,
        "ended": (tuner.cut_short or tuner.oracle.reached) if whole else tuner.oracle.over,
    }
    outcome = outcome_of(config, began, account)
    if not failure:
        _picture_mistakes(config, prepared.dataset, outcome.best)
        note_over(config, account)
    return dataclasses.replace(
        outcome,
        seconds=time.monotonic() - began,
        out_of_time=not whole and account["ended"].startswith(OUT_OF_TIME),
    )


def note_over(config: SearchConfig, account: Mapping[str, str]) -> None:
    """Notes that a search has ended by itself, with what `finished` is to tell of it; unless it was
    by a time that a resume has again, or somebody has gone on with it."""
    if config.time_limit:
        return
    with contextlib.suppress(UserError), SearchStore(config.directory) as store:
        if not store.unfinished():
            store.note_over(account)


def outcome_of(config: SearchConfig, began: float, account: Mapping[str, str]) -> Outcome:
    """What a search that has ended came to.

    Args:
        began: When this run of it began, by `time.monotonic`.
        account: What is not in its results: device, failure, stack and ended of `Outcome`.
    """
    found = results.read(config.directory)
    return Outcome(
        config.directory,
        found,
        seconds=time.monotonic() - began,
        edges=tuple(results.edges_of(config.directory, found.trials)),
        extendable=can_extend(config),
        **account,
    )


def can_extend(config: SearchConfig) -> bool:
    """Whether ranges are not widened on the way, but could be."""
    return not config.extend_ranges and config.oracle in EXTENDING


def explain(config: SearchConfig) -> str:
    """How the trials of a search would be trained, in a sentence, after the plan of an oracle that
    has one. Nothing is trained or kept."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = dataclasses.replace(config.anchored(Path.cwd()), project=f"{folder}/plan")
        prepared = prepare(elsewhere)
        plan = oracle_plan(config, prepared.tuner.oracle)
        return "\n".join([*plan, prepared.tuner.explain(**prepared.fit)])


def _picture_mistakes(config: SearchConfig, dataset: data.Dataset, best: TrialRecord) -> None:
    """For images with classes: TensorBoard gets what the best model of the search takes for another
    class, of the validation examples."""
    if (dataset.spec.kind, dataset.spec.task) != ("image", "classification"):
        return
    from tuner_app.results.export import WEIGHTS, trained
    from tuner_app.tracking.images import write_misclassified

    weights = config.directory / f"trial_{best.trial_id}" / WEIGHTS
    try:
        model = trained(config, dataset.spec, best, weights)
    except UserError as error:  # the search is done, whatever has become of this file
        warnings.warn(f"No pictures for TensorBoard: {error}", RuntimeWarning, stacklevel=2)
        return
    write_misclassified(config.directory, best.trial_id, model, dataset.spec, dataset.validation)


def _check_directory(directory: Path, resume: bool) -> None:
    refuse_foreign(directory)
    if not resume and holds_search(directory):
        with SearchReader(directory) as reader:
            over = reader.over() is not None
        name = shlex.quote(str(directory))
        raise UserError(
            f"{directory} holds a finished search. See it: tuner-app results {name}; or choose "
            f"another --project, where --warm_start={name} begins with what this one found."
            if over
            else f"{directory} holds a search already. Go on with it: tuner-app resume {name}; or "
            "choose another --project."
        )
    nearest = directory.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(
            f"{directory} can't be made: {nearest} is a file. Choose another --project."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        if resume:
            raise DiskFault(directory, "its folder can't be written to")
        raise UserError(f"{directory} can't be written to. Choose another --project.")
