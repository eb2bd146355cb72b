"""Lanes of one signature: who is in them, and which program they run by.

The state of the lanes is in `LaneArrays`, the compiled functions in `Programs`, and the training
of an epoch in `Epoch`; this file decides which trial takes which lane, and when a new trace is due.
"""

import math
import time

import numpy as np

from tuner_app.population import blocks, newcomers, vectorize
from tuner_app.population.description import Description
from tuner_app.population.epoch import Epoch
from tuner_app.population.errors import CannotStack
from tuner_app.population.foresight import Foresight
from tuner_app.population.lane_arrays import LaneArrays
from tuner_app.population.lane_scalar import register_with_jax
from tuner_app.population.lifting import Lifting, Pool, Rule, mixable
from tuner_app.population.programs import Programs
from tuner_app.population.seam import recurrence
from tuner_app.population.trial import StackStats, Trial


class Stack:
    """Trials of one body structure, trained together.

    Args:
        first: the trial whose model is the template: compiled, built, with metrics, losses and
            optimizer built.
        train, validation: the examples; validation may be None.
        batch_size: examples a step.
        limit: most lanes.
        steps_per_call: most steps in one call of the compiled program.
        native: one lane only, with the backend's own kernels.
        at_point: whether lanes are evaluated where their rules say.
        jit_compile: whether XLA compiles the program (TensorFlow); None: where it can.
        foresight: what trials of any stack have shown.
    """

    def __init__(
        self,
        first: Trial,
        train,
        validation,
        *,
        batch_size: int,
        limit: int,
        steps_per_call: int,
        native: bool = False,
        at_point: bool = False,
        jit_compile: bool | None = None,
        foresight: Foresight | None = None,
    ):
        self.model = model = first.real_model()
        self.train, self.validation, self.batch_size = train, validation, batch_size
        self.limit, self.native = 1 if native else limit, native
        self.steps_per_call = steps_per_call
        self.at_point = at_point
        self.foresight = foresight or Foresight()
        self.body = Lifting(first.description.body)
        self.pool = Pool()
        self.rules = [Rule(first.description.rule, model.optimizer, self.pool)]
        self.mixes = mixable(model) and not native
        self.barred: set[tuple] = set()  # rules that failed here beside others
        self.trials: list[Trial | None] = []
        self.width = 1  # lanes a block
        self.waiting: list[Trial] = []
        self.coming: list[Trial] = []  # seated, and not looked at yet
        self.arrays = LaneArrays(self)
        self.epoch = Epoch(self)
        self.xla = not recurrence.has_long(model) if jit_compile is None else jit_compile
        self.programs: Programs | None = None
        self.stats = StackStats()
        if vectorize.on_jax():
            register_with_jax()

    # -- what it computes ----------------------------------------------------------------------

    @property
    def liftings(self) -> list[Lifting]:
        return [self.body, *(rule.lifting for rule in self.rules)]

    def rule_of(self, description: Description) -> Rule | None:
        for rule in self.rules:
            if rule.structure == description.rule.structure:
                return rule
        return None

    def accepts(self, description: Description, trial: Trial | None = None) -> bool:
        """Whether such a trial computes by this stack's program, perhaps after a new trace."""
        if description.rule.structure in self.barred:
            return False
        rule = self.rule_of(description)
        if rule is None:
            joins = self.mixes and (
                self.awaits(description) or trial is not None and mixable(trial.real_model())
            )
            return joins and self.body.accepts(description.body.numbers)
        return self.body.accepts(description.body.numbers) and rule.lifting.accepts(
            description.rule.numbers
        )

    def knows(self, description: Description) -> bool:
        """Whether such a trial is one of its rules', as far as is known so far."""
        return self.rule_of(description) is not None and self.accepts(description)

    def awaits(self, description: Description) -> bool:
        """Whether a trial of such a rule, built for real, is among those that wait."""
        structure = description.rule.structure
        return any(
            t.model is not None and t.description.rule.structure == structure for t in self.waiting
        )

    # -- who is in it --------------------------------------------------------------------------

    @property
    def active(self) -> int:
        return sum(trial is not None for trial in self.trials)

    def lane_of(self, key) -> int:
        for lane, trial in enumerate(self.trials):
            if trial is not None and trial.key == key:
                return lane
        raise KeyError(key)

    def trial(self, key) -> Trial:
        for trial in self.waiting:
            if trial.key == key:
                return trial
        return self.trials[self.lane_of(key)]

    def is_waiting(self, key) -> bool:
        return any(trial.key == key for trial in self.waiting)

    def optimizer_of(self, key):
        """The template optimizer of the trial's rule."""
        return self.rule_of(self.trial(key).description).optimizer

    def free(self, key) -> None:
        """Gives up the trial's lane, or its place among those that wait."""
        before = len(self.waiting)
        self.waiting = [trial for trial in self.waiting if trial.key != key]
        if len(self.waiting) == before:
            self.trials[self.lane_of(key)] = None

    def abandon(self) -> list[Trial]:
        """All trials, which leave the stack."""
        trials = [trial for trial in (*self.trials, *self.waiting) if trial is not None]
        self.trials, self.waiting, self.coming = [None] * len(self.trials), [], []
        return trials

    def drop(self) -> None:
        """Has nothing more compiled: the search ends."""
        if self.programs is not None:
            self.programs.drop()

    def compact(self) -> None:
        """Shrinks the stack to its active lanes; traced anew if they are less than a block."""
        if self.epoch.step:
            raise RuntimeError("a stack is compacted between epochs")
        kept = [lane for lane, trial in enumerate(self.trials) if trial is not None]
        if len(kept) <= self.width or self._blocks_needed < len(self.trials) // self.width:
            self._arrange(kept, max(1, len(kept)))

    def _gather(self) -> None:
        """Puts the active lanes together, where that leaves a block without any."""
        if len(self.busy_blocks) > self._blocks_needed:
            by_use = sorted(range(len(self.trials)), key=lambda lane: self.trials[lane] is None)
            self._arrange(by_use, len(by_use))

    @property
    def _blocks_needed(self) -> int:
        return -(-self.active // self.width)

    @property
    def busy_blocks(self) -> list[int]:
        """The blocks with a trial in them."""
        found = {i // self.width for i, trial in enumerate(self.trials) if trial is not None}
        return sorted(found)

    def seat(self) -> list[Trial]:
        """Puts waiting trials into lanes, and has the program compiled that they need; returns
        those that need another stack.

        Raises CannotStack if no trial of this signature can be stacked.
        """
        if self.epoch.step:
            return []
        room = max(0, self.limit - self.active)
        coming, rest = self.waiting[:room], self.waiting[room:]
        refused = self._fit(coming) if coming else []
        coming = [trial for trial in coming if trial not in refused]
        if self.programs is None and self.active and not coming:
            refused += self.trace([])
        self.waiting = rest
        if coming:
            self._seat(coming)
            self.coming += coming
        return refused

    def settle(self) -> list[Trial]:
        """Compares a few steps of those who just took lanes with plain Keras, where something is
        new; returns those that need another stack after all.

        Raises CannotStack if no trial of this signature can be stacked.
        """
        refused = self.seat()
        coming, self.coming = self.coming, []
        if coming:
            bad = newcomers.refused(self, coming)
            refused += bad
            coming = [trial for trial in coming if trial not in bad]
        for trial in coming:
            trial.seated()
        self._gather()
        return refused

    def _fit(self, coming: list[Trial]) -> list[Trial]:
        """Makes the program fit for these trials; returns those that it can't be fit for."""
        for trial in coming:
            if self.rule_of(trial.description) is None:
                optimizer = trial.real_model().optimizer
                rule = Rule(trial.description.rule, optimizer, self.pool)
                self.rules.append(rule)
                self.programs = None
        for trial in coming:
            rule = self.rule_of(trial.description)
            new = self.body.extend(trial.description.body.numbers)
            if rule.lifting.extend(trial.description.rule.numbers) or new:
                self.programs = None
        needed = self.active + len(coming)
        if needed > len(self.trials):
            lanes = min(self.limit, max(needed, 2 * len(self.trials)))
            self._arrange(list(range(len(self.trials))), lanes)
        if self.programs is None:
            for trial in coming:  # with whom it is checked
                structure = trial.description.rule.structure
                self.rule_of(trial.description).lifting.lift(self.foresight.differing(structure))
        self.arrays.widen()
        return self.trace(coming) if self.programs is None else []

    def _seat(self, coming: list[Trial]) -> None:
        lanes = [lane for lane, trial in enumerate(self.trials) if trial is None][: len(coming)]
        for lane, trial in zip(lanes, coming, strict=True):
            self.trials[lane] = trial
        self.arrays.write(np.array(lanes), coming)
        self.arrays.refresh_numbers()

    def rule_index(self, trial: Trial) -> int:
        return self.rules.index(self.rule_of(trial.description))

    def _arrange(self, kept: list[int], lanes: int) -> None:
        """At least `lanes` lanes, the first of which are the old lanes `kept`.

        Whole blocks as they are, where there are several, or one is large enough to have others
        beside it; else blocks of another width, for which a new trace is due.
        """
        several = len(self.trials) > self.width or blocks.large_enough(self.width)
        several = several and lanes > self.width
        width = self.width if several else blocks.width(lanes, self._lane_bytes())
        if width != self.width:
            self.width, self.programs = width, None
        lanes = -(-lanes // width) * width
        self.arrays.arrange(kept, lanes, width)
        self.trials = [self.trials[lane] for lane in kept] + [None] * (lanes - len(kept))
        self.arrays.refresh_numbers()

    def _lane_bytes(self) -> int:
        numbers = sum(math.prod(shape) for shape, _ in self.pool.specs)
        return 4 * (numbers + sum(math.prod(v.shape) for v in self.model.variables))

    # -- traced --------------------------------------------------------------------------------

    def trace(self, coming: list[Trial]) -> list[Trial]:
        """Traces the programs; returns the trials that these would not compute rightly."""
        started = time.monotonic()
        refused: list[Trial] = []
        while True:
            self.arrays.refresh_numbers()
            self.programs = Programs(self)
            try:
                with vectorize.exact_reason():
                    self.programs.trace()
            except CannotStack:
                out = self._bar([t for t in coming if t not in refused])
                if not out:
                    raise
                refused += out
                continue
            labels = [label for lifting in self.liftings for label in lifting.fix_constants()]
            if not labels:
                break
            # Read as plain floats while tracing: constants of the program, so of the signature.
            self.stats.notes.append(f"each value of {', '.join(labels)} has a stack of its own")
        self.programs.compile_ahead()
        self.stats.traces += 1
        self.stats.trace_seconds += time.monotonic() - started
        return [t for t in coming if t in refused or not self.accepts(t.description)]

    def _bar(self, coming: list[Trial]) -> list[Trial]:
        """Keeps new rules out, all but the stack's first; the trials that this concerns."""
        seated = {self.rule_index(t) for t in self.trials if t is not None}
        new = [rule for i, rule in enumerate(self.rules) if i not in seated and (i > 0 or seated)]
        out = [t for t in coming if self.rule_of(t.description) in new]
        self.barred |= {rule.structure for rule in new}
        self.rules = [rule for rule in self.rules if rule not in new]
        self.programs = None
        return out
