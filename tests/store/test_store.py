"""The database: what is written is read back, at any moment, and belongs to its owner alone."""

import json
import math
import sqlite3

import pytest

from tuner_app.errors import UserError
from tuner_app.store import SearchReader, SearchStore, TrialRow, holds_search, refuse_foreign
from tuner_app.store.schema import APPLICATION_ID, SCHEMA_VERSION

SPACE = [{"class_name": "Float", "config": {"name": "rate", "min_value": 0.0, "max_value": 1.0}}]


def row(store: SearchStore, number: int, status: str = "RUNNING", **others) -> TrialRow:
    others.setdefault("hyperparameters", {"rate": number / 10})
    return TrialRow(f"{number:04d}", number, status, store.space_number(SPACE), **others)


def test_what_is_written_is_read_back_by_another_connection(tmp_path):
    with SearchStore(tmp_path / "search") as store:
        store.set_fact("config", {"max_trials": 2, "nothing": None})
        written = row(store, 0, "COMPLETED", score=0.25, best_epoch=3, ended=0, note={"rung": 1})
        store.save_trial(written)
        with SearchReader(tmp_path / "search") as reader:  # while the writer is at work
            assert reader.fact("config") == {"max_trials": 2, "nothing": None}
            assert reader.trials() == [written]
            assert reader.records() == [written.record()]
            assert reader.unfinished() == []
            queued = row(store, 1, "IDLE")
            store.save_trial(queued)
            assert reader.unfinished() == [queued]
            assert reader.space(written.space) == SPACE
            assert reader.fact("unheard of", 7) == 7


def test_numbers_that_are_none_come_back(tmp_path):
    with SearchStore(tmp_path) as store:
        store.save_trial(row(store, 0))
        store.begin_attempt("0000")
        given = {"loss": math.nan, "val_loss": math.inf, "other": -math.inf, "accuracy": 0.5}
        store.report_epochs([("0000", 0, 0, given, 1.5)])
        store.set_oracle_state({"limit": math.inf})
        found = store.history("0000")[0, 0]
        assert math.isnan(found.pop("loss"))
        assert found == {"val_loss": math.inf, "other": -math.inf, "accuracy": 0.5}
        assert store.oracle_state() == {"limit": math.inf}
        assert store.trial("0000").seconds == 1.5
    text = (tmp_path / "trial_0000" / "trial.json").read_text()
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path):
    with SearchStore(tmp_path) as store:
        with pytest.raises(RuntimeError, match="half way"), store.transaction():
            store.save_trial(row(store, 0))
            store.set_oracle_state({"seed_state": 5})
            raise RuntimeError("half way")
        assert store.trials() == [] and store.oracle_state() == {}
        assert not (tmp_path / "trial_0000").exists()
        # What was not kept must not be remembered as written.
        store.set_oracle_state({"seed_state": 5})
        store.save_trial(row(store, 0))
        assert store.oracle_state() == {"seed_state": 5}
        assert store.space(store.trial("0000").space) == SPACE


def test_a_later_attempt_replaces_what_it_runs_again(tmp_path):
    with SearchStore(tmp_path) as store:
        store.save_trial(row(store, 0))
        store.begin_attempt("0000")
        for epoch in range(4):
            store.report_epochs([("0000", 0, epoch, {"loss": 10.0 + epoch}, None)])
        store.end_attempt("0000", "INTERRUPTED")
        store.begin_attempt("0000", execution=0, epoch=2)  # from a checkpoint after two epochs
        store.report_epochs([("0000", 0, 2, {"loss": 22.0}, None)])
        assert store.history("0000") == {
            (0, 0): {"loss": 10.0},
            (0, 1): {"loss": 11.0},
            (0, 2): {"loss": 22.0},
        }
        assert store.trial("0000").epochs == 3
        store.end_attempt("0000", "INVALID", "Diverged: loss is nan")
        store.begin_attempt("0000")  # from the beginning
        assert store.history("0000") == {} and store.trial("0000").epochs == 0
        assert [a["outcome"] for a in store.attempts("0000")] == ["INTERRUPTED", "INVALID", None]


