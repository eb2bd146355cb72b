"""The best configurations of a search run again with fresh seeds, the same ones for each."""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.results.export import configuration
from tuner_app.results.lineage import Stretch, lineages
from tuner_app.results.winner import completed_trials
from tuner_app.statistics import compare_pairs, mean_interval, range_of
from tuner_app.store import SearchReader, SearchStore, TrialRow, answers

FOLDER = "confirmation"
MOST_RUNS = 10_000
METHOD = (
    "Means over the seeds with Student's t intervals (95%); they tell what another seed would "
    "do on the same validation examples, not what other examples would. Pairs are compared by "
    "the paired t test over the same seeds, all pairs corrected together (Holm 1979) at a level "
    "of 5%. The winner's mean is the largest of several, so it is still slightly optimistic; a "
    "run's score is its best epoch's, as in the search."
)
NO_SPREAD = (
    "Where all seeds have the same score the interval has no width: the validation examples are "
    "too few to show the spread, and it is wider than it looks."
)


@dataclass(frozen=True)
class Plan:
    """What a confirmation will run.

    Attributes:
        directory: The project directory.
        config: The search's configuration.
        objective: name and direction.
        trials: The best ones, best first.
        seeds: Of the runs, the same for each trial.
        lines: Of population-based training, each trial's stretches of epochs.
    """

    directory: Path
    config: SearchConfig
    objective: Mapping[str, str]
    trials: Sequence[TrialRow]
    seeds: Sequence[int]
    lines: Mapping[str, Sequence[Stretch]] = field(default_factory=dict)


def plan(directory: str | Path, top: int = 5, seeds: int = 5) -> Plan:
    """Decides what to run. Imports nothing heavy.

    Args:
        top: How many of the best configurations; fewer where the search has fewer.
        seeds: Runs of each, at least 2.

    Raises:
        UserError: No search with a configuration, no completed trial, or numbers that make no
            sense.
    """
    if top < 1:
        raise UserError(f"top is {top}, expected at least 1.")
    if seeds < 2:
        raise UserError(f"seeds is {seeds}, expected at least 2: one run has no interval.")
    if top * seeds > MOST_RUNS:
        raise UserError(f"top times seeds is {top * seeds} runs, expected at most {MOST_RUNS}.")
    from tuner_app.answers.seeds import run_seeds

    with SearchReader(directory) as reader:
        config, objective = configuration(reader), reader.fact("objective")
        completed = completed_trials(reader)
        lines = lineages(reader.trials()) if config.oracle == "pbt" else {}
    sign = -1 if objective["direction"] == "max" else 1
    best = sorted(completed, key=lambda row: sign * row.score)[:top]
    fresh = run_seeds("confirm", config.seed, seeds)
    return Plan(Path(directory), config, objective, best, fresh, lines)


