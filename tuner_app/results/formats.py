"""A search's results as text: a table for people, JSON for programs, CSV for spreadsheets."""

import csv
import dataclasses
import io
import json
import math
import shutil
import textwrap
from typing import Any

from rich.cells import cell_len

from tuner_app.results.lineage import as_json as as_json_lineage
from tuner_app.results.lineage import changes
from tuner_app.results.search_results import SearchResults
from tuner_app.store.json_text import exportable

_LEAST_WIDTH = 80  # characters, where the terminal is narrower or there is none

# A spreadsheet takes a cell that begins so for a formula, and may run it.
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def as_json(results: SearchResults) -> str:
    """The stable form for programs.

    An object with `objective` (name, direction) and `trials`, each with rank, trial_id, status,
    score, hyperparameters, epochs and seconds. Rank and score are null without a score. What is no
    number (NaN, infinity) is null. A status is COMPLETED, FAILED, PRUNED (ended early, see
    `tuner-app search --pruner`), RUNNING, IDLE (waits to be run) or INVALID. With several
    objectives there is `pareto` besides, the ids of the trials that none beats in all of them;
    `objective` has `parts` (each name and its direction), each completed trial `objectives`, and
    the score is the sum of what is minimized less that of what is maximized. Of population-based
    training a completed trial has `lineage` besides, which values trained its best weights in which
    epochs: a list of first_epoch (from 0), end_epoch (the one after the last), trial_id and
    hyperparameters; and there is `population`: members, interval, copies, within (copies that did
    not leave their stack) and inherited (hyperparameters that could not be changed).
    """
    trials = [
        {
            "rank": rank,
            "trial_id": trial.trial_id,
            "status": trial.status,
            "score": trial.score,
            "hyperparameters": trial.hyperparameters,
            "epochs": trial.epochs,
            "seconds": round(trial.seconds, 3),
        }
        for rank, trial in zip(results.ranks(), results.trials, strict=True)
    ]
    goal = {"name": results.objective, "direction": results.direction}
    several = {}
    if results.parts:
        goal["parts"], several["pareto"] = results.parts, results.pareto
        for trial in trials:
            if trial["trial_id"] in results.values:
                trial["objectives"] = results.values[trial["trial_id"]]
    for trial in trials:
        if trial["trial_id"] in results.lineages:
            trial["lineage"] = as_json_lineage(results.lineages[trial["trial_id"]])
    if results.population is not None:
        several["population"] = dataclasses.asdict(results.population)
    whole = exportable({"objective": goal, "trials": trials} | several)
    return json.dumps(whole, indent=2, allow_nan=False)


def as_csv(results: SearchResults) -> str:
    """One line a trial: rank, trial_id, status, score, epochs, seconds, message, and one column a
    hyperparameter, empty where it is not active (named `hyperparameter:NAME` where NAME is taken).

    With several objectives there is a column for each, `objective:NAME`, and `pareto`, which is 1
    for the trials that none beats in all of them, else 0. Text that a spreadsheet would run as a
    formula has an apostrophe before it.
    """
    fixed = ["rank", "trial_id", "status", "score", "epochs", "seconds", "message"]
    several = [*(f"objective:{name}" for name in results.parts), "pareto"] if results.parts else []
    front = set(results.pareto)
    names = list(dict.fromkeys(n for trial in results.trials for n in trial.hyperparameters))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [*map(_cell, [*fixed, *several])]
        + [_cell(f"hyperparameter:{n}" if n in (*fixed, *several) else n) for n in names]
    )
    for rank, trial in zip(results.ranks(), results.trials, strict=True):
        row = [rank, trial.trial_id, trial.status, trial.score, trial.epochs]
        row += [round(trial.seconds, 3), trial.message]
        if several:
            gave = results.values.get(trial.trial_id, {})
            row += [gave.get(name) for name in results.parts]
            row += [int(trial.trial_id in front) if gave else None]
        row += [trial.hyperparameters.get(name) for name in names]
        writer.writerow(_cell(value) for value in row)
    return text.getvalue()


def as_table(results: SearchResults, width: int | None = None) -> str:
    """A table of plain text, best trial first.

    Args:
        width: Its width in characters; None: the terminal's. What does not fit in the last column
            goes on in the next line.
    """
    head = ("rank", "trial", "status", results.objective, "epochs", "seconds", "hyperparameters")
    rows = [head]
    for rank, trial in zip(results.ranks(), results.trials, strict=True):
        values = " ".join(f"{k}={_short(v)}" for k, v in trial.hyperparameters.items())
        rows.append(
            (
                "" if rank is None else str(rank),
                trial.trial_id,
                trial.status,
                "" if trial.score is None else f"{trial.score:.4f}",
                str(trial.epochs),
                f"{trial.seconds:.1f}",
                f"{values}\n{trial.message}".strip() if trial.message else values,
            )
        )
    columns = width or max(_LEAST_WIDTH, shutil.get_terminal_size((_LEAST_WIDTH, 24)).columns)
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(head) - 1)]
    indent = sum(widths) + 2 * len(widths)
    lines = []
    for *cells, last in rows:
        padded = [_padded(cell, widths[i], right=i > 2) for i, cell in enumerate(cells)]
        wrapped = [
            part
            for paragraph in last.split("\n")
            for part in textwrap.wrap(paragraph, max(20, columns - indent)) or [""]
        ]
        lines.append("  ".join([*padded, wrapped[0]]).rstrip())
        lines += [" " * indent + part for part in wrapped[1:]]
    return "\n".join([*lines, *_front(results), *_line_of_best(results, columns)]) + "\n"


def _line_of_best(results: SearchResults, columns: int) -> list[str]:
    """Of population-based training, where the best weights come from, a line a stretch."""
    best = results.best
    if best is None or best.trial_id not in results.lineages:
        return []
    lines = ["", f"Population: {results.population}", f"Lineage of trial {best.trial_id}:"]
    for line in changes(results.lineages[best.trial_id]):
        lines += textwrap.wrap(line, columns, initial_indent="  ", subsequent_indent="    ")
    return lines


def _front(results: SearchResults) -> list[str]:
    """Of several objectives, the trials that none beats in all of them, a line each."""
    if not results.parts:
        return []
    # KerasTuner's sum, in which what is to be large counts negatively.
    signed = (("- " if to == "max" else "+ ") + name for name, to in results.parts.items())
    lines = [
        "",
        f"Trials are ranked by {results.objective}, lower is better: "
        f"{' '.join(signed).removeprefix('+ ')}.",
        f"Pareto front ({', '.join(results.parts)}):",
    ]
    for trial_id in results.pareto:
        values = results.values[trial_id].items()
        lines.append(f"{trial_id}  " + "  ".join(f"{name} {value:.4f}" for name, value in values))
    return lines


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may read it.

    >>> _cell("=SUM(A1)"), _cell(-0.5), _cell(float("nan"))
    ("'=SUM(A1)", -0.5, None)
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and value.startswith(_RUN_BY_SPREADSHEETS):
        return "'" + value
    return value