def test_an_epoch_of_a_trial_that_is_not_running_is_refused(tmp_path):
    with SearchStore(tmp_path) as store:
        store.save_trial(row(store, 0))
        with pytest.raises(ValueError, match="0000 is not running"):
            store.report_epochs([("0000", 0, 0, {"loss": 1.0}, None)])


def test_the_dead_share_the_blame(tmp_path):
    with SearchStore(tmp_path) as store:
        for number in range(4):
            store.save_trial(row(store, number))
            store.begin_attempt(f"{number:04d}")
        store.end_attempt("0003", "COMPLETED")
        assert sorted(store.close_dead()) == ["0000", "0001", "0002"]
        assert [trial.blame for trial in store.trials()] == pytest.approx([1 / 3] * 3 + [0.0])
        assert store.close_dead() == []


def test_counts_ledger_and_sessions(tmp_path):
    with SearchStore(tmp_path) as store:
        assert store.last_session() == 0
        assert store.begin_session({"keras": "3"}) == 1
        store.save_trial(row(store, 0, "COMPLETED", score=1.0))
        store.save_trial(row(store, 1, "FAILED"))
        store.set_cost("0000", 2.5, "stacked")
        store.add_test_set_entry("0000", "digits", {"accuracy": 0.5})
        assert store.counts() == [
            {"status": "COMPLETED", "mode": "stacked", "trials": 1, "epochs": 0, "seconds": 2.5},
            {"status": "FAILED", "mode": "fit", "trials": 1, "epochs": 0, "seconds": 0.0},
        ]
        (entry,) = store.test_set_entries()
        assert entry["trial_id"] == "0000" and entry["metrics"] == {"accuracy": 0.5}
        (session,) = store.sessions()
        assert session["environment"] == {"keras": "3"}


def database(path, application_id: int, version: int):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE letters (text)")
    connection.execute(f"PRAGMA application_id={application_id}")
    connection.execute(f"PRAGMA user_version={version}")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("opener", [SearchStore, SearchReader])
@pytest.mark.parametrize(
    ("application_id", "version", "words"),
    [
        (APPLICATION_ID, SCHEMA_VERSION + 1, "newer tuner_app"),
        (17, 1, "another program's"),
    ],
)
def test_a_database_that_is_not_ours_to_open_is_refused(
    tmp_path, opener, application_id, version, words
):
    path = tmp_path / "search.db"
    database(path, application_id, version)
    before = path.read_bytes()
    with pytest.raises(UserError, match=words):
        opener(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opener", [SearchStore, SearchReader])
def test_rubbish_is_refused_and_left_alone(tmp_path, opener):
    path = tmp_path / "search.db"
    path.write_bytes(b"this is not a database, but it is long enough for one " * 100)
    before = path.read_bytes()
    with pytest.raises(UserError, match="is damaged .* Move it away"):
        opener(tmp_path)
    assert path.read_bytes() == before


def test_directories_that_are_no_place_for_a_search(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="found a file"):
        refuse_foreign(tmp_path / "file")
    with pytest.raises(UserError, match="belongs to something else .*'file'"):
        SearchStore(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "kt").mkdir()
    (tmp_path / "kt" / "oracle.json").write_text("{}")
    with pytest.raises(UserError, match="KerasTuner's own"):
        SearchStore(tmp_path / "kt")
    with pytest.raises(UserError, match="found nothing there"):
        SearchReader(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no search"):
        SearchReader(tmp_path / "empty")
    assert not holds_search(tmp_path / "empty")
    with SearchStore(tmp_path / "empty") as store:
        assert not holds_search(tmp_path / "empty")  # nothing says yet what is searched
        store.set_fact("config", 1)
    assert holds_search(tmp_path / "empty")


def test_a_second_store_of_this_process_takes_over(tmp_path):
    first = SearchStore(tmp_path)
    second = SearchStore(tmp_path)
    with pytest.raises(UserError, match="another tuner of this process"):
        first.set_fact("config", 1)
    first.close()  # gives nothing away that is not its own any more
    second.set_fact("config", 2)
    assert second.fact("config") == 2
    second.close()
