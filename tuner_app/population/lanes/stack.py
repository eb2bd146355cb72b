"""Lanes of one signature: who is in them, and which program they run by.

The state of the lanes is in `LaneArrays`, the compiled functions in `Programs`, and the training
of an epoch in `Epoch`; `fitting` makes the programs fit for the trials that come, and this file
decides which trial takes which lane.
"""

import math

import numpy as np

from tuner_app.population.backend import vectorize
from tuner_app.population.compiled import blocks
from tuner_app.population.compiled.epoch import Epoch
from tuner_app.population.compiled.programs import Programs
from tuner_app.population.compiled.rule_work import rule_work
from tuner_app.population.compiled.seam import recurrence
from tuner_app.population.lanes import fitting, newcomers
from tuner_app.population.lanes.foresight import Foresight
from tuner_app.population.lanes.lane_arrays import LaneArrays
from tuner_app.population.lanes.trial import StackStats, Trial
from tuner_app.population.signatures.description import Description
from tuner_app.population.signatures.lane_scalar import register_with_jax
from tuner_app.population.signatures.lifting import Lifting, Pool, Rule, mixable


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
        jit_compile: whether XLA compiles the program (TensorFlow); None: where it can
            and is not the slower one.
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
        self.foreseen: list[Rule] = []  # those being traced that no trial here has asked for
        self.trials: list[Trial | None] = []
        self.width = 1  # lanes a block
        self.waiting: list[Trial] = []
        self.coming: list[Trial] = []  # seated, and not looked at yet
        self.arrays = LaneArrays(self)
        self.epoch = Epoch(self)
        self.jit_compile = jit_compile
        self.xla = not _quicker_without_xla(model) if jit_compile is None else jit_compile
        self._programs: Programs | None = None
        self.stats = StackStats()
        if vectorize.on_jax():
            register_with_jax()

    # -- what it computes ----------------------------------------------------------------------

    @property
    def programs(self) -> Programs | None:
        """Those that fit the trials; None where they have to be traced."""
        return self._programs

    @programs.setter
    def programs(self, programs: Programs | None):
        self.drop()  # or others would wait until what nobody calls is compiled
        self._programs = programs

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
        self.drop()
        return trials

    def drop(self) -> None:
        """Has nothing more compiled."""
        if self._programs is not None:
            self._programs.drop()

    def compact(self) -> None:
        """Shrinks the stack to its active lanes; traced anew if they are less than a block."""
        if self.epoch.step:
            raise RuntimeError("a stack is compacted between epochs")
        kept = [lane for lane, trial in enumerate(self.trials) if trial is not None]
        if len(kept) <= self.width or self._blocks_needed < len(self.trials) // self.width:
            self.arrange(kept, max(1, len(kept)))

    def _gather(self) -> None:
        """Puts the active lanes together, where that leaves a block without any."""
        if len(self.busy_blocks) > self._blocks_needed:
            by_use = sorted(range(len(self.trials)), key=lambda lane: self.trials[lane] is None)
            self.arrange(by_use, len(by_use))

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
        refused = fitting.fit(self, coming) if coming else []
        coming = [trial for trial in coming if trial not in refused]
        if self.programs is None and self.active and not coming:
            refused += fitting.trace(self, [])
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

    def _seat(self, coming: list[Trial]) -> None:
        lanes = [lane for lane, trial in enumerate(self.trials) if trial is None][: len(coming)]
        for lane, trial in zip(lanes, coming, strict=True):
            self.trials[lane] = trial
        self.arrays.write(np.array(lanes), coming)
        self.arrays.refresh_numbers()

    def rule_index(self, trial: Trial) -> int:
        return self.rules.index(self.rule_of(trial.description))

    def arrange(self, kept: list[int], lanes: int) -> None:
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


def _quicker_without_xla(model) -> bool:
    """Many steps of recurrence take XLA long to compile, and eigenvectors long to find."""
    return recurrence.has_long(model) or rule_work(model).decomposes
