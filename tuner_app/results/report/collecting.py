"""Everything a report tells, read from the project directory into one dictionary for JSON."""

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

from tuner_app.results.edges import edges_of
from tuner_app.results.lineage import as_json, lineages
from tuner_app.results.pareto import objective_values, pareto
from tuner_app.results.report import mistakes
from tuner_app.results.report.command import search_command
from tuner_app.results.report.curves import curve, told_apart
from tuner_app.results.report.domains import domains
from tuner_app.results.report.edge_table import edge_table
from tuner_app.results.report.importance import importance
from tuner_app.results.search_results import objective_parts, ranked
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader, TrialRow, answers
from tuner_app.store.json_text import exportable

VERSION = 1  # of the document's form; it grows when a field changes its meaning


def collect(directory: str | Path, with_mistakes: bool = True) -> dict[str, Any]:
    """The report of a search, finished or not, as a dictionary that JSON can hold.

    Args:
        directory: The project directory.
        with_mistakes: Tell what the best model gets wrong. The first time that loads TensorFlow
            and the model; what was found is kept beside its weights.

    Raises:
        UserError: `directory` is none, or holds no search.
    """
    with SearchReader(directory) as reader:
        goal = reader.fact("objective", {"name": "score", "direction": "min"})
        asked = reader.fact("config")
        rows = reader.trials()
        histories = {row.trial_id: reader.history(row.trial_id) for row in rows}
        attempts = {row.trial_id: reader.attempts(row.trial_id) for row in rows}
        sessions = reader.sessions()
        space = domains(reader.space(max(rows, key=lambda r: r.number).space)) if rows else []
        confirmations, openings = answers.confirmations(reader), answers.openings(reader)
        chosen = winner(reader)[0].trial_id if any(r.status == "COMPLETED" for r in rows) else None
    watched = next(iter(objective_parts(goal)))
    numbers = {row.trial_id: row for row in rows}
    records = ranked([row.record() for row in rows], goal["direction"])
    trials = []
    for place, record in enumerate(records, start=1):
        row = numbers[record.trial_id]
        times = _times(attempts[record.trial_id])
        trials.append(
            {
                "trial_id": record.trial_id,
                "number": row.number,
                "rank": None if record.score is None else place,
                "status": record.status,
                "pruned": record.status == "PRUNED",
                "score": record.score,
                "best_epoch": record.best_epoch,
                "epochs": record.epochs,
                "seconds": round(record.seconds, 3),
                "ended": row.ended,
                "from": times[0],
                "to": times[1],
                "mode": record.mode,
                "message": record.message,
                "values": record.hyperparameters,
                "curve": curve(histories[record.trial_id], watched),
            }
        )
    scored = [trial for trial in trials if trial["score"] is not None]
    line = lineages(rows).get(scored[0]["trial_id"], []) if scored else []
    document = {
        "version": VERSION,
        "made": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "project": Path(directory).absolute().name,
        "objective": goal,
        "config": asked,
        "command": search_command(asked) if asked else "",
        "best": scored[0] if scored else None,
        "winner": next((trial for trial in scored if trial["trial_id"] == chosen), None),
        "confirmation": confirmations[-1] if confirmations else None,
        "lineage": as_json(line),
        "pareto": _front(rows, goal.get("parts") or {}),
        "cost": _cost(trials, sessions),
        "hyperparameters": space,
        "trials": trials,
        "importance": importance(space, scored, goal["direction"]),
        "edges": edge_table(space, [trial["values"] for trial in scored], edges_of(directory)),
        "curves": told_apart(trials, histories),
        "failures": _failures(trials),
        "mistakes": mistakes.of(directory) if with_mistakes and scored and asked else None,
        "test_set": openings,
        "environment": _environment(sessions),
    }
    return exportable(document)


def _front(rows: list[TrialRow], parts: dict[str, str]) -> list[dict[str, Any]]:
    """Of several objectives, the trials that none beats in all of them, and what they gave."""
    values = {
        row.trial_id: objective_values(row.metrics, list(parts))
        for row in rows
        if parts and row.status == "COMPLETED"
    }
    front = pareto(values, parts) if parts else []
    return [{"trial_id": trial_id, "objectives": values[trial_id]} for trial_id in front]


def _environment(sessions: list[dict]) -> dict[str, str]:
    """The versions of the last session; where its program lay is nobody else's business."""
    found = sessions[-1]["environment"] if sessions else {}
    return {name: value for name, value in found.items() if name != "program"}


def _times(attempts: list[dict]) -> tuple[float | None, float | None]:
    """When the last attempt began and ended, in seconds since 1970."""
    if not attempts:
        return None, None
    return attempts[-1]["begun"], attempts[-1]["ended"]


def _cost(trials: list[dict], sessions: list[dict]) -> dict[str, Any]:
    """What the search took. `wall` is in seconds, the time in which at least one trial was under
    way; `trial_seconds` each trial's share of it, added up."""
    spans = sorted(
        (trial["from"], trial["to"]) for trial in trials if trial["from"] and trial["to"]
    )
    wall, reached = 0.0, 0.0
    for begun, ended in spans:
        wall += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    statuses = Counter(trial["status"] for trial in trials)
    return {
        "trials": len(trials),
        "completed": statuses["COMPLETED"],
        "failed": statuses["FAILED"],
        "pruned": sum(trial["pruned"] for trial in trials),
        "modes": dict(Counter(t["mode"] for t in trials if t["status"] == "COMPLETED")),
        "epochs": sum(trial["epochs"] for trial in trials),
        "trial_seconds": round(sum(trial["seconds"] for trial in trials), 3),
        "wall": round(wall, 3),
        "at_once": _at_once(spans),
        "sessions": len(sessions),
    }


def _at_once(spans: list[tuple[float, float]]) -> int:
    """The most trials that were under way at the same moment."""
    events = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    now = most = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


def _failures(trials: list[dict]) -> list[dict[str, Any]]:
    """Reasons of failed trials, the most frequent first, each with its trials."""
    by_reason: dict[str, list[str]] = {}
    for trial in trials:
        if trial["status"] in ("FAILED", "INVALID"):
            by_reason.setdefault(trial["message"] or "no reason given", []).append(
                trial["trial_id"]
            )
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [{"reason": reason, "trials": ids} for reason, ids in ordered]
