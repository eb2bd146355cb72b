"""What follows from the check of a stack's newest trials: what is trusted, and who has to leave."""

from tuner_app.population.errors import CannotStack
from tuner_app.population.lanes import check, fitting
from tuner_app.population.lanes.trial import Trial


def refused(stack, coming: list[Trial]) -> list[Trial]:
    """Compares a few steps of trials that just took lanes with plain Keras, where something is new.

    Returns the trials that need another stack, because of a number newly lifted or a rule. They
    have left this one.

    Raises CannotStack if no trial of this signature can be stacked.
    """
    chosen = _to_be_checked(stack, coming)
    if not chosen:
        return []
    verdicts = check.verify(stack, [stack.lane_of(t.key) for t in chosen], chosen)
    wrong = [t for t, verdict in zip(chosen, verdicts, strict=True) if verdict.reason]
    # What a diverging trial shows is no evidence: the next ones are checked again.
    clear = [t for t, v in zip(chosen, verdicts, strict=True) if v.finite and not v.reason]
    if not wrong:
        _trust(stack, clear)
        return []
    bad_rules = {stack.rule_index(t) for t in wrong}
    sound = {stack.rule_index(t) for t in chosen} - bad_rules
    if stack.body.checked is None and not sound:
        raise CannotStack(next(verdict.reason for verdict in verdicts if verdict.reason))
    # The rest is sound: what is new here goes to a stack of its own, where it stands alone.
    if sound:
        out = [t for t in coming if stack.rule_index(t) in bad_rules]
        barred = [stack.rules[i] for i in bad_rules]
    else:
        out, barred = list(coming), []
        stack.body.fix(stack.body.unchecked)
    for trial in out:
        stack.free(trial.key)
    for rule in barred:
        if any(t is not None and stack.rule_of(t.description) is rule for t in stack.trials):
            rule.lifting.fix(rule.lifting.unchecked or set())  # it was sound before
        else:
            stack.barred.add(rule.structure)
            stack.rules.remove(rule)
    if sound:
        _trust(stack, clear)
    fitting.trace(stack, [])
    return out


def _trust(stack, trials: list[Trial]) -> None:
    """What is lifted was checked with these trials; those barred since are passed over."""
    rules = [rule for t in trials if (rule := stack.rule_of(t.description))]
    for lifting in [stack.body, *(rule.lifting for rule in rules)] if rules else []:
        lifting.checked = frozenset(lifting.varying)


def _to_be_checked(stack, coming: list[Trial]) -> list[Trial]:
    """Two trials for a new body, and one for each rule that is new or newly lifted."""
    body_is_new = stack.body.unchecked is None or stack.body.unchecked
    chosen, rules = [], set()
    for trial in coming:
        rule = stack.rule_of(trial.description)
        unchecked = rule.lifting.unchecked
        first_of_rule = rule not in rules and (unchecked is None or unchecked)
        if first_of_rule or (body_is_new and len(chosen) < check.LANES):
            chosen.append(trial)
            rules.add(rule)
    return chosen
