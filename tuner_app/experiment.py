"""A whole search: configuration in, finished project out.

from tuner_app import SearchConfig, run_search

outcome = run_search(SearchConfig(dataset="digits", space="mlp", max_trials=3))
outcome.best.hyperparameters
"""

import dataclasses
import os
import shlex
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import search_spaces
from tuner_app import data, results, warm_start
from tuner_app.config import SearchConfig, seconds
from tuner_app.errors import UserError, unknown
from tuner_app.store import SearchReader, TrialRecord, holds_search, refuse_foreign

if TYPE_CHECKING:
    from tuner_app.results import SearchResults
    from tuner_app.tuners.observer import Observer

ENDED = ("COMPLETED", "FAILED", "PRUNED")
FINGERPRINT = "data_fingerprint"  # among the facts that are kept with a search


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
        ended: Why the search ended before its trials were used up; "" where it did not.
        edges: Ranges of hyperparameters that were too narrow, by the best trials.
    """

    directory: Path
    results: "SearchResults"
    device: str
    seconds: float
    failure: str = ""
    stack: str = ""
    ended: str = ""
    edges: tuple[results.Edge, ...] = ()

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


def stored(directory: str | Path) -> tuple[SearchConfig, list[TrialRecord]]:
    """What was asked for in a project directory, to be resumed, and the trials that are over.

    Raises:
        UserError: The directory holds no search, or one that was not begun from a configuration.
    """
    with SearchReader(directory) as reader:
        asked = reader.fact("config")
        trials = [trial for trial in reader.records() if trial.status in ENDED]
    if asked is None:
        raise UserError(
            f"{directory} holds a search that was begun by a Python program of its own. Resume it "
            "with that program."
        )
    return SearchConfig.from_dict(asked | {"project": str(directory)}), trials


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
    from tuner_app import tuners

    prepared = prepare(config, observers)
    tuner, directory = prepared.tuner, config.directory
    for line in prepared.lines:
        say(line)
    failure = ""
    try:
        tuner.search(**prepared.fit)
        _picture_mistakes(config, prepared.dataset)
    except tuners.SearchFailed as error:
        failure = str(error)
    finally:
        tuner.close()
    spent = time.monotonic() - began
    # All members of a population end together.
    whole = not tuner.oracle.remaining_trials() and config.oracle != "pbt"
    ended = "" if whole else tuner.oracle.over
    found = results.read(directory)
    return Outcome(
        directory,
        found,
        prepared.device,
        spent,
        failure,
        tuner.how_stacked,
        ended,
        tuple(results.edges_of(directory)),
    )


def explain(config: SearchConfig) -> str:
    """How the trials of a search would be trained, in a sentence. Nothing is trained or kept."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = dataclasses.replace(config.anchored(Path.cwd()), project=f"{folder}/plan")
        prepared = prepare(elsewhere)
        return prepared.tuner.explain(**prepared.fit)


@dataclass(frozen=True)
class Prepared:
    """What a search needs, made from its configuration.

    Attributes:
        device: What trains, such as "CPU, 2 cores".
        dataset: The data.
        tuner: Owns the project directory, or works for the process that does.
        fit: The arguments of the tuner's `search`.
        lines: What will be done, for a person.
    """

    device: str
    dataset: data.Dataset
    tuner: Any
    fit: dict[str, Any]
    lines: tuple[str, ...]


