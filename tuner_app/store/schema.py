"""The tables of `search.db`, and how it is opened: what it must be, and what it must not be.

A SQLite database in WAL mode. A process killed at any moment leaves a database that opens: SQLite
checks every record of the log and stops at the first incomplete one.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from tuner_app.errors import UserError

FILE_NAME = "search.db"
SEARCH_FILE = "search.json"  # beside it: see `trial_files`
SCHEMA_VERSION = 2
LEAST_SIZE = 4096  # bytes: one page; SQLite takes less for an empty database
APPLICATION_ID = 0x54756E65  # "Tune": SQLite's mark of whose database a file is

# SQLite quotes a name from the file in its message, and Python can't always read that.
_OF_RUBBISH = sqlite3.DatabaseError, UnicodeDecodeError

# What confirmations found, each as JSON: see `answers`.
_SINCE_2 = """
CREATE TABLE confirmations (
  confirmation INTEGER PRIMARY KEY, made REAL NOT NULL, found TEXT NOT NULL);
"""

TABLES = (
    """
-- What the search is: its configuration, objective, budget, each as JSON.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row a process that owned the directory.
CREATE TABLE sessions (
  session INTEGER PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, begun REAL NOT NULL,
  environment TEXT NOT NULL);

-- Each search space seen, once: trials share it and hold their values only.
CREATE TABLE spaces (
  space INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, config TEXT NOT NULL);

-- number, ended: place in the order of beginnings and of ends, from 0. blame: how many deaths of
-- the process are laid at its door (shared among the trials that were open). note: the oracle's.
CREATE TABLE trials (
  trial_id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, ended INTEGER,
  status TEXT NOT NULL, score REAL, best_epoch INTEGER,
  space INTEGER NOT NULL REFERENCES spaces, hyperparameters TEXT NOT NULL, digest TEXT,
  metrics TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0, blame REAL NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '', mode TEXT NOT NULL DEFAULT 'fit',
  epochs INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0, note TEXT) WITHOUT ROWID;

-- A trial may be run more than once: after a failure, an interruption or the death of its process.
-- An attempt that goes on from a checkpoint begins at (execution, epoch). outcome: COMPLETED,
-- INVALID, FAILED, INTERRUPTED or KILLED, NULL while it runs.
CREATE TABLE attempts (
  trial_id TEXT NOT NULL, attempt INTEGER NOT NULL, session INTEGER NOT NULL,
  execution INTEGER NOT NULL, epoch INTEGER NOT NULL, begun REAL NOT NULL, ended REAL,
  outcome TEXT, message TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (trial_id, attempt)) WITHOUT ROWID;
CREATE INDEX open_attempts ON attempts (trial_id) WHERE outcome IS NULL;

-- Every metric of every epoch. NULL is NaN: a metric that was not reported has no row.
CREATE TABLE epochs (
  trial_id TEXT NOT NULL, attempt INTEGER NOT NULL, execution INTEGER NOT NULL,
  epoch INTEGER NOT NULL, metric TEXT NOT NULL, value REAL,
  PRIMARY KEY (trial_id, attempt, execution, epoch, metric)) WITHOUT ROWID;

