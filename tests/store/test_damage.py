"""State files cut at any byte: the project opens, and loses at most the last record."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from tuner_app.errors import UserError
from tuner_app.store import SearchReader, SearchStore, TrialRow, holds_search
from tuner_app.store.schema import connect_for_writing

SPACE = [{"class_name": "Boolean", "config": {"name": "yes"}}]
TRIALS = 12


@pytest.fixture(scope="module")
def crashed(searches) -> Path:
    """The files of a search whose process died: the log still beside the database."""
    return searches[0]


@pytest.fixture(scope="module")
def closed(searches) -> Path:
    """The files of the same search, whose process gave the directory up: there is no log."""
    return searches[1]


@pytest.fixture(scope="module")
def searches(tmp_path_factory) -> tuple[Path, Path]:
    original = tmp_path_factory.mktemp("running")
    copy = tmp_path_factory.mktemp("crashed") / "search"
    with SearchStore(original) as store:
        store.begin_session({})
        store.set_fact("objective", {"name": "score", "direction": "min"})
        space = store.space_number(SPACE)
        for number in range(TRIALS):
            trial_id = f"{number:02d}"
            with store.transaction():
                store.set_oracle_state({"seed_state": number})
                store.save_trial(TrialRow(trial_id, number, "RUNNING", space, {"yes": True}))
                store.begin_attempt(trial_id)
            store.report_epochs([(trial_id, 0, 0, {"score": float(number)}, 1.0)])
            if number < TRIALS - 1:
                with store.transaction():
                    store.save_trial(
                        TrialRow(
                            trial_id,
                            number,
                            "COMPLETED",
                            space,
                            {"yes": True},
                            float(number),
                            0,
                            ended=number,
                        )
                    )
                    store.end_attempt(trial_id, "COMPLETED")
        shutil.copytree(original, copy)
    assert (copy / "search.db-wal").stat().st_size > 10_000
    assert not (original / "search.db-wal").exists()
    return copy, original


def complete(directory: Path) -> set[str]:
    """The completed trials, each of which must be whole."""
    with SearchReader(directory) as reader:
        found = [trial for trial in reader.trials() if trial.status == "COMPLETED"]
        for trial in found:
            assert trial.score == trial.number and trial.hyperparameters == {"yes": True}
        return {trial.trial_id for trial in found}


def cuts(path: Path, how_many: int) -> list[int]:
    size = path.stat().st_size
    return sorted({0, 1, 31, 32, 100, size - 1, *range(0, size, max(1, size // how_many))})


def copy_of(crashed: Path, to: Path, files: bool) -> Path:
    shutil.copytree(crashed, to)
    if not files:
        for folder in to.glob("trial_*"):
            shutil.rmtree(folder)
        (to / "search.json").unlink()
    return to


def test_a_log_cut_anywhere_opens_with_what_came_before(crashed, tmp_path):
    previous = -1
    for number, cut in enumerate(cuts(crashed / "search.db-wal", 30)):
        directory = copy_of(crashed, tmp_path / str(number), files=False)
        (directory / "search.db-shm").unlink()
        with open(directory / "search.db-wal", "r+b") as log:
            log.truncate(cut)
        with SearchStore(directory) as store:
            found = [trial for trial in store.trials() if trial.status == "COMPLETED"]
            # All those whose record lies before the cut: ever more of them.
            assert [trial.number for trial in found] == list(range(len(found)))
            assert len(found) >= previous
            assert len(store.trials()) - len(found) <= 1
            previous = len(found)
    assert previous == TRIALS - 1


@pytest.mark.parametrize("name", ["search.db-wal", "search.db"])
def test_with_the_trials_files_a_cut_loses_nothing_that_ended(crashed, closed, tmp_path, name):
    everything = {f"{number:02d}" for number in range(TRIALS - 1)}
    source = crashed if name == "search.db-wal" else closed
    for number, cut in enumerate(cuts(source / name, 6)):
        directory = copy_of(source, tmp_path / str(number), files=True)
        (directory / "search.db-shm").unlink(missing_ok=True)
        with open(directory / name, "r+b") as file:
            file.truncate(cut)
        assert holds_search(directory)
        if name == "search.db":
            assert complete(directory) == everything  # also to one who may only read
        damaged = (directory / name).read_bytes()
        store = opened(directory)
        with store:
            assert {t.trial_id for t in store.trials()} == everything | {f"{TRIALS - 1:02d}"}
            assert store.fact("objective") == {"name": "score", "direction": "min"}
            assert store.oracle_state()["seed_state"] == TRIALS - 1
            assert store.history("03") == {(0, 0): {"score": 3.0}}
        assert complete(directory) == everything
        if (directory / "search.db.damaged-1").exists():
            assert (directory / "search.db.damaged-1").read_bytes() == damaged  # not overwritten


def opened(directory: Path) -> SearchStore:
    """The store, whether or not it warns that it had to be taken back from the files."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is damaged.* It was moved to", RuntimeWarning)
        return SearchStore(directory)


