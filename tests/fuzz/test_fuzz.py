"""A few hundred inputs that nobody meant to write; `python tests/fuzz/fuzz.py` feeds thousands."""

import importlib.util
import warnings
from pathlib import Path

import pytest

from tuner_app import data
from tuner_app.errors import UserError
from tuner_app.store import SearchReader, SearchStore

_spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_rubbish_is_taken_or_refused_in_a_sentence(kind):
    with warnings.catch_warnings():
        # A damaged file that is left out is said so in a warning.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = list(fuzz.failures([kind], first=1_000_000, inputs=40))
    assert not found, found[0]


@pytest.mark.parametrize(
    "words", [["resume", "a" * 5000], ["search", "--" + "a" * 5000], ["results", "\0"]]
)
def test_names_that_no_file_or_flag_can_have(words):
    fuzz.run(words)


def test_a_name_of_data_that_no_folder_can_have():
    with pytest.raises(UserError, match="Unknown TensorFlow data set"):
        data.check("tfds:" + "a" * 5000)


def test_a_database_whose_schema_is_no_text(tmp_path):
    with SearchStore(tmp_path / "p"):
        pass
    path = tmp_path / "p" / "search.db"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE facts", b"CREATE \xe4ABLE facts"))
    for opened in (SearchReader, SearchStore):
        with pytest.raises(UserError, match="damaged"):
            opened(tmp_path / "p")


def test_a_file_of_flags_that_is_no_text(tmp_path):
    (tmp_path / "flags").write_bytes(b"--project=\xff\xfe")
    fuzz.run(["search", f"--flagfile={tmp_path / 'flags'}"])


def test_a_failure_is_reported_with_the_number_that_repeats_it(monkeypatch):
    def broken(rng, folder):
        if rng.random() < 0.5:
            raise ZeroDivisionError("at last")

    monkeypatch.setitem(fuzz.KINDS, "broken", broken)
    found = list(fuzz.failures(["broken"], first=0, inputs=20))
    assert 0 < len(found) < 20 and "ZeroDivisionError: at last" in found[0][2]
    kind, number, _ = found[0]
    assert fuzz.failure_of(kind, number)
