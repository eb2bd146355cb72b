"""Interrupted, resumed, resumed with other wishes; who owns the directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app import results
from tuner_app.errors import UserError
from tuner_app.store import SearchReader, holds_search
from tuner_app.tuners import Observer, SearchFailed


def trials(tuner) -> list:
    with SearchReader(tuner.project_dir) as reader:
        return reader.trials()


def answers(tuner) -> list:
    """What must be the same in two searches: which values, and what came of them."""
    return [(t.trial_id, t.hyperparameters, t.score) for t in trials(tuner)]


def interrupt_at(run: int):
    def outcome(x, number):
        if number == run:
            raise KeyboardInterrupt
        return (x - 0.3) ** 2

    return outcome


class Events(Observer):
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def search_begun(self, max_trials, objective, direction):
        self.told.append(("search_begun", max_trials, objective, direction))

    def trial_begun(self, trial):
        self.told.append(("trial_begun", trial.trial_id, trial.status))

    def epoch_ended(self, trial_id, execution, epoch, metrics):
        self.told.append(("epoch_ended", trial_id, execution, epoch))

    def trial_ended(self, trial):
        self.told.append(("trial_ended", trial.trial_id, trial.status))

    def search_ended(self, summary):
        self.told.append(("search_ended", summary["outcome"], summary["completed"]))


def test_observers_are_told_everything_in_order(quick_tuner):
    events = Events()
    quick_tuner(max_trials=2, observers=[events]).search()
    assert events.told == [
        ("search_begun", 2, "score", "min"),
        ("trial_begun", "0", "RUNNING"),
        ("epoch_ended", "0", 0, 0),
        ("epoch_ended", "0", 0, 1),
        ("trial_ended", "0", "COMPLETED"),
        ("trial_begun", "1", "RUNNING"),
        ("epoch_ended", "1", 0, 0),
        ("epoch_ended", "1", 0, 1),
        ("trial_ended", "1", "COMPLETED"),
        ("search_ended", "done", 2),
    ]


def test_observers_are_told_the_epochs_that_hyperband_plans(quick_tuner):
    class Planned(Observer):
        def trials_planned(self, epochs):
            self.planned = list(epochs)

    told = Planned()
    options = {"max_epochs": 4, "factor": 2}
    quick_tuner(oracle="hyperband", max_trials=8, options=options, observers=[told]).search()
    # Brackets of 4 trials of one epoch, of whom 2 get a second, and 1 two more; and one of four.
    assert told.planned == [1] * 4 + [2 - 1] * 2 + [4 - 2] + [4]


@pytest.mark.parametrize("oracle", ["random", "grid", "hyperband", "bayesian"])
@pytest.mark.parametrize("run", [0, 4])
def test_ctrl_c_puts_the_trial_back_and_a_resume_ends_as_if_undisturbed(quick_tuner, oracle, run):
    arguments = {
        "oracle": oracle,
        "max_trials": 5 if oracle == "bayesian" else 8,  # the process is slow to fit
        "options": {
            "hyperband": {"max_epochs": 4, "factor": 2},
            "bayesian": {"num_initial_points": 3},
        }.get(oracle, {}),
    }
    if oracle == "grid":
        arguments["space"] = "discrete"
    undisturbed = quick_tuner(name="undisturbed", **arguments)
    undisturbed.search()

    events = Events()
    stopped = quick_tuner(interrupt_at(run), observers=[events], **arguments)
    with pytest.raises(KeyboardInterrupt):
        stopped.search()
    assert events.told[-1] == ("search_ended", "interrupted", run)
    assert [t.status for t in trials(stopped)] == ["COMPLETED"] * run + ["IDLE"]

    resumed = quick_tuner(**arguments)
    resumed.search()
    assert answers(resumed) == answers(undisturbed)
    assert resumed.runs == undisturbed.runs - run  # nothing completed ran again
    with SearchReader(resumed.project_dir) as reader:
        outcomes = [a["outcome"] for a in reader.attempts(trials(resumed)[run].trial_id)]
    assert outcomes == ["INTERRUPTED", "COMPLETED"]


def test_the_same_tuner_goes_on_after_ctrl_c(quick_tuner):
    tuner = quick_tuner(interrupt_at(2))
    with pytest.raises(KeyboardInterrupt):
        tuner.search()
    tuner.search()
    assert [t.status for t in trials(tuner)] == ["COMPLETED"] * 5


def test_a_finished_search_runs_nothing_again(quick_tuner):
    first = quick_tuner()
    first.search()
    again = quick_tuner()
    assert len(again.oracle.trials) == 5 and again.remaining_trials == 0
    again.search()
    assert again.runs == 0 and answers(again) == answers(first)
    best = again.get_best_hyperparameters()[0].values["x"]
    assert best == results.read(first.project_dir).best.hyperparameters["x"]


def test_a_trial_in_which_the_process_dies_again_and_again_is_given_up(quick_tuner):
    tuner = quick_tuner(max_trials=3, max_deaths=2)
    for _ in range(2):
        tuner._attach()
        assert tuner._open_trial().trial_id == "0"
        tuner.store.lock.release()  # dead, from where the next one looks
        tuner = quick_tuner(max_trials=3, max_deaths=2)
    tuner.search()
    assert [t.status for t in trials(tuner)] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert trials(tuner)[0].message == "The process died 2 times while this trial ran"


CHANGES = [
    ({"max_trials": 6}, r"oracle max_trials: 5 before, 6 now"),
    ({"objective": "loss"}, r"objective name: 'score' before, 'loss' now"),
    ({"space": "other"}, r"search space: space differs"),
    ({"space": "wider"}, r"search space: space differs, x differs"),
    ({"oracle": "bayesian"}, r"oracle name: 'random' before, 'BayesianOracle' now"),
    ({"executions_per_trial": 2}, r"executions_per_trial: 1 before, 2 now"),
    ({"seed": 7}, r"seed: 0 before, 7 now"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_a_changed_space_objective_or_budget_is_refused(quick_tuner, change, words):
    first = quick_tuner()
    first.search()
    before = answers(first)
    with pytest.raises(UserError, match=words + '.*on_change="take"'):
        quick_tuner(**change)
    assert answers(first) == before


def test_a_changed_number_of_epochs_is_refused_or_taken(quick_tuner):
    tuner = quick_tuner()
    tuner.search(epochs=2)
    with pytest.raises(UserError, match="epochs: 2 before, 3 now"):
        quick_tuner().search(epochs=3)
    quick_tuner(on_change="take").search(epochs=3)


def test_a_larger_budget_is_taken_when_asked(quick_tuner):
    quick_tuner().search()
    more = quick_tuner(max_trials=8, on_change="take")
    more.search()
    assert more.runs == 3
    straight = quick_tuner(max_trials=8, name="straight")
    straight.search()
    assert [a[1:] for a in answers(more)] == [a[1:] for a in answers(straight)]
    quick_tuner(max_trials=8)  # the new budget is now what was asked


def test_another_objective_is_taken_when_asked_and_scores_what_was_done(quick_tuner):
    quick_tuner().search()
    before = {t.trial_id: t.score for t in trials(quick_tuner())}
    tuner = quick_tuner(objective="loss", on_change="take")
    # Of the two epochs the loss is lowest in the first, where it equals the score.
    assert {t.trial_id: (t.score, t.best_epoch) for t in trials(tuner)} == {
        trial_id: (pytest.approx(score), 0) for trial_id, score in before.items()
    }
    assert results.read(tuner.project_dir).objective == "loss"


def test_an_objective_that_nobody_recorded_cannot_be_taken(quick_tuner):
    quick_tuner().search()
    with pytest.raises(UserError, match="trial 0 reported no val_auc"):
        quick_tuner(objective="val_auc", on_change="take")


def test_another_space_is_taken_when_asked(quick_tuner):
    quick_tuner(lambda x, run: x).search()
    wider = quick_tuner(lambda x, run: x, space="wider", max_trials=60, on_change="take")
    wider.search()
    values = [t.hyperparameters["x"] for t in trials(wider)]
    assert max(values[:5]) <= 1.0 < max(values[5:])


def test_a_second_process_is_refused_with_the_owners_pid(quick_tuner, tmp_path):
    quick_tuner().search()
    program = (
        "import pathlib, sys; from tuner_app.store.lock import DirectoryLock; "
        "lock = DirectoryLock.acquire(pathlib.Path(sys.argv[1])); print('mine', flush=True); "
        "sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "search")],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout.readline() == "mine\n"
        for overwrite in (False, True):
            with pytest.raises(UserError, match=f"in use by another search .pid {owner.pid} on"):
                quick_tuner(overwrite=overwrite)
        assert len(results.read(tmp_path / "search").trials) == 5  # reading is allowed
    finally:
        owner.kill()
        owner.communicate()
    assert quick_tuner().remaining_trials == 0  # the dead do not keep it


def test_overwrite_begins_anew_and_spares_what_is_not_ours(quick_tuner, tmp_path):
    quick_tuner().search()
    (tmp_path / "search" / "notes.txt").write_text("mine")
    tuner = quick_tuner(max_trials=2, seed=1, overwrite=True)
    assert trials(tuner) == []
    tuner.search()
    assert len(trials(tuner)) == 2
    assert (tmp_path / "search" / "notes.txt").read_text() == "mine"


def test_overwrite_deletes_nothing_in_a_directory_of_somebody_else(quick_tuner, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "letter.txt").write_text("Dear Anna")
    with pytest.raises(UserError, match="belongs to something else"):
        quick_tuner(overwrite=True)
    assert [path.name for path in (tmp_path / "search").iterdir()] == ["letter.txt"]


def test_making_a_tuner_writes_nothing(quick_tuner, tmp_path):
    tuner = quick_tuner()
    assert list(tmp_path.iterdir()) == [] and not holds_search(tuner.project_dir)


def test_a_tuner_gives_the_directory_up_after_its_search(quick_tuner):
    tuner = quick_tuner()
    tuner.search()
    assert tuner.store is None
    with open(f"{tuner.project_dir}/search.lock") as lock:
        assert lock.read() == ""


def test_reload_takes_what_another_has_done_since(quick_tuner):
    first, second = quick_tuner(), quick_tuner()
    second.search()
    assert len(first.oracle.trials) == 0
    first.reload()
    assert len(first.oracle.trials) == 5
    first.search()
    assert first.runs == 0


def test_keep_best_frees_weights_while_searching_and_after_a_resume(quick_tuner, tmp_path):
    def on_disk() -> set[str]:
        return {path.parent.name[-1] for path in tmp_path.glob("search/trial_*/*.weights.h5")}

    seen = []

    def outcome(x, run):
        seen.append(len(on_disk()))
        if run == 5 and len(seen) == 6:
            raise KeyboardInterrupt
        return x

    def tuner():
        made = quick_tuner(outcome, max_trials=9, keep_best=2)
        train = made.run_trial

        def run_trial(trial, **arguments):
            found = train(trial, **arguments)
            with open(made._get_checkpoint_fname(trial.trial_id), "w") as file:
                file.write("weights")
            return found

        made.run_trial = run_trial
        return made

    with pytest.raises(KeyboardInterrupt):
        tuner().search()
    resumed = tuner()
    resumed.search()
    assert max(seen) == 2
    best = sorted(trials(resumed), key=lambda trial: trial.score)[:2]
    assert on_disk() == {trial.trial_id for trial in best}


def test_a_search_that_failed_may_be_resumed(quick_tuner):
    def broken(x, run):
        raise ValueError("a bug")

    with pytest.raises(SearchFailed):
        quick_tuner(broken).search()
    mended = quick_tuner()
    mended.search()
    assert [t.status for t in trials(mended)] == ["FAILED"] * 3 + ["COMPLETED"] * 2
