"""A report in words: the answer's sentences and the tables that every form of it shows."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of text below columns' names; `numeric` are the columns to be aligned right.

    The last `folded` rows say nothing new, and `folded_says` what they have in common.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    note: str = ""
    folded: int = 0
    folded_says: str = ""


def title(document: Mapping[str, Any]) -> str:
    """What was searched, and on what."""
    asked = document["config"]
    if not asked:
        return document["project"]
    space, dataset = (asked[name].split("/")[-1] for name in ("space", "dataset"))
    return f"{space} on {dataset}"


def answer(document: Mapping[str, Any]) -> list[str]:
    """The answer in a few sentences, the most important first."""
    best, goal, cost = document["best"], document["objective"], document["cost"]
    if best is None:
        return ["No trial has completed, so there is no answer yet.", _cost_sentence(cost)]
    confirmed = document["confirmation"]
    if confirmed is None:
        epoch = "" if best["best_epoch"] is None else f" (epoch {best['best_epoch'] + 1})"
        said = [
            f"Trial {best['trial_id']} is the best of {cost['completed']}: {goal['name']} "
            f"{number(best['score'])}{epoch}.",
            _cost_sentence(cost),
            "It is one run's score, the best of many on the same validation examples, so it is "
            "optimistic: `tuner-app confirm` says by how much.",
        ]
    else:
        said = [confirmed["verdict"], optimism_sentence(confirmed), _cost_sentence(cost)]
    on_edge = [edge["name"] for edge in document["edges"] if edge["edge"]]
    if on_edge:
        said.append(
            f"The best trials lie on the edge of a range: {', '.join(on_edge)}. Better ones may "
            "lie beyond it."
        )
    return [sentence for sentence in [*said, *test_set_sentences(document["test_set"])] if sentence]


def optimism_sentence(confirmed: Mapping[str, Any]) -> str:
    """How optimistic the search's own best score was; "" where that is not known."""
    told = confirmed["optimism"]
    if told is None:
        return ""
    said = (
        f"The search's own best, trial {told['trial_id']} with {told['search_score']:.4f}, has a "
        f"mean of {told['mean']:.4f}: its score was "
    )
    if told["low"] is not None and told["low"] > 0:
        return said + f"optimistic by {told['by']:.4f} ({told['low']:.4f} to {told['high']:.4f})."
    if told["high"] is not None and told["high"] < 0:
        return said + f"pessimistic by {-told['by']:.4f}."
    return said + f"off by {told['by']:+.4f}, which may be chance."


def test_set_sentences(openings: list[Mapping[str, Any]]) -> list[str]:
    """What the ledger of the test set has to say, the first opening first."""
    said = []
    for entry in openings[:1]:
        scores = "; ".join(score_text(s) for s in entry["metrics"].get("scores", []))
        said.append(f"On the test set trial {entry['trial_id']} has {scores}.")
    if len(openings) > 1:
        said.append(
            f"The test set was opened {len(openings)} times: only the first opening is a fair "
            "test, whatever was chosen after it has seen the test set."
        )
    return said


def score_text(score: Mapping[str, Any]) -> str:
    """A score of the ledger, with its interval.

    >>> score_text({"name": "accuracy", "value": 0.9, "low": 0.85, "high": 0.94})
    'accuracy 0.9000 (0.8500 to 0.9400)'
    """
    said = f"{score['name']} {score['value']:.4f}"
    return said + ("" if score["low"] is None else f" ({score['low']:.4f} to {score['high']:.4f})")


def _cost_sentence(cost: Mapping[str, Any]) -> str:
    parts = [f"{cost['completed']} completed"]
    parts += [f"{cost[kind]} {kind}" for kind in ("pruned", "failed") if cost[kind]]
    under_way = cost["trials"] - cost["completed"] - cost["failed"] - cost["pruned"]
    if under_way > 0:
        parts.append(f"{under_way} not over")
    return (
        f"It took {duration(cost['wall'])} and {cost['epochs']:,} epochs for {cost['trials']} "
        f"trials ({', '.join(parts)}), up to {cost['at_once']} at once."
    )


