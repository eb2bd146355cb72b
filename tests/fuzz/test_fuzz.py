"""A few hundred inputs that nobody meant to write; `python tests/fuzz/fuzz.py` feeds thousands."""

import importlib.util
import warnings
from pathlib import Path

import pytest

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
