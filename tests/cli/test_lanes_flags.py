"""How the command line says, and is told, how trials are trained: lanes, backend, plan."""

import pytest
from rich.console import Console

from tuner_app.cli.progress import LiveProgress
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.store import TrialRecord


class Stats:
    lanes, stacks, useful_share = 100, 2, 0.974


@pytest.mark.parametrize("lanes", ["0", "-1", "many", "1.5", ""])
def test_lanes_are_a_number_or_auto(lanes):
    with pytest.raises(UserError, match="expected auto or a whole number"):
        SearchConfig(lanes=lanes)


def test_an_unknown_backend_is_refused():
    with pytest.raises(UserError, match="tensorflow"):
        SearchConfig(backend="tensorflw")


def test_the_live_view_shows_the_stack(monkeypatch):
    now = iter([100.0] + [136.0] * 20)
    monkeypatch.setattr("tuner_app.cli.progress.time.monotonic", lambda: next(now))
    view = LiveProgress(epochs=3, console=Console(width=120))
    view._state.begin(10, "val_loss", "min")
    view._state.began = 100.0
    view.stack_reported(Stats())
    for i in range(4):
        view.trial_ended(TrialRecord(str(i), "COMPLETED", score=0.5))
    console = Console(width=120)
    with console.capture() as captured:
        console.print(view.view())
    text = captured.get()
    assert "100 lanes in 2 programs, 97% useful" in text
    assert "400 trials an hour" in text  # 4 in 36 seconds


def test_the_plan_is_explained_and_nothing_is_kept(tuner_app_process, tmp_path):
    asked = ("--max_trials=7", "--lanes=5", "--oracle=hyperband", "--epochs=9")
    found = tuner_app_process("search", "--explain_plan", *asked)
    assert found.returncode == 0, found.stderr
    brackets, stacked = found.stdout.splitlines()
    plan = "5 trials of 3 epochs, the best 1 up to 9; then 1 trial of 9 epochs"
    assert brackets == f"Brackets: {plan}."
    assert stacked.startswith("Stacked: 5 lanes, as asked for")
    assert list(tmp_path.iterdir()) == []
