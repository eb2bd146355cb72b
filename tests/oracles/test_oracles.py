"""Oracles by name: seeds, failures, locks, and what they keep in the store."""

import math
import random
import threading

import keras_tuner
import pytest
from keras_tuner.src.engine import oracle as oracle_module

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.store import SearchStore

SCORE = keras_tuner.Objective("score", "max")
NAMES = ["random", "grid", "hyperband", "bayesian"]


def oracle(name: str = "random", max_trials: int = 6, seed: int | None = 0, **options):
    if name == "hyperband":
        options = {"max_epochs": 4, "factor": 2} | options
    if name == "bayesian":
        options = {"num_initial_points": 5} | options  # the process is slow to fit
    made = oracles.create(name, SCORE, max_trials, seed, **options)
    made.hyperparameters.Choice("units", [8, 16, 32])
    made.hyperparameters.Choice("rate", [0.1, 0.2, 0.3, 0.4])
    return made


def run(made, number: int = 10**6, slot: str = "tuner0") -> list[dict]:
    """Runs trials whose score is their rate; the values of each."""
    values = []
    while len(values) < number:
        trial = made.create_trial(slot)
        if trial.status != "RUNNING":
            break
        values.append(dict(trial.hyperparameters.values))
        made.update_trial(trial.trial_id, {"score": trial.hyperparameters.values["rate"]})
        trial.status = "COMPLETED"
        made.end_trial(trial)
    return values


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_values(name):
    random.seed(1)
    first = run(oracle(name))
    random.seed(2)  # KerasTuner draws a seed from here where it is given 0
    assert run(oracle(name)) == first and len(first) == 6


def test_zero_is_a_seed_and_none_is_not(tmp_path):
    assert oracle(seed=0).seed == 0
    random.seed(1)
    one = oracle(seed=None)
    random.seed(2)
    other = oracle(seed=None)
    assert one.seed != other.seed
    for wrong in (-1, 2**32):
        with pytest.raises(UserError, match=f"seed from 0 .* received {wrong}"):
            oracle(seed=wrong)


def test_a_seed_that_was_drawn_is_kept_with_the_search(tmp_path):
    made = oracle(seed=None)
    with SearchStore(tmp_path) as store:
        made.attach(store)
        made.save()
        again = oracle(seed=None)
        again.attach(store)
        again.reload()
        assert again.seed == made.seed


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("done", [1, 4])
def test_a_reloaded_oracle_goes_on_where_the_first_stopped(tmp_path, name, done):
    undisturbed = run(oracle(name))
    first = oracle(name)
    with SearchStore(tmp_path) as store:
        first.attach(store)
        begun = run(first, done)
        open_trial = first.create_trial("tuner0")
        values = dict(open_trial.hyperparameters.values)
        second = oracle(name)
        second.attach(store)
        second.reload()
        assert second.trials[open_trial.trial_id].status == "IDLE"
        assert begun + run(second) == undisturbed
        assert undisturbed[done] == values
        assert second.get_best_trials(1)[0].score == max(value["rate"] for value in undisturbed)


def test_open_trials_of_many_slots_come_back_in_order(tmp_path):
    first = oracle()
    with SearchStore(tmp_path) as store:
        first.attach(store)
        ids = [first.create_trial(f"tuner0-slot{slot}").trial_id for slot in range(4)]
        assert first.create_trial("tuner0-slot2").trial_id == ids[2]  # its own trial again
        assert len(store.attempts(ids[2])) == 1
        second = oracle()
        second.attach(store)
        second.reload()
        assert [second.create_trial(f"tuner0-slot{slot}").trial_id for slot in range(4)] == ids


def test_hyperband_labels_every_trial_with_its_own_bracket():
    made = oracle("hyperband", max_trials=None)
    open_trials = [made.create_trial(f"slot{slot}") for slot in range(9)]
    for trial in open_trials:
        values = trial.hyperparameters.values
        # A bracket b begins with max_epochs / factor**b epochs.
        assert values["tuner/epochs"] == math.ceil(4 / 2 ** values["tuner/bracket"])
    assert len({trial.hyperparameters.values["tuner/bracket"] for trial in open_trials}) > 1


def test_hyperband_with_a_number_of_trials_runs_so_many():
    assert len(run(oracle("hyperband", max_trials=11, max_epochs=2))) == 11


def test_hyperband_keeps_the_weights_that_a_promotion_may_need():
    made = oracle("hyperband")
    first = made.create_trial("tuner0")
    assert made.weights_needed() == {first.trial_id}


