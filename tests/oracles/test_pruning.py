"""Trials that are ended early: Optuna's verdicts, their status, their curves, resumes."""

import json
import math

import keras_tuner
import optuna
import pytest

from tuner_app import oracles, results
from tuner_app.config import SearchConfig
from tuner_app.config_checks import PRUNERS
from tuner_app.errors import UserError
from tuner_app.oracles import pruning
from tuner_app.store import SearchReader, SearchStore

SCORE = keras_tuner.Objective("score", "min")
EPOCHS = 9


def oracle(pruner: str, name: str = "random", trials: int = 24, **options):
    made = oracles.create(name, SCORE, trials, 0, EPOCHS, pruner=pruner, **options)
    made.hyperparameters.Float("a", 0.0, 1.0, step=0.001 if name == "grid" else None)
    return made


def value(a: float, epoch: int) -> float:
    """A curve that falls towards `a`, some of them from above others."""
    return a + (1.2 - a) * 0.5 ** (epoch + 1)


def train(made, store=None) -> tuple[float, int] | None:
    """One trial to its end, or until it is pruned. Its values, and its epochs."""
    trial = made.create_trial("tuner0")
    if trial.status != "RUNNING":
        return None
    a = trial.hyperparameters.values["a"]
    for epoch in range(EPOCHS):
        report = (trial.trial_id, 0, epoch, {"score": value(a, epoch)})
        if store is not None:
            store.report_epochs([(*report, None)])
        made.hear([report])
        if epoch + 1 < EPOCHS and made.verdict(trial.trial_id):
            trial.status, trial.message = "STOPPED", made.verdict(trial.trial_id)
            made.end_trial(trial)
            return a, epoch + 1
    made.update_trial(trial.trial_id, {"score": value(a, EPOCHS - 1)})
    trial.status = "COMPLETED"
    made.end_trial(trial)
    return a, EPOCHS


def search(made) -> list[tuple[float, int]]:
    found = []
    while (trained := train(made)) is not None:
        found.append(trained)
    return found


def optunas(pruner: str, sampler: optuna.samplers.BaseSampler) -> list[tuple[float, int]]:
    """The same search by Optuna itself."""
    made = pruning.pruner(pruner, EPOCHS)
    study = optuna.create_study(sampler=sampler, pruner=made, study_name="search")
    found = []
    for _ in range(24):
        trial = study.ask()
        a = trial.suggest_float("a", 0.0, 1.0)
        for epoch in range(EPOCHS):
            trial.report(value(a, epoch), epoch + 1)
            pruned = epoch + 1 < EPOCHS and trial.should_prune()
            if pruned:
                break
        state = optuna.trial.TrialState.PRUNED if pruned else None
        study.tell(trial, None if pruned else value(a, EPOCHS - 1), state)
        found.append((a, epoch + 1))
    return found


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "none"])
def test_trials_end_where_optuna_ends_them(pruner):
    ours = search(oracle(pruner))
    assert [a for a, _ in ours] == pytest.approx(
        [a for a, _ in optunas(pruner, optuna.samplers.RandomSampler(seed=0))]
    )
    assert [e for _, e in ours] == [
        e for _, e in optunas(pruner, optuna.samplers.RandomSampler(seed=0))
    ]
    assert (min(e for _, e in ours) < EPOCHS) == (pruner != "patient")  # no curve stands still


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_of_lanes_that_report_at_once_a_third_goes_on_whatever_their_order():
    """Optuna judges one after another, so that the first always passes, however bad."""
    going_on = []
    for order in (1, -1):
        made = oracle("asha")
        trials = [made.create_trial(f"lane{lane}") for lane in range(9)]
        a = {t.trial_id: t.hyperparameters.values["a"] for t in trials}
        made.hear([(t.trial_id, 0, 0, {"score": value(a[t.trial_id], 0)}) for t in trials[::order]])
        going_on.append({t.trial_id for t in trials if not made.verdict(t.trial_id)})
    assert going_on[0] == going_on[1] == set(sorted(a, key=a.get)[:3])


def test_tpe_learns_from_pruned_trials_as_optunas_does():
    ours = search(oracle("asha", "tpe"))
    theirs = optunas("asha", optuna.samplers.TPESampler(seed=0))
    assert [e for _, e in ours] == [e for _, e in theirs]
    assert [a for a, _ in ours] == pytest.approx([a for a, _ in theirs])


@pytest.mark.parametrize("name", ["grid", "bayesian"])
def test_any_oracle_can_be_pruned(name):
    options = {"num_initial_points": 30} if name == "bayesian" else {}
    epochs = [epochs for _, epochs in search(oracle("median", name, **options))]
    assert len(epochs) == 24 and min(epochs) < EPOCHS == max(epochs)


