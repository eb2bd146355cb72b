"""A mirror is told what an earlier one knew: after a resume, and after ranges were widened."""

from collections.abc import Callable, Iterable, Sequence

from keras_tuner.src.engine import objective as objective_module
from keras_tuner.src.engine import trial as trial_module

from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.mirror import Mirror
from tuner_app.oracles.objectives import results
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.store import TrialRow


def retell(
    old: Mirror,
    new: Mirror,
    space: SearchSpace,
    trials: Iterable[trial_module.Trial],
    objective: objective_module.Objective,
) -> None:
    """Tells `new` of the trials as `old` saw them, in a wider space."""
    for trial in trials:
        seen = old.trial(trial.trial_id)
        new.add(
            trial.trial_id,
            space,
            trial.hyperparameters.values,
            stored_status(trial) if seen.state.is_finished() else "RUNNING",
            results(trial, objective),
            seen.intermediate_values,
            seen.system_attrs,
        )
    new.set_state(old.state())


def known_and_waiting(
    rows: Sequence[TrialRow], generation: int | None
) -> tuple[list[str], list[str]]:
    """The ended trials whose results the sampler knew, in the order in which it came to know them,
    and those whose block of so many was under way.

    Args:
        rows: The trials in the order of their beginnings.
        generation: How many trials a block has; None: each result is known at once.
    """
    ended = sorted((row for row in rows if row.ended is not None), key=lambda row: row.ended)
    if not generation:
        return [row.trial_id for row in ended], []
    last = len(rows) - 1
    begin = last - last % generation
    known = [row.trial_id for row in rows if row.ended is not None and row.number < begin]
    return known, [row.trial_id for row in ended if row.number >= begin]


def replay(
    mirror: Mirror,
    space: SearchSpace,
    rows: Iterable[TrialRow],
    told: list[str],
    tell: Callable[[str], None],
) -> None:
    """Has the sampler propose again what it proposed, when it knew what it knew then.

    Args:
        rows: The trials in the order of their beginnings.
        told: Those whose results the sampler knew, in the order in which it came to know them.
        tell: Tells the mirror of a result.
    """
    done = 0
    for row in rows:
        note = row.note or {"known": done, "first": None}
        for trial_id in told[done : note["known"]]:
            tell(trial_id)
        done = max(done, note["known"])
        mirror.ask(row.trial_id, space, note["first"])
        mirror.replace(row.trial_id, space, row.hyperparameters)
    for trial_id in told[done:]:
        tell(trial_id)
