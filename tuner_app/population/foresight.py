"""Which numbers of an optimizer differ between trials, of any stack: they are lifted at once."""

import numpy as np

from tuner_app.population.description import Part


class Foresight:
    """What the trials of a population so far tell of those to come.

    A number that was the same in a stack's first trials, and is not in a later one's, costs a new
    trace. Other stacks' trials have often shown before that it differs.

    >>> foresight = Foresight()
    >>> for rate in (0.1, 0.2):
    ...     foresight.note(Part(("sgd",), np.array([rate, 0.9]), ()))
    >>> foresight.differing(("sgd",)), foresight.differing(("adam",))
    ({0}, set())
    """

    def __init__(self):
        self._first: dict[tuple, np.ndarray] = {}
        self._differing: dict[tuple, set[int]] = {}

    def note(self, rule: Part) -> None:
        """A trial's optimizer."""
        first = self._first.setdefault(rule.structure, rule.numbers)
        differing = self._differing.setdefault(rule.structure, set())
        differing.update(np.flatnonzero(rule.numbers != first).tolist())

    def differing(self, structure: tuple) -> set[int]:
        """The positions of the numbers of such optimizers that differ."""
        return self._differing.get(structure, set())