@pytest.mark.parametrize("name", ["random", "tpe", "cmaes"])
def test_pruned_trials_are_kept_and_a_resume_prunes_as_before(tmp_path, name):
    undisturbed = search(oracle("asha", name))
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "score", "direction": "min"})
        first = oracle("asha", name)
        first.attach(store)
        begun = [train(first, store) for _ in range(12)]
        second = oracle("asha", name)
        second.attach(store)
        second.reload()
        assert begun + search(second) == undisturbed
        pruned = [i for i, trial in second.trials.items() if trial.status == "STOPPED"][0]
    with SearchReader(tmp_path) as reader:
        row = reader.trial(pruned)
        assert row.status == "PRUNED" and row.score is None
        assert row.message == f"Pruned after {row.epochs} epoch{'s' * (row.epochs > 1)}: asha"
        assert len(reader.history(pruned)) == row.epochs < EPOCHS
    file = json.loads((tmp_path / f"trial_{pruned}" / "trial.json").read_text())
    assert file["status"] == "STOPPED"  # KerasTuner's word, which its `Trial.load` takes
    found = results.read(tmp_path)
    told = {t["trial_id"]: t for t in json.loads(results.as_json(found))["trials"]}
    assert told[pruned]["status"] == "PRUNED" and told[pruned]["rank"] is None
    assert found.best.status == "COMPLETED"


def test_a_pruned_trial_survives_the_loss_of_the_database(tmp_path):
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "score", "direction": "min"})
        made = oracle("asha")
        made.attach(store)
        for _ in range(4):
            train(made, store)
        statuses = [row.status for row in store.trials()]
    for path in tmp_path.glob("search.db*"):
        path.unlink()
    with SearchReader(tmp_path) as reader:
        assert [row.status for row in reader.trials()] == statuses
    assert "PRUNED" in statuses


def test_wrong_wishes():
    with pytest.raises(UserError, match="Unknown pruner 'asa'. Did you mean 'asha'"):
        oracle("asa")
    with pytest.raises(UserError, match="median needs to know epochs"):
        oracles.create("random", SCORE, pruner="median")
    with pytest.raises(UserError, match="Pruning needs one objective"):
        oracles.create("random", [SCORE, "val_loss"], epochs=3, pruner="median")
    with pytest.raises(UserError, match="the oracle hyperband ends trials early by itself"):
        SearchConfig(oracle="hyperband", pruner="asha")
    assert tuple(pruning.PRUNERS) == PRUNERS


def test_asha_lets_a_third_pass_rounded_up_and_ties():
    def passes(values: list[float], direction: str) -> list[bool]:
        made = pruning.pruner("asha", 9)
        study = optuna.create_study(pruner=made, direction=direction)
        found = []
        for value in values:
            trial = study.ask()
            trial.report(value, 1)
            found.append(not trial.should_prune())
            study.tell(trial, 0.0)
        return found

    # Of 1, 2, 3 one passes, of 4, 5, 6 two, of 7 three; the one that equals the last of them too.
    assert passes([5, 6, 4, 4.5, 7, 4.5, 5], "minimize") == [1, 0, 1, 1, 0, 1, 0]
    assert passes([-5, -6, -4, -4.5, -7, -4.5, -5], "maximize") == [1, 0, 1, 1, 0, 1, 0]
    assert passes([5, math.nan, 4], "minimize") == [1, 0, 1]


@pytest.mark.parametrize("pruner", ["none", "asha"])
def test_what_ends_first_is_enough_for_the_model(pruner):
    """So the trials that take the freed places are the model's, not quasi-random ones."""
    made = oracle(pruner, "auto", trials=60, explore="sobol")
    opened = [made.create_trial(f"slot{i}") for i in range(made.most_open)]
    epochs = 1 if pruner == "asha" else EPOCHS
    values = {t.trial_id: t.hyperparameters.values["a"] for t in opened}
    for epoch in range(epochs):
        made.hear([(i, 0, epoch, {"score": value(a, epoch)}) for i, a in values.items()])
    for trial in opened:
        if made.verdict(trial.trial_id):
            trial.status, trial.message = "STOPPED", made.verdict(trial.trial_id)
        elif pruner == "none":
            made.update_trial(trial.trial_id, {"score": value(values[trial.trial_id], EPOCHS - 1)})
            trial.status = "COMPLETED"
        else:
            continue
        made.end_trial(trial)
    assert made.mirror.finished >= made.startup
    assert made.most_open <= 15  # and not many more are drawn before the first is known
