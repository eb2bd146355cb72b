"""A search in front of a person: checks first, progress while it runs, a summary at its end."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

from tuner_app import environment, experiment, remote
from tuner_app.cli.invocation import command_line
from tuner_app.cluster.workers import Workers
from tuner_app.config import SearchConfig, seconds
from tuner_app.errors import UserError
from tuner_app.store import TrialRecord, holds_search


def run_search(config: SearchConfig, quiet: bool, workers: Workers | None = None) -> int:
    """Begins a search and sees it to its end. Returns the exit status."""
    tell = say(quiet)
    if remote.is_address(config.project):
        experiment.check(dataclasses.replace(config, project=""), resume=True)
        with remote.begun(config.project) as directory:
            tell(f"{config.project} is the copy of {directory}, brought up to date as it goes.")
            here = dataclasses.replace(config, project=str(directory))
            return _run(here, resume=False, quiet=quiet, workers=workers)
    if not config.project:
        wanted, free = config.directory, first_free(config.directory)
        config = dataclasses.replace(config, project=str(free))
        if free != wanted:
            tell(f"{wanted} is taken, so this search is kept in {free}.")
    return _run(config, resume=False, quiet=quiet, workers=workers)


def explain_plan(config: SearchConfig) -> int:
    """Says how the trials of a search would be trained. Returns the exit status."""
    environment.use_backend(config.backend)
    environment.import_quietly(*environment.SEARCH)
    print(experiment.explain(config))
    return 0


def resume_search(directory: str, quiet: bool, workers: Workers | None = None) -> int:
    """Goes on with the search in `directory`. Returns the exit status."""
    address = remote.address_of(directory)
    with remote.resumed(address) if address else contextlib.nullcontext(directory) as here:
        config = experiment.stored(here)
        outcome = experiment.finished(config)
        if outcome is not None:
            from tuner_app.cli.summary import summary

            say(quiet)(f"Nothing is left to train of the search in {config.directory}.")
            print(summary(outcome))
            return 0
        return _run(config, resume=True, quiet=quiet, workers=workers)


def first_free(directory: Path) -> Path:
    """`directory`, or the first of directory-2, directory-3, ... that does not exist."""
    candidate, number = directory, 1
    while candidate.exists():
        number += 1
        candidate = directory.with_name(f"{directory.name}-{number}")
    return candidate


def _run(config: SearchConfig, resume: bool, quiet: bool, workers: Workers | None = None) -> int:
    """`workers`: Ray's; None: this process trains."""
    if workers is not None and config.oracle == "pbt":
        raise UserError(
            "The oracle pbt trains its members together, in one process. Leave --engine out, or "
            "take another oracle."
        )
    experiment.check(config, resume=resume)
    if workers is None:  # Ray's owner and workers import TensorFlow in their own processes
        environment.use_backend(config.backend)
        environment.import_quietly(*environment.SEARCH)
    from tuner_app.cli.interruption import Interruption
    from tuner_app.cli.summary import summary

    limits = seconds(config.time_limit), config.max_epochs_total
    observers = []
    if not quiet:
        before = experiment.ended(config.directory) if resume else []
        observers.append(progress(config.epochs, before, limits))
    interruption = Interruption()
    observers.append(interruption)
    with interruption:
        try:
            told = {"resume": resume, "say": say(quiet)}
            if workers is None:
                outcome = experiment.run_search(config, observers, **told)
            else:
                from tuner_app.cluster import ray_engine

                outcome = ray_engine.run_search(config, workers, observers, **told)
        except KeyboardInterrupt:
            if holds_search(config.directory):
                flags = workers.flags.split() if workers else []
                how = f"Go on with: {command_line('resume', config.directory, *flags)}"
            else:
                how = "Nothing was begun."
            print(f"\nStopped. {how}", file=sys.stderr)
            return 128 + interruption.signal
    print(summary(outcome))
    if outcome.failure:
        print(f"tuner-app: {' '.join(outcome.failure.split())}", file=sys.stderr)
        return 1
    return 0


def progress(
    epochs: int, finished: list[TrialRecord], limits: tuple[float | None, int] = (None, 0)
):
    """The view of a search; `limits`: its seconds and the epochs of all trials, if any."""
    from rich.console import Console

    from tuner_app.cli.progress import LiveProgress, PlainProgress
    from tuner_app.cli.time_left import TimeLeft

    # On a dumb terminal a line can't be written again.
    if sys.stdout.isatty() and not Console().is_dumb_terminal:
        return LiveProgress(epochs, finished, left=TimeLeft(epochs, *limits))
    return PlainProgress(finished)


def say(quiet: bool) -> Callable[[str], None]:
    return (lambda line: None) if quiet else (lambda line: print(line, flush=True))
