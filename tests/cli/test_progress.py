"""What a search shows while it runs: the state behind both views, plain lines, the live view."""

import dataclasses
import io

import pytest
from rich.console import Console

from tuner_app.cli.progress import LiveProgress, PlainProgress, SearchState, clock, sparkline
from tuner_app.cli.session import progress
from tuner_app.cli.time_left import TimeLeft
from tuner_app.store import TrialRecord


def trial(number: int, score: float | None = None, **other) -> TrialRecord:
    status = "FAILED" if score is None else "COMPLETED"
    values = {"optimizer": "adam", "learning_rate": 0.00123456}
    return TrialRecord(
        f"{number:04}", status, score=score, hyperparameters=values, epochs=3, seconds=1.5, **other
    )


@pytest.mark.parametrize(("direction", "best"), [("max", "0002"), ("min", "0001")])
def test_best_follows_the_direction(direction, best):
    state = SearchState()
    state.begin(5, "val_x", direction)
    for number, score in [(0, 0.5), (1, 0.25), (2, 0.75), (3, None)]:
        state.finish(trial(number, score))
    assert state.best.trial_id == best


def test_trials_before_a_resume_count_but_not_for_the_pace(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tuner_app.cli.progress.time.monotonic", lambda: now[0])
    state = SearchState([trial(0, 0.9), trial(1, 0.1)], TimeLeft(3))
    state.begin(5, "val_accuracy", "max")
    assert state.best.trial_id == "0000" and state.left.seconds(now[0]) is None
    state.start(trial(2))
    for epoch in range(3):
        now[0] += 5.0
        state.add_epoch("0002", epoch, {})
    state.finish(trial(2, 0.5))
    # Three epochs took 15 s, and two trials of as many are left.
    assert state.left.seconds(now[0]) == 30.0


def test_plain_lines_one_a_trial(capsys):
    view = PlainProgress([trial(0, 0.5)])
    view.search_begun(3, "val_accuracy", "max")
    view.trial_begun(trial(1))
    view.epoch_ended("0001", 0, 0, {"val_accuracy": 0.7})
    view.trial_ended(trial(1, 0.75))
    view.trial_ended(trial(2, message="Diverged: the loss is nan"))
    view.trial_ended(dataclasses.replace(trial(3, 0.25), epochs=1))
    view.trial_ended(dataclasses.replace(trial(4, 0.25), hyperparameters={}))
    view.search_ended({})
    values = "3 epochs  1.5 s  optimizer=adam learning_rate=0.001235"
    assert capsys.readouterr().out.splitlines() == [
        f"trial 0001 (2/3)  val_accuracy 0.7500, the best so far  {values}",
        f"trial 0002 (3/3)  FAILED Diverged: the loss is nan  {values}",
        f"trial 0003 (4/3)  val_accuracy 0.2500  {values.replace('3 epochs', '1 epoch')}",
        "trial 0004 (5/3)  val_accuracy 0.2500  3 epochs  1.5 s",
    ]


def test_live_view_shows_count_best_and_running_trial():
    shown = io.StringIO()
    console = Console(file=shown, width=120, force_terminal=True, color_system=None)
    view = LiveProgress(epochs=9, console=console)
    view.search_begun(4, "val_accuracy", "max")
    view.trial_ended(trial(0, 0.5))
    view.trial_ended(trial(1))
    view.trial_begun(trial(2))
    for epoch, accuracy in enumerate([0.0, 0.1, 0.7]):
        view.epoch_ended("0002", 0, epoch, {"val_accuracy": accuracy, "loss": 1.0})
    picture = Console(file=io.StringIO(), width=120)
    picture.print(view.view())
    view.search_ended({})
    text = picture.file.getvalue()
    assert "2/4 trials" in text and "1 failed" in text and "left" in text
    now = view._state.left._seen.when  # of the third epoch
    assert view._state.left.roughly(now + 9) == "more than"
    assert "0000  val_accuracy 0.5000" in text
    assert "0002  epoch 3/9  ▁▂█ 0.7000" in text
    assert "learning_rate=0.001235" in text
    assert shown.getvalue().count("\x1b[?25l") == shown.getvalue().count("\x1b[?25h") == 1  # cursor


@pytest.mark.parametrize(("terminal", "view"), [("xterm", LiveProgress), ("dumb", PlainProgress)])
def test_a_terminal_that_cannot_go_back_is_told_line_by_line(monkeypatch, terminal, view):
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert type(progress(3, [])) is view


def test_another_execution_begins_another_curve():
    state = SearchState()
    state.begin(1, "val_loss", "min")
    state.start(trial(0))
    for epoch in (0, 1, 0):
        state.add_epoch("0000", epoch, {"val_loss": float(epoch)})
    assert state.curves == {"0000": [0.0]}


@pytest.mark.parametrize(("direction", "leader"), [("max", "0001"), ("min", "0002")])
def test_of_trials_that_run_at_once_the_best_is_shown(direction, leader):
    view = LiveProgress(epochs=9, console=Console(file=io.StringIO()))
    view.search_begun(4, "val_x", direction)
    for number in (0, 1, 2):
        view.trial_begun(trial(number))

    def picture() -> str:
        console = Console(file=io.StringIO(), width=120)
        console.print(view.view())
        return console.file.getvalue()

    assert "3 trials, being compiled for their first epoch" in picture()
    view.epoch_ended("0000", 0, 0, {"val_x": float("nan")})
    for number, value in [(1, 0.75), (2, 0.5)]:
        view.epoch_ended(f"{number:04}", 0, 0, {"val_x": value})
    assert f"best of 3 running  {leader}  epoch 1/9" in picture()
    view.trial_ended(trial(int(leader), 0.75))
    assert f"best of 2 running  {leader}" not in picture()
    view.search_ended({})


def test_a_population_is_at_its_last_epoch_when_it_ends():
    view = LiveProgress(epochs=3, console=Console(file=io.StringIO()))
    view.search_begun(2, "val_x", "max")
    for number in (0, 1):
        view.trial_begun(trial(number))
    for epoch in range(3):
        for number in (0, 1):
            view.epoch_ended(f"{number:04}", 0, epoch, {"val_x": 0.5})
        if epoch == 1:
            view.population_compared(2, 3, 0.5, 1)
    for number in (0, 1):
        view.trial_ended(trial(number, 0.5))
    console = Console(file=io.StringIO(), width=120)
    console.print(view.view())
    assert "2 members, epoch 3/3, 1 copy, " in console.file.getvalue()
    view.search_ended({})


@pytest.mark.parametrize(
    ("curve", "bars"),
    [
        ([], ""),
        ([2.0], "▁"),
        ([1.0, 1.0], "▁▁"),
        ([0.0, float("nan"), 7.0, float("inf")], "▁█"),
        ([float(i) for i in range(100)], None),
    ],
)
def test_sparkline(curve, bars):
    drawn = sparkline(curve)
    assert len(drawn) <= 30
    if bars is not None:
        assert drawn == bars


def test_clock_rounds_to_seconds():
    assert (clock(0.4), clock(59.6), clock(7200)) == ("0:00", "1:00", "2:00:00")
