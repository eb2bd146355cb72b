"""A stack's programs made fit for the trials that come: with their numbers lifted and their rules.

Where trials come a few at a time, each may bring what the trace before it did not have: a number
that differs now, another optimizer, one lane too few. A program that is traced a second time takes
in what trials of any stack have shown (see `foresight`), so that it is not traced for each of them.
"""

import time

from tuner_app.population.backend import vectorize
from tuner_app.population.compiled import blocks
from tuner_app.population.compiled.programs import Programs
from tuner_app.population.compiled.rule_work import rule_work
from tuner_app.population.errors import CannotStack
from tuner_app.population.lanes.trial import Trial
from tuner_app.population.signatures.lifting import Rule


def fit(stack, coming: list[Trial]) -> list[Trial]:
    """Makes the program fit for these trials; returns those that it can't be fit for.

    Raises CannotStack if it can't be traced at all.
    """
    for trial in coming:
        if stack.rule_of(trial.description) is None:
            model = trial.real_model()
            stack.rules.append(Rule(trial.description.rule, model.optimizer, stack.pool))
            stack.programs = None
            if stack.jit_compile is None and rule_work(model).decomposes:
                stack.xla = False  # as if it had begun with this trial
    for trial in coming:
        rule = stack.rule_of(trial.description)
        new = stack.body.extend(trial.description.body.numbers)
        if rule.lifting.extend(trial.description.rule.numbers) or new:
            stack.programs = None
    lanes = _lanes(stack, stack.active + len(coming))
    if lanes > len(stack.trials):
        stack.arrange(list(range(len(stack.trials))), lanes)
    if stack.programs is None:
        again = stack.stats.traces > 0
        stack.foreseen = stack.foresight.other_rules(stack) if again else []
        stack.rules += stack.foreseen
        # Of those alone that are checked with a trial before one trains by them.
        for rule in {stack.rule_of(trial.description) for trial in coming} | {*stack.foreseen}:
            every = set(range(len(rule.lifting.part.numbers)))
            rule.lifting.lift(every if again else stack.foresight.differing(rule.structure))
    stack.arrays.widen()
    return trace(stack, coming) if stack.programs is None else []


def _lanes(stack, needed: int) -> int:
    """How many lanes there are to be, for so many trials: from the second trace on as many as cost
    little more than one, and twice as many at least as there were if these are too few."""
    lanes = len(stack.trials)
    if needed > lanes:
        lanes = max(needed, 2 * lanes)
    elif stack.programs is not None:
        return lanes
    return min(stack.limit, max(lanes, blocks.FEWEST_LANES if stack.stats.traces else 1))


def trace(stack, coming: list[Trial]) -> list[Trial]:
    """Traces the programs; returns the trials that these would not compute rightly."""
    started = time.monotonic()
    refused: list[Trial] = []
    while True:
        stack.arrays.refresh_numbers()
        stack.programs = Programs(stack)
        try:
            with vectorize.exact_reason():
                stack.programs.trace()
        except CannotStack:
            if _forget_foreseen(stack):
                continue
            out = _bar(stack, [t for t in coming if t not in refused])
            if not out:
                raise
            refused += out
            continue
        labels = [label for lifting in stack.liftings for label in lifting.fix_constants()]
        if not labels:
            break
        # Read as plain floats while tracing: constants of the program, so of the signature.
        stack.stats.notes.append(f"each value of {', '.join(labels)} has a stack of its own")
    stack.programs.compile_ahead()
    stack.foreseen = []
    stack.stats.traces += 1
    stack.stats.trace_seconds += time.monotonic() - started
    return [t for t in coming if t in refused or not stack.accepts(t.description)]


def _forget_foreseen(stack) -> bool:
    """Lets go of the rules that no trial here has asked for; whether there were any."""
    foreseen, stack.foreseen = stack.foreseen, []
    stack.rules = [rule for rule in stack.rules if rule not in foreseen]
    return bool(foreseen)


def _bar(stack, coming: list[Trial]) -> list[Trial]:
    """Keeps new rules out, all but the stack's first; the trials that this concerns."""
    seated = {stack.rule_index(t) for t in stack.trials if t is not None}
    new = [rule for i, rule in enumerate(stack.rules) if i not in seated and (i > 0 or seated)]
    out = [t for t in coming if stack.rule_of(t.description) in new]
    stack.barred |= {rule.structure for rule in new}
    stack.rules = [rule for rule in stack.rules if rule not in new]
    stack.programs = None
    return out
