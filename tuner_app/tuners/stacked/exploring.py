"""New values for a copy, and what is to be known of the model that they make.

`search` is the `EvolvingSearch` that the members belong to.
"""

from types import SimpleNamespace
from typing import Any

import keras

from tuner_app.population.inheritance import Copy, Draft, one_program, read
from tuner_app.tuners.runs.fit_arguments import compiled_and_built
from tuner_app.tuners.stacked.member import Member

_ATTEMPTS = 20  # at values that no other copy of the same source has


def copy_of(
    search, epoch: int, member: Member, source: Member, taken: list[dict]
) -> tuple[Copy, dict[str, Any]]:
    """What a member is to be: the source's state, with numbers that no copy of it has yet."""
    before = draft(search, member, source, search.oracle.values(source.trial_id))
    for attempt in range(_ATTEMPTS):
        values, after = _explored(search, epoch, member, source, before, attempt)
        if values not in taken and values != search.oracle.values(source.trial_id):
            break
    return Copy(member.run.key, source.run.key, before, after), values


def _explored(
    search, epoch: int, member: Member, source: Member, before: Draft, attempt: int
) -> tuple[dict[str, Any], Draft]:
    """New values that leave the source's program as it is, and the model that they make."""
    now = search.oracle.values(source.trial_id)
    names = (epoch, member.trial_id, source.trial_id)
    kept: set[str] = set()
    while True:
        values = search.oracle.explored(*names, kept, attempt)
        if values == now:
            return now, before
        after = draft(search, member, source, values)
        changed = [name for name in now if values.get(name) != now[name]]
        if after is not None and one_program(search.population, before, after):
            search.oracle.note_tried(changed, True)
            return values, after
        refused = []
        for name in changed:
            alone = search.oracle.explored(*names, {*now} - {name}, attempt)
            found = after if len(changed) == 1 else draft(search, member, source, alone)
            if found is None or not one_program(search.population, before, found):
                refused.append(name)
        search.oracle.note_tried(refused, False)
        kept |= set(refused or changed)


def draft(search, member: Member, source: Member, values: dict[str, Any]) -> Draft | None:
    """A model like the source's with other values; None where none can be built of them."""
    hyperparameters = source.trial.hyperparameters.copy()
    hyperparameters.values = dict(values)
    trial = SimpleNamespace(trial_id=member.trial_id, hyperparameters=hyperparameters)

    def built() -> keras.Model:
        return compiled_and_built(search.tuner.build_for_stack(trial, 0), search.arguments)

    try:
        return read(built, source.run.seed)
    except Exception:
        if values == search.oracle.values(source.trial_id):
            raise
        return None