def prepare(
    config: SearchConfig,
    observers: "Iterable[Observer]" = (),
    make: Callable[..., Any] | None = None,
) -> Prepared:
    """Loads the data and makes the oracle and the tuner of a search.

    Args:
        make: Makes the tuner, from an oracle and a hypermodel; default `PopulationTuner`.
    """
    from tuner_app import environment, oracles, tuners
    from tuner_app.tracking.tensorboard import TensorBoard
    from tuner_app.trial_data import in_search

    device = environment.use_device(config.precision)
    fingerprint = _check_fingerprint(config)
    dataset = data.load(config.dataset, seed=config.seed)
    steps = _steps(config, dataset.train.size)
    space = search_spaces.load(
        config.space, dataset.spec, config.optimizers, steps, losses=config.losses
    )
    objective = _objective(config, space, dataset)
    options, told = _oracle_options(config, getattr(objective, "name", objective))
    oracle = oracles.create(
        config.oracle, objective, config.trials, config.seed, config.epochs, **options
    )

    directory = config.directory
    board = TensorBoard(directory, space=lambda: oracle.get_space().get_config()["space"])
    searched, given = in_search(space, dataset, config.batch_size, config.seed)
    tuner = (make or tuners.PopulationTuner)(
        oracle,
        searched,
        directory=str(directory.parent),
        project_name=directory.name,
        observers=[board, *observers],
        seed=config.seed,
        keep_best=config.keep_best or None,
        config=dataclasses.replace(config.anchored(Path.cwd()), project="").to_dict(),
        facts={FINGERPRINT: fingerprint},
        lanes=config.lanes if config.lanes == "auto" else int(config.lanes),
    )
    fit = given | {
        "epochs": config.epochs,
        "callbacks": _callbacks(config, tuner.oracle.objective),
        "verbose": 0,
    }
    warm_start.check_names(options.get("first", ()), tuner.oracle.get_space()._hps)
    if config.oracle == "pbt":
        told += (_population_plan(tuner.oracle),)
    if config.oracle == "hyperband":
        told += (_hyperband_plan(tuner.oracle.plan()),)
    lines = (_headline(config, dataset, device), *dataset.notes, *told)
    return Prepared(device, dataset, tuner, fit, lines)


def _check_fingerprint(config: SearchConfig) -> str | None:
    """What changes when the data's files do. Raises UserError if they have, since the search in the
    directory began: trials of different data can't be compared."""
    found = data.fingerprint(config.dataset)
    if not holds_search(config.directory):
        return found
    with SearchReader(config.directory) as reader:
        before = reader.fact(FINGERPRINT, found)  # searches of earlier versions have none
    if before != found:
        raise UserError(
            f"The data of {config.dataset} has changed since the search in {config.directory} "
            "began, so its trials can't be compared with new ones. Bring the earlier data back, or "
            "begin another search, in another --project."
        )
    return found


