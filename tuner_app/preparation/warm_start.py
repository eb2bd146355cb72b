"""What a search is told before it begins: points to try first, and what past searches found.

A point is a JSON object of hyperparameter names and values; names that are left out are drawn.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError, unknown
from tuner_app.store import SearchReader

_BEST = 5  # points of a search on other data that are tried first


def points(path: str | Path) -> list[dict[str, Any]]:
    """The points of a JSON file: a list of objects, or one object.

    Raises:
        UserError: the file can't be read, or holds something else.
    """
    try:
        found = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Can't read the points in {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(
            f"{path} is not JSON ({error}). Expected a list of objects, such as "
            '[{"units": 64, "dropout": 0.1}].'
        ) from None
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(point, dict) for point in found):
        raise UserError(
            f"{path} holds {type(found).__name__}. Expected a list of objects, such as "
            '[{"units": 64, "dropout": 0.1}].'
        )
    return found


@dataclass(frozen=True)
class Past:
    """What past searches give to a new one.

    Attributes:
        known: Results on the same data, each values and score: the sampler begins with them.
        first: The best points of searches on other data, whose scores can't be compared.
        lines: What was taken from where, for a person.
    """

    known: list[tuple[dict[str, Any], float]]
    first: list[dict[str, Any]]
    lines: tuple[str, ...]


def past(directories: Iterable[str], dataset: str, objective: str) -> Past:
    """Reads project directories.

    Args:
        dataset: What `--dataset` names; results on the same one can be compared.
        objective: The name of what is optimized.

    Raises:
        UserError: a directory holds no search, or one without completed trials.
    """
    known, first, lines = [], [], []
    for directory in directories:
        with SearchReader(directory) as reader:
            goal, asked = reader.fact("objective", {}), reader.fact("config") or {}
            completed = [row for row in reader.trials() if row.status == "COMPLETED"]
        if not completed:
            raise UserError(f"{directory} has no completed trial to begin with.")
        if goal.get("name") == objective and asked.get("dataset") == dataset:
            known += [(row.hyperparameters, row.score) for row in completed]
            lines.append(f"Begins with {len(completed)} results of {directory}.")
        else:
            sign = -1 if goal.get("direction") == "max" else 1
            best = sorted(completed, key=lambda row: sign * row.score)[:_BEST]
            first += [row.hyperparameters for row in best]
            lines.append(f"Tries the {len(best)} best points of {directory} first.")
    return Past(known, first, tuple(lines))


def check_names(found: Iterable[dict[str, Any]], known: Iterable[str]) -> None:
    """Raises `UserError` for a point with a name that no hyperparameter has."""
    names = set(known)
    for point in found:
        for name in point:
            if name not in names:
                raise unknown("hyperparameter", name, names)
