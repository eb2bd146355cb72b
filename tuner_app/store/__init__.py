"""What is on disk: `search.db`, the one truth about a search, and the files beside it.

Reading (needs neither TensorFlow nor Keras, works while a search runs):

    holds_search(directory) -> bool
    with SearchReader(directory) as reader:
        reader.fact("config"), reader.trials(), reader.history(trial_id), ...

Writing is the tuners' and oracles' business, through `SearchStore`; what was asked of a search
after it (confirmations, the test set) is in `answers`.
"""

from tuner_app.store.project_directory import delete_search, refuse_foreign
from tuner_app.store.reader import SearchReader, holds_search
from tuner_app.store.records import TrialRecord
from tuner_app.store.search_store import SearchStore
from tuner_app.store.trial_row import TrialRow

__all__ = [
    "SearchReader",
    "SearchStore",
    "TrialRecord",
    "TrialRow",
    "delete_search",
    "holds_search",
    "refuse_foreign",
]
