"""The text at a search's end, from an outcome made by hand."""

from pathlib import Path

from tuner_app.cli.summary import summary
from tuner_app.config import SearchConfig
from tuner_app.experiment import Outcome, can_extend
from tuner_app.results import Edge, SearchResults
from tuner_app.store import TrialRecord

GOOD = TrialRecord(
    "07", "COMPLETED", 0.98, {"optimizer": "adam", "learning_rate": 0.00123456}, 4, 9, 2.5
)
BAD = TrialRecord("03", "FAILED", message="Diverged: loss is nan in epoch 1")


def outcome(*trials: TrialRecord, **other) -> Outcome:
    found = SearchResults("val_accuracy", "max", list(trials))
    return Outcome(Path("my search"), found, "CPU, 2 cores", 75.2, **other)


def test_best_counts_reasons_and_next_steps(monkeypatch):
    monkeypatch.setattr("sys.argv", ["a notebook"])
    lines = summary(outcome(GOOD, BAD, BAD)).splitlines()
    assert lines[1].split()[:3] == ["rank", "trial", "status"]
    assert lines[2].split()[:4] == ["1", "07", "COMPLETED", "0.9800"]
    assert "Best: trial 07, val_accuracy 0.9800 in epoch 5" in lines
    assert "  learning_rate  0.001235" in lines
    assert "Trials:   1 completed, 2 failed; trained 1 one by one" in lines
    assert "          2 failed: Diverged: loss is nan in epoch 1" in lines
    assert "Device:   CPU, 2 cores" in lines and "Time:     1:15" in lines
    assert not any(" FAILED " in line for line in lines)
    assert "  tuner-app board 'my search'" in lines


def test_why_trials_failed_is_told_below_their_number():
    lines = summary(
        outcome(GOOD, BAD, stack="5 lanes", ended="the target was reached")
    ).splitlines()
    begun = lines.index("Trials:   1 completed, 1 failed; trained 1 one by one")
    assert lines[begun + 1] == "          1 failed: Diverged: loss is nan in epoch 1"
    assert lines[begun + 2 : begun + 4] == ["Ended:    the target was reached", "Stack:    5 lanes"]


def test_a_search_out_of_time_can_be_gone_on_with():
    lines = summary(outcome(GOOD, out_of_time=True)).splitlines()
    assert lines[lines.index("Next:") + 1].endswith(" resume 'my search'")
    assert " resume " not in summary(outcome(GOOD))


def test_ten_trials_are_shown_a_line_each():
    lines = summary(outcome(*[GOOD] * 13)).splitlines()
    assert sum("COMPLETED" in line for line in lines) == 10
    assert "... and 3 more" in lines


def test_without_a_result_nothing_is_called_best():
    text = summary(outcome(BAD, failure="No trial completed, of 1 trials."))
    assert "Best" not in text and "1 failed: Diverged: loss is nan in epoch 1" in text
    assert "No trial was run" in summary(outcome())


def test_ranges_are_said_to_be_widened_only_where_they_can_be():
    edges = (Edge("rate", "upper", 0.1, 8, 10), Edge("dropout", "lower", 0.0, 8, 10, natural=True))
    advice = "; --extend_ranges widens it"
    said = [line for line in summary(outcome(GOOD, edges=edges)).splitlines() if "Range:" in line]
    assert [line.endswith("end, 0.1") for line in said] == [True, False]
    said = summary(outcome(GOOD, edges=edges, extendable=True)).splitlines()
    assert [line.endswith(advice) for line in said if "Range:" in line] == [True, False]
    assert can_extend(SearchConfig()) and not can_extend(SearchConfig(extend_ranges=True))
    assert not can_extend(SearchConfig(oracle="hyperband"))
