"""A search space as the unit cube: a side for each dimension, equal parts for choices.

A place is a row of the cube. Where a dimension is inactive its coordinate is NaN.
"""

import math

import numpy as np
from optuna.distributions import CategoricalDistribution

from tuner_app.oracles.dimensions import SearchSpace

_END = 1.0 - 1e-9


class Cube:
    """The dimensions of a space that are not fixed.

    Attributes:
        labels: Optuna's names, one a side.
        dimension_of: For each column that `columns` gives, its side.

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> _ = hp.Choice("kind", ["x", "y"])
    >>> with hp.conditional_scope("kind", ["y"]):
    ...     _ = hp.Int("n", 1, 4)
    >>> cube = Cube(SearchSpace(hp))
    >>> places = cube.settled(np.array([[0.2, 0.3], [0.9, 0.3]]))
    >>> places.tolist()  # x has no n; of y the second quarter of n is 2
    [[0.25, nan], [0.75, 0.375]]
    >>> cube.values(places)[1].tolist()
    [1.0, 2.0]
    >>> cube.columns(places).round(2).tolist()
    [[0.71, 0.0, 0.5], [0.0, 0.71, 0.38]]
    """

    def __init__(self, space: SearchSpace):
        self._space = space
        self._sides = [d for d in space.dimensions if d.distribution is not None]
        self.labels = [side.label for side in self._sides]
        widths = [len(_choices(side)) or 1 for side in self._sides]
        self.dimension_of = np.repeat(np.arange(len(widths)), widths)
        asked = {c.name for d in space.dimensions for c in d.definition.conditions}
        self._parents = [i for i, side in enumerate(self._sides) if side.name in asked]
        self._conditional = any(d.definition.conditions for d in space.dimensions)
        self._gaps = np.array([_gap(side) for side in self._sides])

    def places(self, values: np.ndarray) -> np.ndarray:
        """Of Optuna's inner values (n, sides), NaN where inactive."""
        found = np.empty_like(values)
        for i, (side, column) in enumerate(zip(self._sides, values.T, strict=True)):
            if choices := len(_choices(side)):
                found[:, i] = (column + 0.5) / choices
            else:
                low, high = _ends(side)
                column = np.log(column) if side.distribution.log else column
                found[:, i] = (column - low) / (high - low)
        return np.clip(found, 0.0, _END)

    def values(self, places: np.ndarray) -> np.ndarray:
        """Optuna's inner values of the nearest points that the space has."""
        found = np.empty_like(places)
        for i, (side, column) in enumerate(zip(self._sides, places.T, strict=True)):
            if choices := len(_choices(side)):
                found[:, i] = np.floor(column * choices)
                continue
            d, (low, high) = side.distribution, _ends(side)
            column = low + column * (high - low)
            column = np.exp(column) if d.log else column
            if d.step:
                column = d.low + np.round((column - d.low) / d.step) * d.step
            found[:, i] = np.clip(column, d.low, d.high)
        return found

    def settled(self, places: np.ndarray) -> np.ndarray:
        """The places of points that the space has: values that exist, nothing where inactive."""
        values = self.values(places)
        found = self.places(values)
        if self._conditional and len(found):
            # What is active follows from the parents' values, of which there are few combinations.
            combinations, which = np.unique(values[:, self._parents], axis=0, return_inverse=True)
            active = np.array([self._active(combination) for combination in combinations])
            found[~active[which.ravel()]] = np.nan
        return found

    def _active(self, combination: np.ndarray) -> list[bool]:
        """Which sides are active, by the inner values of the parents."""
        inner = dict(zip((self.labels[i] for i in self._parents), combination, strict=True))
        chosen = set()

        def choose(dimension):
            chosen.add(dimension.label)
            value = inner.get(dimension.label)
            if value is None or math.isnan(value):
                return None
            return dimension.external(dimension.distribution.to_external_repr(value))

        self._space.values(choose)
        return [label in chosen for label in self.labels]

    def columns(self, places: np.ndarray) -> np.ndarray:
        """What a kernel sees: numbers, at their middle where inactive; a column for each choice.
        Two different choices are as far apart as the ends of a range."""
        found = []
        for side, column in zip(self._sides, places.T, strict=True):
            if choices := len(_choices(side)):
                chosen = np.floor(np.where(np.isnan(column), -1.0, column) * choices)
                found.append((chosen[:, None] == np.arange(choices)) * math.sqrt(0.5))
            else:
                found.append(np.where(np.isnan(column), 0.5, column)[:, None])
        return np.concatenate(found, axis=1).astype(float)

    def near(self, random: np.random.Generator, places: np.ndarray, number: int, step: float):
        """Places (number, sides) around some of `places`: of each some coordinates have moved, by
        about `step` or to a neighbour; a choice, and what was inactive, to anywhere."""
        begun = places[random.integers(len(places), size=number)]
        anywhere = random.random(begun.shape)
        begun = np.where(np.isnan(begun), anywhere, begun)
        sides = begun.shape[1]
        moves = random.random(begun.shape) < max(0.3, 1 / sides)
        moves[np.arange(number), random.integers(sides, size=number)] = True
        far = step * random.standard_normal(begun.shape)
        least = self._gaps * random.choice([-1.0, 1.0], size=begun.shape)
        moved = begun + np.where(step > self._gaps, far, least)
        choice = np.array([len(_choices(side)) > 0 for side in self._sides])
        moved = np.where(choice, anywhere, moved)
        return np.clip(np.where(moves, moved, begun), 0.0, _END)


def _choices(side) -> tuple:
    d = side.distribution
    return d.choices if isinstance(d, CategoricalDistribution) else ()


def _ends(side) -> tuple[float, float]:
    d = side.distribution
    half = (d.step or 0) / 2
    low, high = d.low - half, d.high + half
    return (math.log(low), math.log(high)) if d.log else (low, high)


def _gap(side) -> float:
    """How far apart neighbours are; 0 where there are none, or (of logarithms) not the same."""
    d = side.distribution
    if isinstance(d, CategoricalDistribution) or d.step is None or d.log:
        return 0.0
    low, high = _ends(side)
    return d.step / (high - low)