def test_a_damaged_database_is_moved_away_with_a_warning(closed, tmp_path):
    directory = copy_of(closed, tmp_path / "search", files=True)
    (directory / "search.db").write_bytes(b"rubbish" * 2000)
    with pytest.warns(RuntimeWarning, match=r"moved to search.db.damaged-1"):
        SearchStore(directory).close()
    assert (directory / "search.db.damaged-1").read_bytes() == b"rubbish" * 2000
    SearchStore(directory).close()  # and the next time all is well


@pytest.mark.parametrize(
    ("table", "column"),
    [("facts", "value"), ("spaces", "config"), ("trials", "metrics"), ("oracle", "value")],
)
def test_a_letter_lost_in_a_page_that_is_whole_is_damage(closed, tmp_path, table, column):
    directory = copy_of(closed, tmp_path / "search", files=True)
    with contextlib.closing(sqlite3.connect(directory / "search.db")) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = {column} || '{{'")
    assert len(complete(directory)) == TRIALS - 1  # to one who may only read
    with pytest.warns(RuntimeWarning, match=f"a text in its table {table} is no JSON.* moved to"):
        SearchStore(directory).close()
    assert len(complete(directory)) == TRIALS - 1


def test_what_is_damaged_after_it_was_found_whole_is_found_damaged(closed, tmp_path):
    directory = copy_of(closed, tmp_path / "search", files=False)
    assert len(complete(directory)) == TRIALS - 1
    with contextlib.closing(sqlite3.connect(directory / "search.db")) as connection, connection:
        connection.execute("UPDATE spaces SET config = '{'")
    with pytest.raises(UserError, match="a text in its table spaces is no JSON"):
        SearchReader(directory)


def test_a_trial_file_cut_short_is_no_harm(crashed, tmp_path):
    directory = copy_of(crashed, tmp_path / "search", files=True)
    for name in ("trial_03/trial.json", "search.json"):
        text = (directory / name).read_text()
        (directory / name).write_text(text[: len(text) // 2])
    with SearchStore(directory) as store:
        assert len(store.trials()) == TRIALS
        assert store.fact("objective")["name"] == "score"


def test_a_process_killed_while_it_renamed_a_file_lost_nothing(closed, tmp_path):
    directory = copy_of(closed, tmp_path / "search", files=True)
    (directory / "search.db").unlink()
    for path in [*directory.glob("trial_*/trial.json"), directory / "search.json"]:
        path.rename(path.with_name(path.name + ".new"))
    (directory / "search.json").write_text("{")
    assert len(complete(directory)) == TRIALS - 1


def test_an_ended_trial_that_the_log_lost_is_not_run_again(crashed, tmp_path):
    directory = copy_of(crashed, tmp_path / "search", files=True)
    (directory / "search.db-shm").unlink()
    with open(directory / "search.db-wal", "r+b") as log:
        log.truncate(log.seek(0, 2) * 2 // 3)
    with SearchStore(directory) as store:
        assert [t.status for t in store.trials()] == ["COMPLETED"] * (TRIALS - 1) + ["RUNNING"]


@pytest.mark.parametrize("tables", [False, True])
def test_a_process_killed_before_it_wrote_what_the_search_is_keeps_nobody_out(tmp_path, tables):
    path = tmp_path / "search.db"
    if tables:
        connect_for_writing(path).close()
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")  # writes the file's first page
        connection.close()
    assert path.stat().st_size >= 4096
    assert not holds_search(tmp_path)
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "score"})
    assert holds_search(tmp_path)


def test_a_trial_taken_back_after_several_runs_can_be_run_again_and_again(tmp_path):
    row = TrialRow("0", 0, "RUNNING", 1, {"yes": True})
    with SearchStore(tmp_path) as store:
        store.begin_session({})
        store.set_fact("objective", {"name": "score", "direction": "min"})
        store.space_number(SPACE)
        store.save_trial(row)
        for _ in range(3):
            store.begin_attempt("0")
            store.end_attempt("0", "FAILED")
        store.save_trial(row)
    for path in tmp_path.glob("search.db*"):
        path.write_bytes(b"rubbish")
    with pytest.warns(RuntimeWarning, match="taken back from"):
        store = SearchStore(tmp_path)
    with store:
        before = [attempt["attempt"] for attempt in store.attempts("0")]
        for _ in range(3):
            store.begin_attempt("0")
            store.end_attempt("0", "FAILED")
        assert [a["attempt"] for a in store.attempts("0")] == [*before, 3, 4, 5]