def tables(document: Mapping[str, Any], most: int) -> list[tuple[str, Table]]:
    """The report's tables by heading, `most` trials at most."""
    found = []
    if document["confirmation"]:
        found.append(("Confirmation", _confirmation(document["confirmation"])))
    if document["best"]:
        found.append(("Best trials", _leaders(document, most)))
    if document["pareto"]:
        found.append(("Pareto front", _front(document["pareto"], document["objective"]["parts"])))
    if document["lineage"]:
        found.append(("Schedule of the best model", _lineage(document["lineage"])))
    if document["importance"]["groups"]:
        found.append(("Importance", _importance(document["importance"])))
    if document["edges"]:
        found.append(("Edge check", _edges(document["edges"])))
    if document["failures"]:
        rows = [
            (str(len(f["trials"])), f["reason"], _few(f["trials"])) for f in document["failures"]
        ]
        found.append(("Failures", Table(("trials", "reason", "which"), rows, (0,))))
    if document["test_set"]:
        found.append(("Ledger of the test set", _ledger(document["test_set"])))
    if document["environment"]:
        rows = [(str(k), str(v)) for k, v in document["environment"].items()]
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


def _front(front: list[Mapping[str, Any]], parts: Mapping[str, str]) -> Table:
    rows = [
        (one["trial_id"], *(number(one["objectives"][name]) for name in parts)) for one in front
    ]
    goals = " and ".join(f"{name} ({direction})" for name, direction in parts.items())
    note = f"None of all trials is at least as good in {goals}, and better in one of them."
    return Table(("trial", *parts), rows, tuple(range(1, len(parts) + 1)), note)


def _lineage(stretches: list[Mapping[str, Any]]) -> Table:
    rows = [
        (
            f"{stretch['first_epoch'] + 1} to {stretch['end_epoch']}",
            stretch["trial_id"],
            ", ".join(f"{k}={number(v)}" for k, v in stretch["hyperparameters"].items()),
        )
        for stretch in stretches
    ]
    note = "Its weights went from trial to trial; each trained them with these values."
    return Table(("epochs", "trial", "hyperparameters"), rows, note=note)


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
        "On an edge: at least half of the best trials lie in the outer twentieth of the range, or "
        "at its very end where it has steps."
    )
    inside = sum(edge["edge"] is None for edge in edges)
    return Table(
        ("hyperparameter", "verdict", "range", "best three"),
        rows,
        note=note,
        folded=inside,
        folded_says=f"{inside} ranges with the best trials inside",
    )


def _confirmation(found: Mapping[str, Any]) -> Table:
    rows = [
        (
            str(row["rank"]),
            row["trial_id"],
            "–" if row["mean"] is None else f"{row['mean']:.4f}",
            "–" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}",
            f"{row['search_score']:.4f}",
            _against_winner(found, row["trial_id"]),
            f"{row['failed']} of {len(row['scores'])}" if row["failed"] else "",
        )
        for row in found["configurations"]
    ]
    goal = found["objective"]["name"]
    columns = ("rank", "trial", f"mean {goal}", "95% interval", "in the search")
    columns += ("p against the first", "failed")
    if not any(row["failed"] for row in found["configurations"]):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    note = f"{len(found['seeds'])} seeds each. {found['method']}"
    return Table(columns, rows, (0, 2, 4, 5, 6), note)


def _against_winner(found: Mapping[str, Any], trial_id: str) -> str:
    for pair in found["comparisons"]:
        if {pair["first"], pair["second"]} == {found["winner"], trial_id}:
            return f"{pair['adjusted']:.2g}"
    return ""


def _ledger(openings: list[Mapping[str, Any]]) -> Table:
    rows = []
    for place, entry in enumerate(openings, start=1):
        opened = datetime.datetime.fromtimestamp(entry["opened"]).strftime("%Y-%m-%d %H:%M")
        told = entry["metrics"]
        scores = "; ".join(score_text(s) for s in told.get("scores", []))
        rows.append((str(place), opened, entry["trial_id"], scores, told.get("by") or ""))
    return Table(("opening", "when", "trial", "scores", "by"), rows, (0,))


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
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
