"""A KerasTuner search space as Optuna's distributions, one dimension a hyperparameter.

A hyperparameter is a dimension while all its conditions hold, and is nothing otherwise: it is
neither drawn nor shown to a model of the objective.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import keras_tuner
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, HyperParameter, Int
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner_app.errors import UserError


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter, under one set of conditions.

    Attributes:
        definition: KerasTuner's.
        label: Optuna's name for it: the name, with a number where a name has several definitions.
        distribution: Optuna's; None for a fixed value, of which there is nothing to choose.
    """

    definition: HyperParameter
    label: str
    distribution: BaseDistribution | None

    @property
    def name(self) -> str:
        return self.definition.name

    def is_active(self, values: dict[str, Any]) -> bool:
        """Whether its conditions hold, given the values of the dimensions before it."""
        return all(condition.is_active(values) for condition in self.definition.conditions)

    def external(self, inner: Any) -> Any:
        """The hyperparameter's value for Optuna's."""
        hp = self.definition
        if isinstance(hp, Choice):
            return hp.values[inner] if hp.ordered else inner
        if isinstance(hp, Boolean):
            return bool(inner)
        if hp.step is not None and hp.sampling == "linear":
            inner = round((inner - hp.min_value) / hp.step)
        if hp.step is not None:
            value = hp._get_value_by_index(int(inner))
        else:
            value = hp.min_value + hp.max_value - inner if hp.sampling == "reverse_log" else inner
        return int(value) if isinstance(hp, Int) else float(value)

    def internal(self, value: Any) -> Any:
        """Optuna's value for the hyperparameter's: the nearest one that has a step.

        Raises:
            ValueError: the dimension has no such value.
        """
        hp = self.definition
        if isinstance(hp, Choice) and hp.ordered:
            return list(hp.values).index(value)
        if isinstance(hp, (Choice, Boolean)):
            inner = value
        elif hp.step is not None:
            possible = [hp._get_value_by_index(i) for i in range(_count(hp))]
            index = min(range(len(possible)), key=lambda i: abs(possible[i] - value))
            reach = abs(possible[-1] - possible[0]) / max(1, len(possible) - 1)
            if abs(possible[index] - value) > 0.5 * reach + 1e-9:
                raise ValueError(f"{hp.name} has no value {value!r}.")
            inner = index if hp.sampling != "linear" else hp.min_value + index * hp.step
        else:
            inner = hp.min_value + hp.max_value - value if hp.sampling == "reverse_log" else value
        if not self.distribution._contains(self.distribution.to_internal_repr(inner)):
            raise ValueError(f"{hp.name} has no value {value!r}.")
        return inner

    def options(self) -> list | None:
        """All its values; None where they are too many to count."""
        found = self.distribution
        if found is None:
            return [self.definition.value]
        if isinstance(found, CategoricalDistribution):
            return [self.external(choice) for choice in found.choices]
        if found.single():
            return [self.external(found.low)]
        if isinstance(found, FloatDistribution) and found.step is None:
            return None
        step = found.step or 1
        return [
            self.external(found.low + i * step)
            for i in range(round((found.high - found.low) / step) + 1)
        ]


