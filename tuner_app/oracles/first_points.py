"""Points that are tried before a sampler proposes any: a user's, then the space's own defaults."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuner_app.oracles.dimensions import SearchSpace


class FirstPoints:
    """Hands out points, each once, and leaves out what was tried already.

    Args:
        points: Each names to values; what is missing is for the sampler to propose.
        defaults: Whether the space's own defaults come after them.

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> _ = hp.Int("units", 8, 64, default=32)
    >>> first = FirstPoints([{"units": 8}, {"units": 9}], defaults=True)
    >>> [first.next(SearchSpace(hp), lambda point: point == {"units": 9}) for _ in range(3)]
    [{'units': 8}, {'units': 32}, None]
    """

    def __init__(self, points: Iterable[Mapping[str, Any]], defaults: bool):
        self._points, self._defaults = [dict(point) for point in points], defaults
        self._done = 0  # of them, and of the defaults

    def next(
        self, space: SearchSpace, is_tried: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any] | None:
        """The next point; None when there is none left."""
        while self._done < len(self._points) + self._defaults:
            place, self._done = self._done, self._done + 1
            if place == len(self._points):
                point = space.values(lambda dimension: dimension.definition.default)
            else:
                point = self._points[place]
            if not is_tried(point):
                return point
        return None

    def state(self) -> dict[str, Any]:
        """What `set_state` takes back: the points, and how many were handed out."""
        return {"first": self._points, "first_done": self._done}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken."""
        self._points, self._done = state["first"], state["first_done"]
