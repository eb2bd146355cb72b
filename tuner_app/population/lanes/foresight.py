"""What the trials of all stacks have shown, which the next trace of any stack makes room for.

A number that was the same in a stack's first trials and is not in a later one's costs a new trace,
and so does an optimizer of another type. A stack that is traced a second time therefore takes in
all that was seen anywhere: where trials come a few at a time, each structure is traced twice or
three times, and not once for each of them.
"""

import itertools

import numpy as np

from tuner_app.population.compiled.rule_work import work_of
from tuner_app.population.models.drawing import drawn_quickly
from tuner_app.population.models.without_tensorflow import tensorflow_left_out
from tuner_app.population.signatures.description import Part
from tuner_app.population.signatures.lifting import Rule
from tuner_app.population.signatures.walk import Walk

# Rules of a stack up to which it takes in others' ones: each is computed in every lane.
MOST_RULES = 6


class Foresight:
    """What the trials of a population so far tell of those to come.

    >>> foresight = Foresight()
    >>> for rate in (0.1, 0.2):
    ...     foresight.note(Part(("sgd",), np.array([rate, 0.9]), ()))
    >>> foresight.differing(("sgd",)), foresight.differing(("adam",))
    ({0}, set())
    """

    def __init__(self):
        self._first: dict[tuple, np.ndarray] = {}
        self._differing: dict[tuple, set[int]] = {}
        self._trials: dict[tuple, int] = {}
        self._made_by: dict[tuple, tuple] = {}  # class and configuration

    def note(self, rule: Part, optimizer=None) -> None:
        """A trial's optimizer, from whose configuration others like it can be made."""
        first = self._first.setdefault(rule.structure, rule.numbers)
        differing = self._differing.setdefault(rule.structure, set())
        differing.update(np.flatnonzero(rule.numbers != first).tolist())
        self._trials[rule.structure] = self._trials.get(rule.structure, 0) + 1
        if optimizer is not None and rule.structure not in self._made_by:
            try:
                with tensorflow_left_out():
                    self._made_by[rule.structure] = type(optimizer), optimizer.get_config()
            except Exception:  # a user's own, which can't be made again
                self._made_by[rule.structure] = ()

    def differing(self, structure: tuple) -> set[int]:
        """The positions of the numbers of such optimizers that differ."""
        return self._differing.get(structure, set())

    def other_rules(self, stack) -> list[Rule]:
        """Those that trials of other stacks have and that this one lacks, the commonest first: no
        more than bring it to `MOST_RULES`."""
        if not stack.mixes:
            return []
        known = {rule.structure for rule in stack.rules} | stack.barred
        others = sorted(set(self._trials) - known, key=lambda s: -self._trials[s])
        # No more are made than are taken: each has slots in the stack's pool from then on.
        made = filter(None, (self._rule(structure, stack) for structure in others))
        return list(itertools.islice(made, max(0, MOST_RULES - len(stack.rules))))

    def _rule(self, structure: tuple, stack) -> Rule | None:
        try:
            kind, config = self._made_by[structure]
            with tensorflow_left_out(), drawn_quickly():
                optimizer = kind.from_config(config)
                optimizer.build(stack.model.trainable_variables)
        except Exception:  # what can't be made for this model comes with its trial
            return None
        if stack.xla and work_of(optimizer, stack.model.trainable_variables).decomposes:
            return None  # whose trials alone make the stack do without XLA
        walk = Walk()
        part = walk.part(walk.visit(optimizer))
        if part.structure != structure:  # as where it excludes some of its model's variables
            return None
        return Rule(part, optimizer, stack.pool)
