"""The test split, opened once: the winner's scores with intervals, and the ledger of it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.results.export import WEIGHTS, configuration
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader, SearchStore, TrialRow, answers

RESAMPLES = 5000


@dataclass(frozen=True)
class Plan:
    """Which model will be tested.

    Attributes:
        directory: The project directory.
        config: The search's configuration.
        trial: The winner.
        confirmed: Whether a confirmation chose it.
        earlier: How often the test set was opened before.
    """

    directory: Path
    config: SearchConfig
    trial: TrialRow
    confirmed: bool
    earlier: int

    @property
    def weights(self) -> Path:
        return self.directory / f"trial_{self.trial.trial_id}" / WEIGHTS


def plan(directory: str | Path, *, again: bool = False, unconfirmed: bool = False) -> Plan:
    """Decides what to test. Imports nothing heavy, and opens nothing.

    Args:
        again: Open the test set although it was opened before.
        unconfirmed: Test the search's best although no confirmation has chosen it.

    Raises:
        UserError: It was opened before, or nothing is confirmed, and that is not to be; or there is
            no trained model.
    """
    with SearchReader(directory) as reader:
        config, openings = configuration(reader), answers.openings(reader)
        trial, confirmation = winner(reader)
    if openings and not again:
        last = openings[-1]
        when = datetime.datetime.fromtimestamp(last["opened"]).strftime("%Y-%m-%d %H:%M")
        raise UserError(
            f"The test set of {directory} was opened on {when}, for trial {last['trial_id']}; "
            "`tuner-app results` shows what came of it. A second look is no fair test any more. "
            "To open it all the same give --again; every report will then say so."
        )
    if confirmation is None and not unconfirmed:
        raise UserError(
            f"No winner of {directory} is confirmed yet, and the test set can be opened fairly "
            "only once. First `tuner-app confirm`; or give --unconfirmed to test the search's "
            f"best, trial {trial.trial_id}."
        )
    found = Plan(Path(directory), config, trial, confirmation is not None, len(openings))
    if not found.weights.is_file():
        raise UserError(
            f"The weights of trial {trial.trial_id} are missing: expected {found.weights}. Search "
            "again, with more weights kept."
        )
    return found


def evaluate(asked: Plan, by: str = "") -> dict[str, Any]:
    """Tests the winner, notes it in the ledger, and returns what the ledger says of it.

    The note is written before the scores are known to anybody.

    Args:
        by: A name for the ledger; it is nobody's where none is given.

    Raises:
        UserError: There is no test split, the weights do not fit, or another process uses the
            directory.
    """
    from tuner_app import data, environment
    from tuner_app.results.export import trained

    with SearchStore(asked.directory) as store:
        environment.use_device(asked.config.precision)
        dataset = data.load(asked.config.dataset, seed=asked.config.seed)
        if not dataset.test.size and dataset.test.in_memory:
            raise UserError(f"{asked.config.dataset} has no test split, so nothing can be tested.")
        model = trained(asked.config, dataset.spec, asked.trial, asked.weights)
        scores = measured(model, dataset)
        metrics = {
            "scores": scores,
            "by": by,
            "confirmed": asked.confirmed,
            "validation": asked.trial.score,
        }
        answers.add_opening(store, asked.trial.trial_id, asked.config.dataset, metrics)
        return answers.openings(store)[-1]


def measured(model: Any, dataset: Any) -> list[dict[str, Any]]:
    """A model's scores on the test split, each with name, value, low, high and examples.

    For classes accuracy and cross-entropy (in nats), for numbers the mean absolute and the root
    mean squared error, in the target's own unit. The intervals are over examples.

    Args:
        model: From features to logits or probabilities, or to standardised numbers.
    """
    import numpy as np

    from tuner_app.results.class_outputs import log_probabilities
    from tuner_app.statistics import resampled_interval

    outputs, targets = predicted(model, dataset.test)
    found = {}
    if dataset.spec.task == "classification":
        logs = log_probabilities(outputs, getattr(model, "loss", None))
        loss = -logs[np.arange(len(targets)), targets]
        right = (logs.argmax(axis=1) == targets).astype("float64")
        found["accuracy"] = resampled_interval(right, resamples=RESAMPLES)
        found["cross-entropy"] = resampled_interval(loss, resamples=RESAMPLES)
    else:
        errors = np.ravel(outputs - targets).astype("float64") * dataset.spec.target_std
        found["mean absolute error"] = resampled_interval(np.abs(errors), resamples=RESAMPLES)
        found["root mean squared error"] = resampled_interval(
            errors**2, _root_of_mean, resamples=RESAMPLES
        )
    return [
        {
            "name": name,
            "value": interval.estimate,
            "low": interval.low if np.isfinite(interval.low) else None,
            "high": interval.high if np.isfinite(interval.high) else None,
            "examples": interval.count,
        }
        for name, interval in found.items()
    ]


def _root_of_mean(squares: Any, axis: int = 0) -> Any:
    import numpy as np

    return np.sqrt(np.mean(squares, axis=axis))


def predicted(model: Any, split: Any) -> tuple[Any, Any]:
    """A model's outputs for a whole split, and its targets."""
    import numpy as np

    if split.in_memory:
        features, targets = split.arrays()
        return model.predict(features, verbose=0), targets
    outputs, targets = [], []
    for x, y in split.batches(256).as_numpy_iterator():
        outputs.append(model.predict_on_batch(x))
        targets.append(y)
    return np.concatenate(outputs), np.concatenate(targets)


def text(asked: Plan, entry: Mapping[str, Any]) -> str:
    """What was found, for a terminal."""
    from tuner_app.results.report.telling import score_text

    examples = entry["metrics"]["scores"][0]["examples"]
    lines = [f"Trial {entry['trial_id']} on the {examples:,} examples of the test set:"]
    lines += [f"  {score_text(score)}" for score in entry["metrics"]["scores"]]
    lines.append("Intervals: 95%, over examples, by the bootstrap (BCa, Efron 1987).")
    if not asked.confirmed:
        lines.append("The trial was not confirmed: it is the search's best by one run.")
    if asked.earlier:
        lines.append(
            f"This was opening {asked.earlier + 1}: whatever was chosen after the first has seen "
            "the test set, so this is no fair test."
        )
    return "\n".join(lines)
