"""What is kept beside `search.db` so that a search outlives it: a JSON file a trial, one a search.

`trial_<id>/trial.json` is KerasTuner's own form of a trial, which `Trial.load` reads, with what it
lacks under "tuner_app": the epochs, the cost, and the oracle's state when the trial was written.
`search.json` has the facts. Both are always whole (see `whole_file`).
"""

import json
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

from tuner_app.store import trial_row, whole_file
from tuner_app.store.json_text import exportable_text, to_text
from tuner_app.store.schema import SEARCH_FILE
from tuner_app.store.trial_row import TrialRow

TRIAL_FILE = "trial.json"
_KEPT = "number digest ended failures note blame mode epochs seconds".split()


def trial_text(
    row: TrialRow, space: str, history: dict, attempts: int, oracle_state: dict[str, str]
) -> str:
    """The content of a trial's file. Its KerasTuner part has null for NaN; ours loses nothing.

    Args:
        space: As JSON that others read; it is long, and the same for most trials.
        oracle_state: Name to JSON text.
    """
    kept = {name: getattr(row, name) for name in _KEPT}
    kept |= {"attempts": attempts, "metrics": row.metrics}
    kept["history"] = [[*at, metrics] for at, metrics in history.items()]
    oracle = ", ".join(f"{json.dumps(name)}: {text}" for name, text in oracle_state.items())
    keras_tuners = {
        "metrics": row.metrics,
        "score": row.score,
        "best_step": row.best_epoch or 0,
        "status": "STOPPED" if row.status == "PRUNED" else row.status,  # KerasTuner's nearest word
        "message": row.message or None,
    }
    values = exportable_text(row.hyperparameters)
    return (
        f'{{"trial_id": {json.dumps(row.trial_id)}, '
        f'"hyperparameters": {{"space": {space}, "values": {values}}}, '
        f"{exportable_text(keras_tuners)[1:-1]}, "
        f'"tuner_app": {{{to_text(kept)[1:-1]}, "oracle": {{{oracle}}}}}}}'
    )


def adopt(connection: sqlite3.Connection, directory: Path) -> list[str]:
    """Takes into the database what the files know and it does not. Returns those trials.

    That is nothing but for a database that was lost, or whose log was cut: then trials that are not
    in it, and the ends of trials that it believes to be running.
    """
    known = dict(connection.execute("SELECT trial_id, status FROM trials"))
    _adopt_facts(connection, directory / SEARCH_FILE)
    adopted = []
    for trial_id, file in _trial_files(directory, known):
        ended = file["status"] in ("COMPLETED", "FAILED", "STOPPED")
        if trial_id not in known or ended:
            adopted.append(file)
    adopted.sort(key=lambda file: file["tuner_app"]["number"])
    for file in adopted:
        _adopt_trial(connection, file)
    if adopted:
        # The state when the last of them was written; a trial's end hardly changes it.
        for name, value in adopted[-1]["tuner_app"]["oracle"].items():
            connection.execute(
                "INSERT OR REPLACE INTO oracle VALUES (?, ?)", (name, to_text(value))
            )
    return [file["trial_id"] for file in adopted]


def _adopt_facts(connection: sqlite3.Connection, path: Path) -> None:
    needed = connection.execute("SELECT COUNT(*) FROM facts").fetchone()[0] == 0
    for name, value in (_read(path, needed) or {}).items():
        connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, to_text(value)))


def _trial_files(directory: Path, known: dict[str, str]) -> Iterator[tuple[str, dict]]:
    """The files of trials that the database does not have, or believes to be running."""
    for folder in directory.glob("trial_*"):
        trial_id = folder.name.removeprefix("trial_")
        if known.get(trial_id) in ("COMPLETED", "FAILED", "PRUNED"):
            continue
        file = _read(folder / TRIAL_FILE, needed=trial_id not in known)
        if file is not None and file["trial_id"] == trial_id:
            yield trial_id, file


def _read(path: Path, needed: bool) -> dict | None:
    """A file's content; None, with a warning where it is needed, if it is not as it was written."""
    try:
        return whole_file.read(path)
    except ValueError as error:
        if needed:
            warnings.warn(f"{path} is left out: {error}.", RuntimeWarning, stacklevel=2)
        return None


def _adopt_trial(connection: sqlite3.Connection, file: dict) -> None:
    ours, trial_id = file["tuner_app"], file["trial_id"]
    space = to_text(file["hyperparameters"]["space"])
    digest = trial_row.space_digest(space)
    connection.execute(
        "INSERT OR IGNORE INTO spaces (digest, config) VALUES (?, ?)", (digest, space)
    )
    found = connection.execute("SELECT space FROM spaces WHERE digest = ?", (digest,)).fetchone()
    row = TrialRow(
        trial_id=trial_id,
        status="PRUNED" if file["status"] == "STOPPED" else file["status"],
        space=found[0],
        hyperparameters=file["hyperparameters"]["values"],
        score=file["score"],
        best_epoch=None if file["score"] is None else file["best_step"],
        metrics=ours["metrics"],
        message=file["message"] or "",
        **{name: ours[name] for name in _KEPT},
    )
    connection.execute(trial_row.UPSERT, trial_row.as_parameters(row))
    connection.execute(
        "UPDATE trials SET blame = ?, message = ?, mode = ?, epochs = ?, seconds = ? "
        "WHERE trial_id = ?",
        (row.blame, row.message, row.mode, row.epochs, row.seconds, trial_id),
    )
    # One attempt stands for all: which of them reported an epoch matters to nobody any more.
    connection.execute("DELETE FROM attempts WHERE trial_id = ?", (trial_id,))
    connection.execute("DELETE FROM epochs WHERE trial_id = ?", (trial_id,))
    outcome = row.status if row.ended is not None else "KILLED"
    connection.execute(
        "INSERT INTO attempts "
        "(trial_id, attempt, session, execution, epoch, begun, outcome, message) "
        "VALUES (?, ?, 0, 0, 0, 0, ?, ?)",
        (trial_id, max(0, ours["attempts"] - 1), outcome, row.message),
    )
    connection.executemany(
        "INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)",
        [
            (trial_id, max(0, ours["attempts"] - 1), execution, epoch, metric, value)
            for execution, epoch, metrics in ours["history"]
            for metric, value in metrics.items()
        ],
    )
