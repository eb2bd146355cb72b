"""What a trial costs besides training does not grow with the number of trials."""

import gc
import tracemalloc

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.store import SearchStore

EARLY, LATE, EACH = 100, 600, 20


def search(oracle, trials: int) -> None:
    for _ in range(trials):
        trial = oracle.create_trial("tuner0")
        metrics = {"score": 0.5, "loss": 0.5, "val_loss": 0.4, "accuracy": 0.9}
        oracle.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_a_trial_keeps_little_memory_and_all_that_it_was(tmp_path):
    """KerasTuner's trial of eight hyperparameters and four metrics alone is of 10,000 bytes."""
    oracle = oracles.create("random", keras_tuner.Objective("score", "min"), None, seed=0)
    for name in "abcdefgh":
        oracle.hyperparameters.Float(name, 0.0, 1.0)
    with SearchStore(tmp_path) as store:
        oracle.attach(store)
        search(oracle, 1)
        (first,) = oracle.trials.values()
        before = first.get_state()
        tracemalloc.start()
        try:
            search(oracle, 119)
            gc.collect()
            begun = tracemalloc.get_traced_memory()[0]
            search(oracle, 100)
            gc.collect()
            kept = (tracemalloc.get_traced_memory()[0] - begun) / 100
        finally:
            tracemalloc.stop()
        assert "metrics" not in vars(first)  # it is folded
        assert first.get_state() == before and isinstance(first, keras_tuner.engine.trial.Trial)
    assert kept < 4500


def test_a_trial_writes_as_much_as_the_hundredth_did(tmp_path):
    """Counted, not timed: statements and bytes. By hand, the same held at 10,000 trials."""
    oracle = oracles.create("random", keras_tuner.Objective("score", "min"), LATE + EACH, seed=0)
    for name in "abcdefgh":
        oracle.hyperparameters.Float(name, 0.0, 1.0)
    with SearchStore(tmp_path) as store:
        oracle.attach(store)
        statements = []
        store._connection.set_trace_callback(statements.append)  # with the values in them
        costs = {}
        for number in range(LATE + EACH):
            if number in (EARLY, LATE):
                statements.clear()
            trial = oracle.create_trial("tuner0")
            store.report_epochs([(trial.trial_id, 0, 0, {"score": 0.5}, 1.0)])
            oracle.update_trial(trial.trial_id, {"score": 0.5})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            if number + 1 - EACH in (EARLY, LATE):
                costs[number + 1 - EACH] = (len(statements), sum(map(len, statements)))
        reads = [s for s in statements if s.startswith("SELECT") and "WHERE" not in s]
        assert {s.split(" FROM ")[1] for s in reads} <= {"oracle"}  # no whole table but the small
    assert costs[LATE][0] == costs[EARLY][0]
    assert costs[LATE][1] == pytest.approx(costs[EARLY][1], rel=0.05)
    largest = max(path.stat().st_size for path in tmp_path.glob("trial_*/trial.json"))
    smallest = min(path.stat().st_size for path in tmp_path.glob("trial_*/trial.json"))
    assert largest < 1.1 * smallest
