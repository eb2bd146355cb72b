"""Which trial a search's answer is: the confirmed winner, or the best score where none is."""

from collections.abc import Mapping
from typing import Any

from tuner_app.errors import UserError
from tuner_app.store import SearchReader, TrialRow, answers


def winner(reader: SearchReader) -> tuple[TrialRow, Mapping[str, Any] | None]:
    """The winning trial, and the confirmation that chose it, None where there was none.

    Raises:
        UserError: No trial is completed.
    """
    confirmed = answers.confirmations(reader)
    if confirmed and confirmed[-1]["winner"] is not None:
        return reader.trial(confirmed[-1]["winner"]), confirmed[-1]
    direction = reader.fact("objective")["direction"]
    completed = completed_trials(reader)
    choose = max if direction == "max" else min
    return choose(completed, key=lambda row: row.score), None


def completed_trials(reader: SearchReader) -> list[TrialRow]:
    """The trials with a score, in the order they began; a pruned one was not trained to its end.

    Raises:
        UserError: There is none.
    """
    rows = [row for row in reader.trials() if row.status == "COMPLETED"]
    if not rows:
        raise UserError(
            f"{reader.directory} has no completed trial yet, so there is no best model."
        )
    return rows