def confirm(
    asked: Plan, *, observers: Iterable[Any] = (), say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Runs the plan, keeps what it found in the project's database, and returns it.

    A call that was stopped goes on where it was when it is made again.

    Returns:
        What `summary` gives, with the seconds it took.

    Raises:
        UserError: Another process uses the directory.
        KeyboardInterrupt: It was stopped.
    """
    from tuner_app import data, environment
    from tuner_app.answers import runs
    from tuner_app.answers.board import ConfirmationBoard
    from tuner_app.answers.named import Named

    began = time.monotonic()
    with SearchStore(asked.directory) as store:
        environment.use_device(asked.config.precision)
        dataset = data.load(asked.config.dataset, seed=asked.config.seed)
        lines = asked.lines
        wanted = [
            runs.Wanted(row.trial_id, from_first_epoch(row), seed, lines.get(row.trial_id, ()))
            for row in asked.trials
            for seed in asked.seeds
        ]
        names = [
            f"{row.trial_id}/seed_{i}" for row in asked.trials for i in range(len(asked.seeds))
        ]
        say(
            f"Confirming the {len(asked.trials)} best of {asked.directory} over {len(asked.seeds)} "
            f"fresh seeds: {len(wanted)} runs."
        )
        if asked.lines:
            say("Each is trained with the values that led to its best epoch, as they changed.")
        folder = asked.directory / FOLDER
        ran = runs.run(
            asked.config,
            dataset,
            wanted,
            asked.objective,
            folder,
            observers=[
                ConfirmationBoard(asked.directory, names),
                *(Named(o, names) for o in observers),
            ],
        )
        found = summary(asked, ran) | {"seconds": round(time.monotonic() - began, 1)}
        answers.add_confirmation(store, found)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def from_first_epoch(row: TrialRow) -> dict[str, Any]:
    """A trial's values; of one that Hyperband promoted, for all its epochs from the first on."""
    values = {k: v for k, v in row.hyperparameters.items() if k != "tuner/trial_id"}
    return values | ({"tuner/initial_epoch": 0} if "tuner/initial_epoch" in values else {})


def summary(asked: Plan, ran: Sequence[Any]) -> dict[str, Any]:
    """What the runs say, as a JSON value.

    Returns:
        objective, seeds, configurations (best mean first: trial_id, rank, search_score, scores by
        seed (None where a run failed), failed, mean, low, high, epochs, best_epochs), comparisons
        (of all pairs), winner (a trial's id, None where none ran through), indistinguishable (the
        trials that can't be told from the winner), optimism, verdict and method.
    """
    goal, sign = asked.objective, -1 if asked.objective["direction"] == "max" else 1
    by_trial: dict[str, list] = {}
    for one in ran:
        by_trial.setdefault(one.name, []).append(one)
    rows = [_configuration(row, by_trial[row.trial_id], goal["name"]) for row in asked.trials]
    # One with a failed run is behind all others: the mean of the rest would flatter it.
    rows.sort(key=lambda r: (r["failed"], math.inf if r["mean"] is None else sign * r["mean"]))
    for place, row in enumerate(rows, start=1):
        row["rank"] = place
    scores = {r["trial_id"]: [_nan(s) for s in r["scores"]] for r in rows}
    pairs = compare_pairs(scores)
    best = rows[0]["trial_id"] if rows[0]["mean"] is not None else None
    tied = [pair.second for pair in pairs if pair.first == best and not pair.distinguishable]
    searched = next(r for r in rows if r["trial_id"] == asked.trials[0].trial_id)
    return {
        "objective": dict(goal),
        "seeds": list(asked.seeds),
        "configurations": rows,
        "comparisons": [_comparison(pair) for pair in pairs],
        "winner": best,
        "indistinguishable": tied,
        "optimism": _optimism(searched, goal["direction"]),
        "verdict": _verdict(rows, best, tied, goal["name"]),
        "method": METHOD + (f" {NO_SPREAD}" if any(map(_without_spread, rows)) else ""),
    }


def _configuration(row: TrialRow, ran: Sequence[Any], metric: str) -> dict[str, Any]:
    scores = [one.score for one in ran]
    known = [score for score in scores if score is not None]
    found = mean_interval(known, possible=range_of(metric, known)) if known else None
    return {
        "trial_id": row.trial_id,
        "search_score": row.score,
        "scores": scores,
        "failed": len(scores) - len(known),
        "messages": sorted({one.message for one in ran if one.score is None}),
        "mean": found and found.estimate,
        "low": found and _finite(found.low),
        "high": found and _finite(found.high),
        "best_epochs": [one.best_epoch for one in ran],
        "epochs": sum(one.epochs for one in ran),
    }


def _comparison(pair: Any) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": _finite(pair.difference.estimate),
        "low": _finite(pair.difference.low),
        "high": _finite(pair.difference.high),
        "p_value": pair.p_value,
        "adjusted": pair.adjusted,
        "distinguishable": pair.distinguishable,
    }


def _optimism(searched: Mapping[str, Any], direction: str) -> dict[str, Any] | None:
    """By how much the search's own best score was better than its configuration is."""
    known = [score for score in searched["scores"] if score is not None]
    if not known:
        return None
    sign = 1 if direction == "max" else -1
    found = mean_interval([sign * (searched["search_score"] - score) for score in known])
    return {
        "trial_id": searched["trial_id"],
        "search_score": searched["search_score"],
        "mean": searched["mean"],
        "by": found.estimate,
        "low": _finite(found.low),
        "high": _finite(found.high),
    }


def _verdict(rows: Sequence[Mapping], best: str | None, tied: Sequence[str], goal: str) -> str:
    if best is None:
        return "No run of any configuration ended well, so nothing is confirmed."
    first, others = rows[0], len(rows) - 1
    said = f"Trial {best} has the best mean {goal}, {first['mean']:.4f}"
    if first["low"] is not None:
        said += f" ({first['low']:.4f} to {first['high']:.4f})"
    if not others:
        return said + "."
    rest = "the other one" if others == 1 else f"the other {others}"
    if not tied:
        return f"{said}, and is better than {rest}."
    names = ", ".join(tied)
    if len(tied) == others:
        return f"{said}, but can't be told from {rest} ({names}): indistinguishable."
    return f"{said}; it can't be told from {names}, and is better than the rest."


def _without_spread(row: Mapping[str, Any]) -> bool:
    return row["low"] is not None and row["low"] == row["high"]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
