"""Points of a finite space that nobody has tried yet, so that none is proposed twice."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tuner_app.oracles.dimensions import Dimension, SearchSpace

_DRAWS = 100  # at random, before every combination of a finite space is looked at
_COMBINATIONS = 10**5  # a space with more of them counts as endless

IsTried = Callable[[Mapping[str, Any]], bool]


def is_exhausted(space: SearchSpace, tried: int, is_tried: IsTried, seed: list[int]) -> bool:
    """Whether every combination of a finite space was tried; `tried`: how many points were."""
    if not space.is_finite:
        return False
    if space.size is None:
        space.size = sum(1 for _ in space.combinations(_COMBINATIONS))
    if space.size == _COMBINATIONS or tried < space.size:
        return False
    return untried(space, is_tried, seed) is None


def untried(space: SearchSpace, is_tried: IsTried, seed: list[int]) -> dict[str, Any] | None:
    """A random point that was not tried; None: there is none, or it can't be found.

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> _ = hp.Int("units", 1, 3), hp.Boolean("bias")
    >>> left = untried(SearchSpace(hp), lambda values: values["units"] < 3 or values["bias"], [0])
    >>> left
    {'units': 3, 'bias': False}
    """
    stream = np.random.RandomState(seed)

    def drawn(dimension: Dimension) -> Any:
        return dimension.definition.prob_to_value(stream.uniform())

    for _ in range(_DRAWS):
        values = space.values(drawn)
        if not is_tried(values):
            return values
    if not space.is_finite:
        return None
    left = [v for v in space.combinations(_COMBINATIONS) if not is_tried(v)]
    return left[stream.randint(len(left))] if left else None
