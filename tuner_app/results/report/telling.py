"""A report in words: the answer's sentences and the tables that every form of it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of text below columns' names; `numeric` are the columns to be aligned right."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    note: str = ""


def title(document: Mapping[str, Any]) -> str:
    """What was searched, and on what."""
    asked = document["config"]
    return f"{asked['space']} on {asked['dataset']}" if asked else document["project"]


def answer(document: Mapping[str, Any]) -> list[str]:
    """The answer in a few sentences, the most important first."""
    best, goal, cost = document["best"], document["objective"], document["cost"]
    if best is None:
        return ["No trial has completed, so there is no answer yet.", _cost_sentence(cost)]
    epoch = "" if best["best_epoch"] is None else f" (epoch {best['best_epoch'] + 1})"
    said = [
        f"Trial {best['trial_id']} is the best of {cost['completed']}: {goal['name']} "
        f"{number(best['score'])}{epoch}.",
        _cost_sentence(cost),
        "It is one run's score, the best of many on the same validation examples, so it is "
        "optimistic: `tuner-app confirm` says by how much.",
    ]
    on_edge = [edge["name"] for edge in document["edges"] if edge["edge"]]
    if on_edge:
        said.append(
            f"The best trials lie on the edge of a range: {', '.join(on_edge)}. Better ones may "
            "lie beyond it."
        )
    return said


def _cost_sentence(cost: Mapping[str, Any]) -> str:
    parts = [f"{cost['completed']} completed"]
    parts += [f"{cost[kind]} {kind}" for kind in ("pruned", "failed") if cost[kind]]
    under_way = cost["trials"] - cost["completed"] - cost["failed"]
    if under_way > 0:
        parts.append(f"{under_way} not over")
    return (
        f"It took {duration(cost['wall'])} and {cost['epochs']:,} epochs for {cost['trials']} "
        f"trials ({', '.join(parts)}), up to {cost['at_once']} at once."
    )


def tables(document: Mapping[str, Any], most: int) -> list[tuple[str, Table]]:
    """The report's tables by heading, `most` trials at most."""
    found = [("Best trials", _leaders(document, most))] if document["best"] else []
    if document["importance"]["groups"]:
        found.append(("Importance", _importance(document["importance"])))
    if document["edges"]:
        found.append(("Edge check", _edges(document["edges"])))
    if document["failures"]:
        rows = [
            (str(len(f["trials"])), f["reason"], _few(f["trials"])) for f in document["failures"]
        ]
        found.append(("Failures", Table(("trials", "reason", "which"), rows, (0,))))
    if document["environment"]:
        rows = [(str(k), str(v)) for k, v in document["environment"].items() if k != "program"]
        found.append(("Environment", Table(("what", "version"), rows)))
    return found


def _leaders(document: Mapping[str, Any], most: int) -> Table:
    scored = [trial for trial in document["trials"] if trial["rank"] is not None]
    rows = [
        (
            str(trial["rank"]),
            trial["trial_id"],
            number(trial["score"]),
            str(trial["epochs"]),
            ", ".join(f"{k}={number(v)}" for k, v in trial["values"].items() if v is not None),
        )
        for trial in scored[:most]
    ]
    columns = ("rank", "trial", document["objective"]["name"], "epochs", "hyperparameters")
    return Table(columns, rows, (0, 2, 3))


def _importance(found: Mapping[str, Any]) -> Table:
    rows = [
        (name, f"{share:.0%}", group["condition"] or "all", str(group["trials"]))
        for group in found["groups"]
        for name, share in group["shares"].items()
    ]
    columns = ("hyperparameter", "importance", "among trials where", "trials")
    return Table(columns, rows, (1, 3), found["method"] + ".")


def _edges(edges: list[Mapping[str, Any]]) -> Table:
    rows = [
        (
            edge["name"],
            f"{edge['edge']} edge: {edge['advice']}" if edge["edge"] else "inside",
            f"{number(edge['low'])} to {number(edge['high'])}, {edge['scale']}",
            ", ".join(number(value) for value in edge["best"][:3]),
        )
        for edge in sorted(edges, key=lambda edge: edge["edge"] is None)
    ]
    note = (
        "On an edge: the best trial and most of the best twentieth lie in the outer tenth of the "
        "range, at one end."
    )
    return Table(("hyperparameter", "verdict", "range", "best three"), rows, note=note)


def _few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def number(value: Any) -> str:
    """A value with no more digits than a reader needs.

    >>> number(0.976543), number(1e-05), number(None), number("adam"), number(128)
    ('0.9765', '1e-05', '–', 'adam', '128')
    """
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(42.3), duration(200), duration(7300)
    ('42 s', '3 min 20 s', '2 h 2 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
