"""What a search is told before it begins: points to try first, and what past searches found.

A point is a JSON object of hyperparameter names and values; names that are left out are drawn.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError, unknown
from tuner_app.store import SearchReader

FINGERPRINT = "data_fingerprint"  # among the facts that are kept with a search
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
class PastSearch:
    """What one past search gives to a new one.

    Attributes:
        directory: Its project directory.
        points: The values and score of its completed trials; of the best ones alone where their
            scores can't be compared.
        other: Why they can't: "" where they can.
    """

    directory: str
    points: list[tuple[dict[str, Any], float]]
    other: str = ""

    def lines(self, space: Any) -> list[str]:
        """What is taken from it, for a person.

        Args:
            space: The new search's `SearchSpace`.
        """
        names = {name: None for values, _ in self.points for name in values}
        ours = list(dict.fromkeys(dimension.name for dimension in space.dimensions))
        always = {d.name for d in space.dimensions if not d.definition.conditions}
        shared = [name for name in ours if name in names]
        if not shared:
            return [f"Takes nothing from {self.directory}: its space has other hyperparameters."]
        count = len(self.points)
        if self.other:
            what = "best point" if count == 1 else f"{count} best points"
            lines = [
                f"Tries the {what} of {self.directory} first, but takes over no scores: "
                f"it {self.other}."
            ]
            changed = dict.fromkeys(
                name for values, _ in self.points for name in _changed(space, values)
            )
        else:
            fitting = sum(space.has(values) for values, _ in self.points)
            lines = [f"Begins with {fitting} results of {self.directory}."]
            if fitting < count:
                part, rest = (fitting, "the others") if fitting else ("none", "they")
                lines = [
                    f"Begins with {part} of the {count} results of {self.directory}: {rest} have "
                    "values that this space does not have."
                ]
            if not fitting:
                return lines
            changed = {}
        if foreign := [name for name in names if name not in ours]:
            lines.append(f"Its {_several(foreign)} can't be used in this space.")
        if drawn := [name for name in ours if name in always - names.keys() or name in changed]:
            lines.append(f"Drawn, where it has no value that can be used: {_several(drawn)}.")
        return lines


def _changed(space: Any, values: Mapping[str, Any]) -> list[str]:
    """Names whose value is none that the space has."""
    kept = {dimension.name for dimension, _ in space.active(values)}
    return [
        dimension.name
        for dimension in space.dimensions
        if dimension.distribution is not None
        and dimension.name in values
        and dimension.name not in kept
        and dimension.is_active(values)
    ]


def _several(names: list[str]) -> str:
    """Some names in words.

    >>> _several(["l1"]), _several(["l1", "l2", "units"])
    ('l1', 'l1, l2 and units')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@dataclass(frozen=True)
class Past:
    """What past searches give to a new one."""

    searches: tuple[PastSearch, ...] = ()

    @property
    def known(self) -> list[tuple[dict[str, Any], float]]:
        """Results on the same data, each values and score: the sampler begins with them."""
        return [point for one in self.searches if not one.other for point in one.points]

    @property
    def first(self) -> list[dict[str, Any]]:
        """The best points of the others, whose scores can't be compared."""
        return [values for one in self.searches if one.other for values, _ in one.points]

    def lines(self, hyperparameters: Any) -> tuple[str, ...]:
        """What is taken from where, for a person.

        Args:
            hyperparameters: The new search's, as KerasTuner has them.
        """
        if not self.searches:
            return ()
        from tuner_app.oracles.dimensions import SearchSpace

        space = SearchSpace(hyperparameters)
        return tuple(" ".join(one.lines(space)) for one in self.searches)


def past(
    directories: Iterable[str], dataset: str, objective: str, fingerprint: str | None = None
) -> Past:
    """Reads project directories.

    Args:
        dataset: What `--dataset` names, with its whole path; results on the same one can be
            compared.
        objective: The name of what is optimized.
        fingerprint: Of the data's files as they are; None: not known.

    Raises:
        UserError: a directory holds no search, or one without completed trials.
    """
    found = []
    for directory in directories:
        with SearchReader(directory) as reader:
            goal, asked = reader.fact("objective", {}), reader.fact("config") or {}
            before = reader.fact(FINGERPRINT) or fingerprint
            completed = [row for row in reader.trials() if row.status == "COMPLETED"]
        if not completed:
            raise UserError(f"{directory} has no completed trial to begin with.")
        points = [(row.hyperparameters, row.score) for row in completed]
        other = ""
        if asked.get("dataset") != dataset:
            other = f"is a search on {asked.get('dataset') or 'data of a program of its own'}"
        elif fingerprint and before != fingerprint:
            other = "is a search on this data as it was before it was changed"
        elif goal.get("name") != objective:
            other = f"is a search for the best {goal.get('name')}"
        if other:
            sign = -1 if goal.get("direction") == "max" else 1
            points = sorted(points, key=lambda point: sign * point[1])[:_BEST]
        found.append(PastSearch(directory, points, other))
    return Past(tuple(found))


def check_points(found: Iterable[dict[str, Any]], hyperparameters: Any) -> None:
    """Raises `UserError` for a point with a name that no hyperparameter has, or with a value that
    its hyperparameter can't have.

    Args:
        hyperparameters: The search's, as KerasTuner has them.
    """
    from tuner_app.oracles.dimensions import SearchSpace

    space = SearchSpace(hyperparameters)
    for point in found:
        for name in point:
            if name not in hyperparameters._hps:
                raise unknown("hyperparameter", name, hyperparameters._hps)
        for name in _changed(space, point):
            raise UserError(
                f"A point to try first has {name}={point[name]!r}. Expected "
                f"{_values(hyperparameters._hps[name][0])}."
            )


def _values(definition: Any) -> str:
    """Which values a hyperparameter has, in words.

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> _ = hp.Choice("kind", ["a", "b"]), hp.Int("units", 8, 64, step=8), hp.Boolean("bias")
    >>> [_values(definition) for definition in hp.space]
    ['one of a, b', 'a number from 8 to 64 in steps of 8', 'one of True, False']
    """
    if not hasattr(definition, "min_value"):
        return f"one of {', '.join(map(str, definition.values))}"
    steps = "" if definition.step is None else f" in steps of {definition.step}"
    if steps and definition.sampling != "linear":
        steps = f", each {definition.step} times the one before"
    return f"a number from {definition.min_value} to {definition.max_value}{steps}"
