"""Points of a search space, for whoever wants to see what it holds."""

from collections.abc import Callable
from typing import Any

import keras_tuner


def default_point(space: keras_tuner.HyperParameters) -> keras_tuner.HyperParameters:
    """The space with its defaults, which one that was read from a file has lost.

    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("units", 2, 9)
    >>> space.values.clear()
    >>> default_point(space).values
    {'units': 2}
    """
    return _filled(space, lambda one, place: one.default)


def drawn_point(space: keras_tuner.HyperParameters, seed: int) -> keras_tuner.HyperParameters:
    """The space with a random value for each hyperparameter that is active at this point.

    >>> space = keras_tuner.HyperParameters()
    >>> kind = space.Choice("kind", ["a", "b"])
    >>> with space.conditional_scope("kind", ["b"]):
    ...     number = space.Int("number", 1, 9)
    >>> {tuple(drawn_point(space, seed).values) for seed in range(9)} == {
    ...     ("kind",), ("kind", "number")}
    True
    """
    return _filled(space, lambda one, place: one.random_sample(1000 * seed + place))


def _filled(space, value: Callable[[Any, int], Any]) -> keras_tuner.HyperParameters:
    point = keras_tuner.HyperParameters()
    for place, one in enumerate(space.space):
        point.merge([one])
        if point.is_active(one):
            point.values[one.name] = value(one, place)
    return point
