"""A comparison of optimizers in words, for a terminal or as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuner_app.answers.telling import number, text_table
from tuner_app.results.report.telling import duration
from tuner_app.results.report.telling import number as short


def compare_text(found: Mapping[str, Any]) -> str:
    """The verdicts first, then the tables, as plain text."""
    parts = [f"{label}: {result['verdict']}" for label, result in found["results"].items()]
    for heading, columns, rows, note in tables(found):
        parts.append("\n".join([heading, *text_table(columns, rows)] + ([note] if note else [])))
    return "\n" + "\n\n".join([*parts, ending(found)])


def compare_markdown(found: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    config = found["config"]
    lines = [f"# Optimizers on {config['dataset']} with {config['space']}", ""]
    for label, result in found["results"].items():
        lines += [f"**{label}**: {result['verdict']}", ""]
    for heading, columns, rows, note in tables(found):
        lines += [f"## {heading}", "", f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
        lines += [f"| {' | '.join(row)} |" for row in rows] + ([""] if not note else ["", note, ""])
    return "\n".join([*lines, ending(found), ""])


Rows = Sequence[Sequence[str]]


def tables(found: Mapping[str, Any]) -> list[tuple[str, Sequence[str], Rows, str]]:
    """Heading, columns, rows and note of each table."""
    goal, told = found["objective"]["name"].removeprefix("val_"), []
    for label, result in found["results"].items():
        rows = [
            (
                row["name"],
                number(row["mean"]),
                _between(row["low"], row["high"]),
                _against(result, row["name"]),
                number(result["errors"][row["name"]]["train"]),
                number(result["errors"][row["name"]]["held_out"]),
            )
            for row in result["ranking"]
        ]
        columns = ("optimizer", f"mean {goal}", "95% interval", "p against the best")
        columns += (f"{goal}, train, at the end", f"{found['scored_on']}, at the end")
        note = f"Intervals and tests (paired t, Holm for all pairs) over the {result['unit']}."
        told.append((f"Score on the {found['scored_on']} split, {label}", columns, rows, note))
    told.append(_budget(list(found["results"].values())[-1]))
    told.append(_sensitivity(found))
    told.append(_cost(found, goal))
    return told


def _cost(found: Mapping[str, Any], goal: str) -> tuple[str, Sequence[str], Rows, str]:
    timed, target = found["time_to_target"]["optimizers"], found["time_to_target"]["target"]
    columns = ("optimizer", "numbers a weight", "MiB for this model")
    rows = [
        (name, f"{row['slots_a_weight']:.2f}", f"{row['bytes'] / 2**20:.2f}")
        for name, row in found["memory"].items()
    ]
    if target is None:
        return "Memory", columns, rows, ""
    columns += (f"epochs to {goal} {target:.4f}", "runs that reach it")
    rows = [
        (
            *row,
            short(timed[name]["median_epochs"]),
            f"{timed[name]['reached']} of {timed[name]['runs']}",
        )
        for name, row in ((row[0], row) for row in rows)
    ]
    note = (
        "Memory: what the optimizer keeps besides the weights. Epochs: the median over the runs of "
        "the best points; a dash where no more than half reach it."
    )
    return "Memory, and time to a target", columns, rows, note


def _budget(result: Mapping[str, Any]) -> tuple[str, Sequence[str], Rows, str]:
    longest = max((len(rows) for rows in result["budget"].values()), default=0)
    shown = sorted({1, 2, 4, 8, 16, 25, 50, longest} & set(range(1, longest + 1)))
    rows = []
    for name, curve in result["budget"].items():
        cells = [curve[n - 1] if n <= len(curve) else None for n in shown]
        rows.append((name, *(_cell(cell) for cell in cells)))
    note = (
        "The expected best of n points of one run each (Dodge et al. 2019, without replacement), "
        "± half of the 95% interval over the repeats where there are several."
    )
    return "Tuning budget", ("optimizer", *(f"best of {n}" for n in shown)), rows, note


def _cell(cell: Sequence[Any] | None) -> str:
    if cell is None:
        return "–"
    _, mean, low, high = cell
    return number(mean) + ("" if low is None else f" ± {(high - low) / 2:.4f}")


def _sensitivity(found: Mapping[str, Any]) -> tuple[str, Sequence[str], Rows, str]:
    rows, others = [], []
    for name, row in found["sensitivity"].items():
        ranges = found["ranges"][name]
        rate = ranges["domains"][0]
        near = "–" if row["low"] is None else f"{short(row['low'])} to {short(row['high'])}"
        searched = _searched(rate, ranges["widened"])
        others += [
            f"{domain['name']} {_searched(domain, ranges['widened'])}"
            for domain in ranges["domains"][1:]
            if domain["name"] in ranges["widened"]
        ]
        cells = (short(row["best_rate"]), near, f"{row['decades']:.1f}", f"{row['share']:.0%}")
        rows.append((name, *cells, searched))
    columns = ("optimizer", "best rate", "nearly as good", "decades", "points", "searched")
    note = (
        "Nearly as good: within 0.02 of its best score, or within a tenth of the best loss. "
        "Points: the share of all points that are."
    )
    if others:
        note += f" Other ranges that were too narrow: {'; '.join(others)}."
    return "Sensitivity to the learning rate", columns, rows, note


def _searched(domain: Mapping[str, Any], widened: Mapping[str, int]) -> str:
    times = widened.get(domain["name"], 0)
    said = f"{short(domain['low'])} to {short(domain['high'])}"
    return said + (f", widened {'once' if times == 1 else f'{times} times'}" if times else "")


def ending(found: Mapping[str, Any]) -> str:
    """What it took, and how it was done."""
    config, protocol = found["config"], found["protocol"]
    said = (
        f"{found['runs']} runs of {config['epochs']} epochs in {duration(found['seconds'])} on "
        f"{found['device']}. {protocol['name']}: {protocol['says']}"
    )
    if found["scored_on"] == "test":
        said += " The test split was looked at: choose nothing more by it."
    return said


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{low:.4f} to {high:.4f}"


def _against(result: Mapping[str, Any], name: str) -> str:
    for pair in result["comparisons"]:
        if {pair["first"], pair["second"]} == {result["best"], name}:
            return f"{pair['adjusted']:.2g}"
    return ""