def test_a_trial_that_waits_does_not_lend_its_score_to_the_gaussian_process():
    made = oracle("bayesian")
    run(made, 3)
    waiting = made.create_trial("tuner0")
    made.put_back(waiting.trial_id)
    x, y = made._vectorize_trials()
    assert len(x) == len(y) == 3


def test_an_error_inside_the_oracle_leaves_it_usable_by_other_threads():
    class Failing(keras_tuner.oracles.RandomSearchOracle):
        fails = True

        def populate_space(self, trial_id):
            if self.fails:
                raise RuntimeError("no values today")
            return super().populate_space(trial_id)

    made = oracles.stored(Failing(objective=SCORE, max_trials=2))
    made.hyperparameters.Choice("rate", [0.1, 0.2, 0.3])
    with pytest.raises(RuntimeError, match="no values today"):
        made.create_trial("tuner0")
    made.fails = False
    found = []
    thread = threading.Thread(target=lambda: found.extend(run(made)), daemon=True)
    thread.start()
    thread.join(20)
    assert len(found) == 2


def test_an_interruption_as_keras_tuner_takes_its_lock_leaves_the_oracle_usable(monkeypatch):
    """Ctrl-C between the lock's taking and the note of whose it is: the next call would wait."""

    class Interrupted(dict):
        def __getitem__(self, oracle):
            return None

        def __setitem__(self, oracle, thread):
            if thread is not None:
                raise KeyboardInterrupt

    oracle = oracles.create("random", "val_loss", max_trials=3, seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(oracle_module, "THREADS", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            oracle.create_trial("tuner0")
    assert not oracle_module.LOCKS[oracle].locked()
    assert oracle.create_trial("tuner0").status == "RUNNING"


def test_a_users_own_oracle_keeps_its_own_state_in_the_store(tmp_path):
    class Counting(keras_tuner.Oracle):
        asked = 0

        def populate_space(self, trial_id):
            self.asked += 1
            return {"status": "RUNNING", "values": {"rate": self.asked / 10}}

        def get_state(self):
            return super().get_state() | {"asked": self.asked}

        def set_state(self, state):
            super().set_state(state)
            self.asked = state["asked"]

    def made():
        new = oracles.stored(Counting(objective=SCORE, max_trials=5, seed=3))
        new.hyperparameters.Float("rate", 0.0, 1.0)
        return new

    with SearchStore(tmp_path) as store:
        first = made()
        assert isinstance(first, Counting) and type(first).__name__ == "Counting"
        first.attach(store)
        run(first, 2)
        second = made()
        second.attach(store)
        second.reload()
        assert second.asked == 2 and run(second)[0] == {"rate": 0.3}


@pytest.mark.parametrize("name", NAMES)
def test_keras_tuners_own_oracles_become_ours(name):
    theirs = {
        "random": keras_tuner.oracles.RandomSearchOracle(objective=SCORE, max_trials=6, seed=4),
        "grid": keras_tuner.oracles.GridSearchOracle(objective=SCORE, max_trials=6, seed=4),
        "hyperband": keras_tuner.oracles.HyperbandOracle(
            objective=SCORE, max_epochs=4, factor=2, seed=4
        ),
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle(
            objective=SCORE, max_trials=6, num_initial_points=5, seed=4
        ),
    }[name]
    theirs.max_trials = 6  # ids are as wide as this number, Hyperband's too
    theirs.hyperparameters.Choice("units", [8, 16, 32])
    theirs.hyperparameters.Choice("rate", [0.1, 0.2, 0.3, 0.4])
    ours = oracle(name, seed=4)
    if name == "random":  # by this name the command line means Optuna's sampler
        ours = oracles.RandomOracle(objective=SCORE, max_trials=6, seed=4)
        ours.hyperparameters.merge(theirs.hyperparameters)
    assert run(oracles.stored(theirs), 6) == run(ours, 6)


def test_oracles_print_nothing(capsys):
    made = oracle(max_retries_per_trial=1)
    trial = made.create_trial("tuner0")
    trial.status = "INVALID"
    made.end_trial(trial)
    run(made)
    assert capsys.readouterr() == ("", "")


def test_names_and_objectives_that_nobody_knows():
    with pytest.raises(UserError, match="Unknown oracle 'baysian'. Did you mean 'bayesian'"):
        oracles.create("baysian", SCORE)
    with pytest.raises(UserError, match="minimize or maximize 'val_joy'"):
        oracles.create("random", "val_joy")
    assert oracles.create("random", "val_accuracy").objective.direction == "max"
