"""What a search needs, made one after another: the data, the space, the oracle, the tuner."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import search_spaces
from tuner_app import data
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.preparation import warm_start
from tuner_app.preparation.objective import objective_of
from tuner_app.preparation.oracle_options import oracle_options, oracle_plan
from tuner_app.preparation.warm_start import FINGERPRINT
from tuner_app.store import SearchReader, holds_search

if TYPE_CHECKING:
    from tuner_app.tuners.observer import Observer


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
    steps = config.steps(dataset.train.size)
    space = search_spaces.load(
        config.space, dataset.spec, config.optimizers, steps, losses=config.losses
    )
    objective = objective_of(config, space, dataset)
    name = getattr(objective, "name", objective)
    options, past, told = oracle_options(config, name, fingerprint)
    oracle = oracles.create(
        config.oracle, objective, config.trials, config.seed, config.epochs, **options
    )

    directory = config.directory
    board = TensorBoard(directory, space=lambda: oracle.get_space().get_config()["space"])
    searched, given = in_search(space, dataset, config)
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
    found = tuner.oracle.get_space()
    enqueued = len(options.get("first", ())) - len(past.first)
    warm_start.check_points(options.get("first", ())[:enqueued], found)
    if isinstance(tuner.oracle, oracles.SampledOracle):
        tuner.oracle.check_space()
    told = (*past.lines(found), *told, *oracle_plan(config, tuner.oracle))
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


def _headline(config: SearchConfig, dataset: data.Dataset, device: str) -> str:
    sizes = ", ".join(
        f"{split} {'streamed' if size is None else f'{size:,}'}"
        for split, size in dataset.spec.sizes.items()
    )
    long = f" of {config.steps_per_epoch} batches" if config.steps_per_epoch else ""
    trials = "1 trial" if config.trials == 1 else f"{config.trials} trials"
    epochs = "1 epoch" if config.epochs == 1 else f"{config.epochs} epochs"
    return (
        f"Searching {config.space} for {dataset.spec.name} ({sizes}): {trials} of at most "
        f"{epochs}{long} on {device}. In {config.directory}."
    )