class SearchSpace:
    """The dimensions of a `keras_tuner.HyperParameters`, parents before those that depend on them.

    >>> hp = keras_tuner.HyperParameters()
    >>> kind = hp.Choice("kind", ["a", "b"])
    >>> with hp.conditional_scope("kind", ["b"]):
    ...     rate = hp.Float("rate", 0.001, 1.0, sampling="log")
    >>> space = SearchSpace(hp)
    >>> space.values(lambda dimension: "a"), space.is_finite
    ({'kind': 'a'}, False)
    """

    def __init__(self, hyperparameters: keras_tuner.HyperParameters):
        seen: dict[str, int] = {}
        self.dimensions = []
        for hp in hyperparameters.space:
            seen[hp.name] = seen.get(hp.name, 0) + 1
            label = hp.name if seen[hp.name] == 1 else f"{hp.name}#{seen[hp.name]}"
            self.dimensions.append(Dimension(hp, label, distribution(hp)))
        self.is_finite = all(dimension.options() is not None for dimension in self.dimensions)
        self.size: int | None = None  # combinations, once somebody has counted them

    def values(self, choose: Callable[[Dimension], Any]) -> dict[str, Any]:
        """Values of the active hyperparameters; `choose` gives each, but those that are fixed."""
        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.name not in found and dimension.is_active(found):
                fixed = dimension.distribution is None
                found[dimension.name] = dimension.definition.value if fixed else choose(dimension)
        return found

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Of every dimension that there is to choose in, by its label."""
        return {d.label: d.distribution for d in self.dimensions if d.distribution is not None}

    def has(self, values: dict[str, Any]) -> bool:
        """Whether the values are those of a point of this space, as far as it knows their names.

        >>> hp = keras_tuner.HyperParameters()
        >>> _ = hp.Float("rate", 0.0, 1.0)
        >>> [SearchSpace(hp).has(values) for values in ({"rate": 0.5, "old": 3}, {"rate": 2.0})]
        [True, False]
        """
        known = {dimension.name for dimension, _ in self.active(values)}
        return all(
            d.name in known or d.name not in values or d.distribution is None
            for d in self.dimensions
            if d.is_active(values)
        )

    def active(self, values: dict[str, Any]) -> Iterator[tuple[Dimension, Any]]:
        """The dimensions that were chosen when a trial had `values`, with Optuna's value of each.

        Values that the space does not have (of another version of it) are left out.
        """
        seen = set()
        for dimension in self.dimensions:
            name = dimension.name
            if dimension.distribution is None or name in seen or name not in values:
                continue
            if dimension.is_active(values):
                seen.add(name)
                try:
                    yield dimension, dimension.internal(values[name])
                except (ValueError, TypeError):
                    continue

    def combinations(self, upto: int) -> Iterator[dict[str, Any]]:
        """Every combination of values of a finite space, the first `upto` of them."""
        waiting: list[tuple[int, dict[str, Any]]] = [(0, {})]
        given = 0
        while waiting and given < upto:
            place, values = waiting.pop()
            if place == len(self.dimensions):
                given += 1
                yield values
                continue
            dimension = self.dimensions[place]
            if dimension.name in values or not dimension.is_active(values):
                waiting.append((place + 1, values))
                continue
            for option in reversed(dimension.options()):
                waiting.append((place + 1, {**values, dimension.name: option}))


def distribution(hp: HyperParameter) -> BaseDistribution | None:
    """Optuna's distribution for a hyperparameter; None for a fixed one.

    Steps on a log scale are factors, and so are drawn by their index. Optuna has no reverse
    logarithm: min + max - value is drawn on a log scale instead. Ordered choices are drawn by their
    index, so that a model knows which are neighbours.

    >>> distribution(Float("rate", 1e-3, 1e-1, sampling="log"))
    FloatDistribution(high=0.1, log=True, low=0.001, step=None)
    >>> distribution(Int("units", 8, 64, step=2, sampling="log"))
    IntDistribution(high=3, log=False, low=0, step=1)
    """
    if isinstance(hp, Fixed):
        return None
    if isinstance(hp, Boolean):
        return CategoricalDistribution([False, True])
    if isinstance(hp, Choice):
        if hp.ordered:
            return IntDistribution(0, len(hp.values) - 1)
        return CategoricalDistribution(hp.values)
    if not isinstance(hp, (Int, Float)):
        raise UserError(
            f"The hyperparameter {hp.name!r} is a {type(hp).__name__}. Expected Int, Float, "
            "Choice, Boolean or Fixed."
        )
    if hp.step is not None:
        number = _count(hp)
        if hp.sampling != "linear":
            return IntDistribution(0, number - 1)
        high = hp.min_value + (number - 1) * hp.step
        if isinstance(hp, Int):
            return IntDistribution(hp.min_value, high, step=hp.step)
        # Optuna reckons in decimals, and warns of 3 * 0.05, which is a little more than 0.15.
        low, step = Decimal(str(hp.min_value)), Decimal(str(hp.step))
        return FloatDistribution(hp.min_value, float(low + (number - 1) * step), step=hp.step)
    if isinstance(hp, Int):
        return IntDistribution(hp.min_value, hp.max_value, log=hp.sampling != "linear")
    return FloatDistribution(hp.min_value, hp.max_value, log=hp.sampling != "linear")


def _count(hp: Int | Float) -> int:
    """How many values a range with a step has. KerasTuner loses the last one to rounding: from 0 to
    1 by 0.1 it counts ten."""
    if hp.sampling == "linear":
        return int((hp.max_value - hp.min_value) / hp.step + 1e-9) + 1
    return hp._get_n_values()
