"""The winner trained once more, on the training and validation examples together."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.results import export
from tuner_app.results.lineage import Stretch, lineage_of
from tuner_app.results.model_file import destination
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader, TrialRow, answers
from tuner_app.trial_seed import trial_seed


@dataclass(frozen=True)
class Plan:
    """What will be trained, and for how long.

    Attributes:
        directory: The project directory.
        config: The search's configuration.
        objective: name and direction.
        trial: The winner.
        epochs: How many the search, or the median of its confirmation's runs, found best.
        confirmed: Whether a confirmation chose the winner.
        seed: Of the weights, the order of the examples and the dropout.
        line: Of population-based training, the values of each stretch of epochs.
    """

    directory: Path
    config: SearchConfig
    objective: Mapping[str, str]
    trial: TrialRow
    epochs: int
    confirmed: bool
    seed: int
    line: Sequence[Stretch] = ()


def plan(directory: str | Path, seed: int | None = None) -> Plan:
    """Decides what to train. Imports nothing heavy.

    Raises:
        UserError: No search with a configuration, or no completed trial.
    """
    if seed is not None and not 0 <= seed < 2**31:
        raise UserError(f"seed is {seed}, expected a number from 0 to 2**31 - 1.")
    with SearchReader(directory) as reader:
        config, objective = export.configuration(reader), reader.fact("objective")
        trial, confirmation = winner(reader)
        line = lineage_of(reader, trial.trial_id)
    found = [trial.best_epoch]
    if confirmation is not None:
        row = next(r for r in confirmation["configurations"] if r["trial_id"] == trial.trial_id)
        found = row["best_epochs"]
    epochs = [epoch + 1 for epoch in found if epoch is not None]
    long = round(statistics.median(epochs)) if epochs else config.epochs
    long = line[-1].end if line else long
    if seed is None:
        number, before = trial.line
        seed = trial_seed(config.seed, number, failures=before + trial.failures) % 2**31
    return Plan(
        Path(directory), config, objective, trial, long, confirmation is not None, seed, line
    )


def train(asked: Plan, output: str | Path, verbose: int = 2) -> export.Exported:
    """Trains the plan's model on all but the test examples and saves it, as `export` does.

    A learning-rate schedule is as long as in the search, counted in epochs. The preprocessing is
    the search's, fitted on its training examples.

    Args:
        output: The model's file; its ending says the format, as for `export`.
        verbose: As in Keras's `fit`.

    Raises:
        UserError: The output can't be written, or the space can't build the model.
    """
    to = destination(output)
    import keras_tuner

    import search_spaces
    from tuner_app import data, environment
    from tuner_app.optimizers import evaluation_point
    from tuner_app.population import replay
    from tuner_app.regularization.plain import as_plain_keras

    config = asked.config
    environment.use_device(config.precision)
    dataset = data.load(config.dataset, seed=config.seed)
    config = _as_many_passes(config, dataset)
    fit, size = _on_both(dataset, config, asked.seed, verbose=verbose)
    steps = config.steps(size)
    space = search_spaces.load(
        config.space, dataset.spec, config.optimizers, steps, losses=config.losses
    )

    def build(values):
        hyperparameters = keras_tuner.HyperParameters()
        hyperparameters.values = dict(values)
        return space.build(hyperparameters)

    schedule = [(one.first, one.end, one.values) for one in asked.line]
    schedule = schedule or [(0, asked.epochs, asked.trial.hyperparameters)]
    shape = (None, *dataset.spec.input_shape)
    model, _ = replay.through(build, schedule, asked.seed, shape, fit)
    with evaluation_point(model):
        plain = as_plain_keras(model)
    whole = export.from_raw(plain, dataset)
    told = {
        "trained_on": "train and validation",
        "examples": size,
        "epochs": asked.epochs,
        "train_seed": asked.seed,
        "confirmed": asked.confirmed,
    }
    return export.write(to, whole, config, asked.objective, asked.trial, dataset.spec, told)


def _as_many_passes(config: SearchConfig, dataset: Any) -> SearchConfig:
    """With epochs of so many batches: these are as much more as there are more examples, so that
    each is seen as often as in the search."""
    sizes = dataset.train.size, dataset.validation.size
    if not config.steps_per_epoch or None in sizes:
        return config
    steps = round(config.steps_per_epoch * sum(sizes) / sizes[0])
    return dataclasses.replace(config, steps_per_epoch=steps)


def _on_both(
    dataset: Any, config: SearchConfig, seed: int, **keywords: Any
) -> tuple[Callable[..., Any], int | None]:
    """What trains a model on training and validation examples together, as `replay.through` calls
    it, and how many these are.

    Args:
        keywords: As for `fit`.
    """
    import numpy as np

    from tuner_app.population import alone

    train, validation, batch_size = dataset.train, dataset.validation, config.batch_size
    steps = config.steps_per_epoch or None
    if train.in_memory and validation.in_memory:
        both = [
            np.concatenate(pair) for pair in zip(train.arrays(), validation.arrays(), strict=True)
        ]

        def fit(model, goes_on, **epochs):
            how = {"seed": seed, "batch_size": batch_size, "steps_per_epoch": steps}
            return alone.fit(model, *both, **how, goes_on=goes_on, **epochs, **keywords)

        return fit, len(both[1])
    batches = train.batches(batch_size, shuffle_seed=seed).concatenate(
        validation.batches(batch_size, shuffle_seed=seed)
    )
    batches = batches.repeat() if steps else batches

    def fit(model, goes_on, **epochs):
        how = {"steps_per_epoch": steps, "shuffle": False}
        return model.fit(batches, **how, **epochs, **keywords)

    known = train.size is not None and validation.size is not None
    return fit, train.size + validation.size if known else None


def expected(asked: Plan, reader_directory: str | Path) -> str:
    """What to expect of the trained model, which has no validation score of its own."""
    with SearchReader(reader_directory) as reader:
        confirmed = answers.confirmations(reader)
    name = asked.objective["name"]
    if asked.confirmed:
        row = confirmed[-1]["configurations"][0]
        interval = "" if row["low"] is None else f" ({row['low']:.4f} to {row['high']:.4f})"
        return f"Expect about its confirmed mean {name}, {row['mean']:.4f}{interval}, or better."
    return (
        f"Expect less than its {name} in the search, {asked.trial.score:.4f}, which is optimistic: "
        "it was not confirmed."
    )
