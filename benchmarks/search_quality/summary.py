"""What the runs come to: medians over the seeds with bootstrap intervals, as a file and a table."""

import datetime
import json
from pathlib import Path

import numpy as np

from benchmarks.search_quality.systems import OURS, SYSTEMS, THEIRS

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
_RESAMPLES = 2000


def median_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The median over the first axis, and the ends of its 95% percentile bootstrap interval.

    >>> [float(part) for part in median_interval(np.array([1.0, 1.0, 1.0]))]
    [1.0, 1.0, 1.0]
    """
    drawn = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    medians = np.median(values[drawn], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975], axis=0, method="nearest")
    return np.median(values, axis=0), low, high


def summed_up(runs: dict, trials: int) -> dict:
    """For each task and system: seeds, and the median, low and high after 1, 2, ... trials."""
    found: dict = {}
    for key, seeds in runs.items():
        task, system = key.split("|")
        curves = np.array([curve for curve in seeds.values() if len(curve) >= trials])
        if not len(curves):
            continue
        curves = np.where(np.isfinite(curves), curves, 1e300)[:, :trials]
        median, low, high = median_interval(curves)
        shown = {"median": median, "low": low, "high": high}
        found.setdefault(task, {})[system] = {"seeds": len(curves)} | {
            name: [None if v >= 1e299 else float(f"{v:.4g}") for v in values]
            for name, values in shown.items()
        }
    return found


def verdict(rows: dict, system: str) -> str:
    """How a system of ours stands to KerasTuner's best one at the end: better or worse where their
    intervals do not overlap."""
    ours = rows[system]
    theirs = min((rows[s] for s in THEIRS if s in rows), key=lambda row: row["median"][-1])
    if ours["high"][-1] < theirs["low"][-1]:
        return "better"
    return "worse" if ours["low"][-1] > theirs["high"][-1] else "equal"


def as_table(found: dict) -> str:
    """Markdown: the median at the end and its interval, and the verdict."""
    lines = ["| task | " + " | ".join(SYSTEMS.values()) + " | ours |"]
    lines.append("|---" * (len(SYSTEMS) + 2) + "|")
    for task, rows in found.items():
        cells = []
        for system in SYSTEMS:
            row = rows.get(system)
            if row is None:
                cells.append("")
                continue
            few = "" if row["seeds"] >= 20 else f", {row['seeds']} seeds"
            low, middle, high = (row[name][-1] for name in ("low", "median", "high"))
            cells.append(f"{middle:.3g} ({low:.3g} to {high:.3g}{few})")
        verdicts = {system: verdict(rows, system) for system in OURS if system in rows}
        told = [f"{s} {word}" for s, word in verdicts.items() if word != "equal"]
        lines.append(f"| {task} | " + " | ".join(cells) + f" | {', '.join(told) or 'equal'} |")
    return "\n".join(lines)


def write(runs: dict, trials: int) -> None:
    """Writes results.json and the plot, and prints the table.

    What results.json has of systems that are not among the runs stays as it is.
    """
    from benchmarks.search_quality import plot

    found = summed_up(runs, trials)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if before.get("trials") == trials:
        found = {
            task: before["tasks"].get(task, {}) | found.get(task, {})
            for task in [*before["tasks"], *(found.keys() - before["tasks"].keys())]
        }
    date = datetime.date.today().isoformat()
    results = before | {"date": date, "trials": trials, "tasks": found}
    RESULTS.write_text(json.dumps(results) + "\n")
    print(as_table(found))
    plot.draw(results, HERE.parents[1] / "docs" / "search-quality.svg")
