"""A tuner meets its project directory: a search begins there, or an earlier one goes on."""

from collections.abc import Mapping
from typing import Any

from tuner_app.oracles import StoredOracle
from tuner_app.oracles.failure import DIED
from tuner_app.store import SearchStore, TrialRow
from tuner_app.tuners.project import changed_wishes, what_was_asked


def begin(
    store: SearchStore,
    oracle: StoredOracle,
    asked: Mapping[str, Any],
    seed: int,
    config: Any,
    facts: Mapping[str, Any],
) -> None:
    """Writes what a search that begins is to do; `asked` as `what_was_asked.asked` gives it."""
    for name, value in facts.items():
        store.set_fact(name, value)
    store.set_fact("objective", asked["objective"])
    if config is not None:
        store.set_fact("config", config)
    store.set_fact("asked", dict(asked))
    store.set_fact("seed", seed)
    oracle.save()


def resume(
    store: SearchStore, oracle: StoredOracle, asked: Mapping[str, Any], take: bool, max_deaths: int
) -> None:
    """Gives the oracle the search that the store holds, and queues what did not end.

    A trial during which the process died `max_deaths` times is given up.

    Args:
        take: Whether to follow `asked` where it differs from what was asked before.

    Raises:
        UserError: it differs, and is not to be taken, or can't be.
    """
    before = store.fact("asked")
    changes = what_was_asked.differences(before, asked) + _seed_change(store, oracle)
    if changes and not take:
        raise what_was_asked.refuse(store.directory, changes)
    wanted_seed = oracle.seed
    store.close_dead()
    oracle.reload()
    for row in store.unfinished():
        give_up_if_deadly(oracle, row, max_deaths)
    if changes:
        if oracle.seed_given:
            oracle.seed = oracle._seed_state = wanted_seed
            store.set_fact("seed", wanted_seed)
        changed_wishes.take(oracle, store, before, asked)


def give_up_if_deadly(oracle: StoredOracle, row: TrialRow, max_deaths: int, last: str = "") -> bool:
    """Ends a queued trial as FAILED if the process died too often while it ran; whether it did.
    `last` is what is known of its last death."""
    if row.blame < max_deaths - 1e-9:  # shares of the blame don't sum exactly
        return False
    last = f", the last time because {last}" if last else ""
    oracle.give_up(row.trial_id, f"{DIED} {round(row.blame)} times while this trial ran{last}")
    return True


def check_epochs(store: SearchStore, epochs: object, take: bool) -> None:
    """Notes how many epochs `search` was asked to train, and refuses another number on a resume."""
    if not isinstance(epochs, int):
        return
    before = store.fact("epochs")
    if before is not None and before != epochs and not take:
        raise what_was_asked.refuse(store.directory, [f"epochs: {before} before, {epochs} now"])
    if before != epochs:
        store.set_fact("epochs", epochs)


def _seed_change(store: SearchStore, oracle: StoredOracle) -> list[str]:
    before = store.oracle_state().get("seed")
    if oracle.seed_given and before not in (None, oracle.seed):
        return [f"seed: {before} before, {oracle.seed} now"]
    return []