def _oracle_options(config: SearchConfig, objective: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The oracle's arguments, and what is to be said of them."""
    from tuner_app import oracles

    budget = oracles.Budget(
        seconds=seconds(config.time_limit),
        max_epochs=config.max_epochs_total or None,
        target=config.target_value,
        patience=config.trials_patience or None,
    )
    options: dict[str, Any] = {"pruner": config.pruner, "budget": budget}
    if config.oracle == "pbt":
        options |= {
            "interval": config.interval,
            "quantile": config.quantile,
            "factors": config.factors,
            "resample": config.resample_probability,
            "patience": config.patience or None,
            "defaults_first": True,
        }
    if config.oracle not in oracles.SAMPLERS:
        if config.enqueue or config.warm_start or config.extend_ranges:
            raise UserError(
                f"The oracle {config.oracle} has an order of its own, which enqueue, warm_start "
                "and extend_ranges would disturb. Leave them out, or take one of "
                f"{', '.join(oracles.SAMPLERS)}."
            )
        return options, ()
    begun = holds_search(config.directory)  # then the store has them
    first = warm_start.points(config.enqueue) if config.enqueue and not begun else []
    past = warm_start.past(() if begun else config.past_searches, config.dataset, objective)
    options |= {"defaults_first": True, "explore": "sobol", "known": past.known}
    options |= {"first": first + past.first, "extend_ranges": config.extend_ranges}
    lines = past.lines
    if config.oracle in ("tpe", "gp"):
        lines += (
            f"Explores by a Sobol sequence until {oracles.STARTUP} trials are finished: fewer tell "
            f"{config.oracle} too little to model the objective.",
        )
    return options, lines


def _hyperband_plan(brackets: list[list[tuple[int, int]]]) -> str:
    """Hyperband's brackets in words.

    >>> _hyperband_plan([[(5, 3), (2, 9)], [(3, 9)]])[26:]
    ' 5 trials of 3 epochs, the best 2 up to 9; then 3 trials of 9 epochs.'
    """
    words = [
        f"{rungs[0][0]} trials of {rungs[0][1]} epochs"
        + "".join(f", the best {trials} up to {epochs}" for trials, epochs in rungs[1:])
        for rungs in brackets
    ]
    return f"Brackets, again and again: {'; then '.join(words)}."


def _population_plan(oracle: Any) -> str:
    """What is done after each interval, in words."""
    number = max(1, int(oracle.quantile * oracle.population + 1e-9))
    copied = f"the {number} last go" if number > 1 else "the last goes"
    return (
        f"A population of {oracle.population}: after every {oracle.interval} epochs {copied} on "
        f"from the weights of the first {f'{number} ' if number > 1 else ''}with changed "
        "hyperparameters."
    )


def _callbacks(config: SearchConfig, objective: Any) -> list:
    import keras

    from tuner_app.optimizers import EvaluateAtPoint
    from tuner_app.oracles.objectives import parts

    callbacks: list[Any] = [EvaluateAtPoint()]
    objective = parts(objective)[0]  # of several, patience watches the first
    if config.patience and config.oracle != "pbt":  # which counts it over all members
        callbacks.append(
            keras.callbacks.EarlyStopping(
                objective.name,
                mode=objective.direction,
                patience=config.patience,
                restore_best_weights=True,
            )
        )
    return callbacks


def _picture_mistakes(config: SearchConfig, dataset: data.Dataset) -> None:
    """For images with classes: TensorBoard gets what the best model of the search takes for another
    class, of the validation examples."""
    if (dataset.spec.kind, dataset.spec.task) != ("image", "classification"):
        return
    from tuner_app.results.export import WEIGHTS, trained
    from tuner_app.tracking.images import write_misclassified

    best = results.read(config.directory).best
    weights = config.directory / f"trial_{best.trial_id}" / WEIGHTS
    try:
        model = trained(config, dataset.spec, best, weights)
    except UserError as error:  # the search is done, whatever has become of this file
        warnings.warn(f"No pictures for TensorBoard: {error}", RuntimeWarning, stacklevel=2)
        return
    write_misclassified(config.directory, best.trial_id, model, dataset.spec, dataset.validation)


def _steps(config: SearchConfig, examples: int | None) -> int | None:
    """Training steps of a whole trial, None for a stream of unknown length."""
    return None if examples is None else config.epochs * -(-examples // config.batch_size)


def _headline(config: SearchConfig, dataset: data.Dataset, device: str) -> str:
    sizes = ", ".join(
        f"{split} {'streamed' if size is None else f'{size:,}'}"
        for split, size in dataset.spec.sizes.items()
    )
    return (
        f"Searching {config.space} for {dataset.spec.name} ({sizes}): {config.trials} trials "
        f"of at most {config.epochs} epochs on {device}. In {config.directory}."
    )


def _objective(config: SearchConfig, space: Any, dataset: data.Dataset) -> Any:
    """The objective as an oracle takes it. A metric that the models do not have is refused."""
    import keras_tuner

    from tuner_app.trial_data import metric_names

    if "," in config.objective:
        return [
            _objective(dataclasses.replace(config, objective=part), space, dataset)
            for part in config.objective.split(",")
        ]
    default = "val_accuracy" if dataset.spec.task == "classification" else "val_loss"
    if config.losses:
        _check_comparable(config, dataset.spec.task)
        default = default if default == "val_accuracy" else "val_mean_absolute_error:min"
    name, _, direction = (config.objective or default).partition(":")
    # The spaces that come with the project always have the default.
    if config.objective or config.space.endswith(".py") or ".py:" in config.space:
        known = metric_names(space, dataset)
        if known and name not in known:
            raise unknown("objective", name, known)
    return keras_tuner.Objective(name, direction) if direction else name


def _check_comparable(config: SearchConfig, task: str) -> None:
    """Raises UserError for a loss as the objective where trials differ in it."""
    from tuner_app import losses

    searched = len(config.losses) > 1 or losses.offer(config.losses[0], task).ranges
    if searched and config.objective.partition(":")[0] in ("loss", "val_loss"):
        metric = "val_accuracy" if task == "classification" else "val_mean_absolute_error"
        raise UserError(
            f"objective is {config.objective!r}, but trials differ in their loss "
            f"({', '.join(config.losses)}), so its values can't be compared. Take {metric}."
        )


def _check_directory(directory: Path, resume: bool) -> None:
    refuse_foreign(directory)
    if not resume and holds_search(directory):
        raise UserError(
            f"{directory} holds a search already. Go on with it: tuner-app resume "
            f"{shlex.quote(str(directory))}; or choose another --project."
        )
    nearest = directory.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(
            f"{directory} can't be made: {nearest} is a file. Choose another --project."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{directory} can't be written to. Choose another --project.")
