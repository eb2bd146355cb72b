"""What was asked of a search after it: confirmations, and the ledger of its test set.

Both are tables of `search.db`. A copy stands among the facts, which are written to a file beside it
too, so that neither is forgotten with a damaged database.
"""

import time
from collections.abc import Mapping
from typing import Any

from tuner_app.store.json_text import from_text, to_text
from tuner_app.store.reader import SearchReader
from tuner_app.store.search_store import SearchStore

CONFIRMATIONS, TEST_SET = "confirmations", "test_set"  # names of the facts


def confirmations(reader: SearchReader) -> list[dict[str, Any]]:
    """Every confirmation, the latest last, as `add_confirmation` was given them, with `made`,
    seconds since 1970."""
    found = []
    if reader._rows("SELECT 1 FROM sqlite_master WHERE name = 'confirmations'"):  # since schema 2
        rows = reader._rows("SELECT made, found FROM confirmations ORDER BY confirmation")
        found = [from_text(text) | {"made": made} for made, text in rows]
    kept = reader.fact(CONFIRMATIONS, [])
    return found if len(found) >= len(kept) else kept


def add_confirmation(store: SearchStore, found: Mapping[str, Any]) -> None:
    """Keeps what a confirmation found, any JSON value with `winner`, a trial's id or None."""
    with store.transaction():
        earlier, made = confirmations(store), time.time()
        store._execute(
            "INSERT INTO confirmations (made, found) VALUES (?, ?)", made, to_text(dict(found))
        )
        store.set_fact(CONFIRMATIONS, [*earlier, dict(found) | {"made": made}])


def openings(reader: SearchReader) -> list[dict[str, Any]]:
    """Each time the test set was opened, the latest last: opened (seconds since 1970), trial_id,
    dataset, and metrics, what was measured and by whom."""
    found, kept = reader.test_set_entries(), reader.fact(TEST_SET, [])
    return found if len(found) >= len(kept) else kept


def add_opening(
    store: SearchStore, trial_id: str, dataset: str, metrics: Mapping[str, Any]
) -> None:
    """Notes in the ledger that the test set was opened."""
    with store.transaction():
        earlier = openings(store)
        store.add_test_set_entry(trial_id, dataset, metrics)
        store.set_fact(TEST_SET, [*earlier, store.test_set_entries()[-1]])