-- What the oracle needs besides the trials themselves; small, whatever their number.
CREATE TABLE oracle (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The ledger of the test set: each time it was opened, for which trial and with what result.
CREATE TABLE test_set (
  entry INTEGER PRIMARY KEY, opened REAL NOT NULL, trial_id TEXT NOT NULL, dataset TEXT NOT NULL,
  metrics TEXT NOT NULL);

-- Trials lent to workers, each until a moment (seconds since 1970) by which it must be renewed.
CREATE TABLE leases (
  trial_id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;

CREATE VIEW counts AS
  SELECT status, mode, COUNT(*) AS trials, SUM(epochs) AS epochs, SUM(seconds) AS seconds
  FROM trials GROUP BY status, mode;
"""
    + _SINCE_2
)

# The columns that hold JSON: SQLite finds a page that was overwritten, not a letter of a text.
_JSON = (
    *(("facts", "value"), ("sessions", "environment"), ("spaces", "config"), ("oracle", "value")),
    *(("trials", "hyperparameters"), ("trials", "metrics"), ("trials", "note")),
    *(("test_set", "metrics"), ("confirmations", "found")),
)

# What brings a database of an earlier version to the next one.
UPGRADES = {1: _SINCE_2}


# Databases that this process has found whole, and what they looked like then: to go over one of ten
# thousand trials takes a tenth of a second, and a command opens it several times.
_found_whole: dict[Path, tuple] = {}


class NotBegun(Exception):
    """`search.db` was made, and nothing written yet."""


class Damaged(UserError):
    """`search.db` is not a database any more, or not a whole one.

    Attributes:
        found: The part of the message that says what was found.
    """

    def __init__(self, path: Path, error: object):
        self.found = f"{path} is damaged ({error})."
        super().__init__(
            f"{self.found} Nothing was changed. Move it away, with {FILE_NAME}-wal if there is "
            "one, and begin again, or bring both back from a copy."
        )


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """Opens `search.db`, and creates it where there is none.

    Raises:
        UserError: it is of a newer version of this program, or another program's database.
        Damaged: it can't be read; nothing was changed.
    """
    try:
        connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    except sqlite3.Error as error:
        raise _unwritable(path, error) from None
    try:
        fresh = _is_fresh(connection, path)
        if not fresh:
            _check(connection, path)
        elif 0 < path.stat().st_size < LEAST_SIZE:
            raise Damaged(path, "it is cut short")
        connection.execute("PRAGMA journal_mode=WAL")
        # Safe against a killed process; a power cut may lose the last changes, never the database.
        connection.execute("PRAGMA synchronous=NORMAL")
        if fresh:
            connection.executescript(
                f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id={APPLICATION_ID};"
                f"PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        else:
            _upgrade(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        raise _unwritable(path, error) from None
    except _OF_RUBBISH as error:
        connection.close()
        raise Damaged(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def connect_in_memory() -> sqlite3.Connection:
    """An empty database with our tables, for what is taken back from files."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(TABLES)
    return connection


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Opens an existing `search.db` without changing it, also while a search writes it.

    Raises:
        UserError: it is of a newer version, or another program's.
        Damaged: there is none, or it can't be read.
        NotBegun: nothing was written to it yet.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise Damaged(path, "it is empty, or is not there")
    address = path.absolute().as_uri() + "?mode=ro"
    if not os.access(path.parent, os.W_OK) and not path.with_name(FILE_NAME + "-wal").exists():
        address += "&immutable=1"  # on a read-only disk SQLite can't make its index file
    connection = sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None)
    try:
        if not _is_fresh(connection, path):
            _check(connection, path)
        elif path.stat().st_size < LEAST_SIZE or path.with_name(SEARCH_FILE).exists():
            raise Damaged(path, "it is cut short")
        else:
            raise NotBegun(path)
    except _OF_RUBBISH as error:
        connection.close()
        raise Damaged(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_fresh(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the database is still empty; refuses those that are not ours to read."""
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = _version(connection)
    if tables == 0 and application == 0 and version == 0:
        return True
    if application != APPLICATION_ID:
        raise UserError(
            f"{path} is another program's database (application id {application}, expected "
            f"{APPLICATION_ID}). Choose another project directory."
        )
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer tuner_app (schema {version}; this one reads up to "
            f"{SCHEMA_VERSION}). Update tuner_app, or choose another project directory."
        )
    return False


def _upgrade(connection: sqlite3.Connection) -> None:
    """Brings the tables of an earlier version to this one; readers manage without."""
    for version in range(_version(connection), SCHEMA_VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE; {UPGRADES[version]} PRAGMA user_version={version + 1}; COMMIT;"
        )


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _looks(path: Path) -> tuple:
    """What changes when somebody writes to a database or its log."""
    found = []
    for part in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(OSError):
            state = part.stat()
            if state.st_size:  # an empty log comes and goes with each who opens it
                found.append((part.name, state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(found)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    looks = _looks(path)
    if looks == _found_whole.get(path.absolute()):
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Damaged(path, found)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    for table, column in _JSON:
        if table in tables:
            broken = f"{column} IS NOT NULL AND NOT json_valid({column})"
            if connection.execute(f"SELECT 1 FROM {table} WHERE {broken} LIMIT 1").fetchone():
                raise Damaged(path, f"a text in its table {table} is no JSON")
    _found_whole[path.absolute()] = looks


def _unwritable(path: Path, error: object) -> UserError:
    return UserError(f"Can't write to {path} ({error}). Is its folder writable?")


def move_away(path: Path) -> Path:
    """Renames a damaged database, and its log with it, so that nothing of it is overwritten."""
    number = 1
    while (moved := path.with_name(f"{FILE_NAME}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            os.replace(part, moved.with_name(moved.name + suffix))
    return moved
