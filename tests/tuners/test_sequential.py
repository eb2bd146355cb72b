"""Real training, one trial after another: seeds, epochs, weights, divergence, Hyperband."""

import json
import math
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from tuner_app import oracles, results
from tuner_app.tuners import SearchFailed, SequentialTuner

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1).astype("float32")
DATA = {"x": X[:32], "y": Y[:32], "validation_data": (X[32:], Y[32:])}


def build(hp):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu")])
    model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Dense(1))
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


@pytest.fixture
def tuner(tmp_path):
    def make(hypermodel=build, name="random", max_trials=2, folder="search", **arguments):
        options = arguments.pop("options", {})
        oracle = oracles.create(name, "val_loss", max_trials, arguments.pop("seed", 0), **options)
        return SequentialTuner(
            oracle, hypermodel, directory=tmp_path, project_name=folder, **arguments
        )

    return make


def scores(tuner) -> list[float]:
    found = sorted(results.read(tuner.project_dir).trials, key=lambda trial: trial.trial_id)
    return [trial.score for trial in found]


def weights(tuner, trial_id: str) -> Path:
    return Path(tuner.project_dir) / f"trial_{trial_id}" / "checkpoint.weights.h5"


def test_the_same_seed_gives_the_same_scores_whatever_ran_before(tuner):
    first, again, other = tuner(folder="a"), tuner(folder="b"), tuner(folder="c", seed=1)
    for each in (first, again, other):
        each.search(**DATA, epochs=2, batch_size=8, verbose=0)
    assert scores(first) == scores(again) != scores(other)
    # The second trial alone, as a resume would run it.
    trial = first.oracle.trials["1"]
    (history,) = first.run_trial(trial, **DATA, epochs=2, batch_size=8, verbose=0)
    assert min(history.history["val_loss"]) == scores(first)[1]


def test_a_retry_trains_with_another_seed(tuner):
    made = tuner()
    made.oracle.trials["0"] = made.oracle.create_trial("tuner0")
    seeds = [made.seed_of("0", 0), made.seed_of("0", 1)]
    made.oracle._run_times["0"] = 1
    seeds.append(made.seed_of("0", 0))
    assert len(set(seeds)) == 3


def test_every_epoch_is_kept_with_its_learning_rate(tuner):
    made = tuner(max_trials=1, executions_per_trial=2)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    made.search(**DATA, epochs=3, verbose=0, callbacks=[halve])
    history = results.history(made.project_dir, "0")
    assert list(history) == [(execution, epoch) for execution in (0, 1) for epoch in (0, 1, 2)]
    rate = made.oracle.trials["0"].hyperparameters.values["rate"]
    for (_, epoch), metrics in history.items():
        assert metrics["learning_rate"] == pytest.approx(rate / 2**epoch)
        assert metrics.keys() == {"loss", "val_loss", "learning_rate"}
    best = [min(history[run, epoch]["val_loss"] for epoch in range(3)) for run in (0, 1)]
    (trial,) = results.read(made.project_dir).trials
    assert trial.score == pytest.approx(sum(best) / 2)
    assert trial.epochs == 6 and trial.seconds > 0


def test_a_schedules_rate_is_the_one_of_that_epoch(tuner):
    def scheduled(hp):
        model = build(hp)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=4, decay_rate=0.5)
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    made = tuner(scheduled, max_trials=1)
    made.search(**DATA, epochs=2, batch_size=8, verbose=0)  # 4 steps an epoch
    rates = [m["learning_rate"] for m in results.history(made.project_dir, "0").values()]
    assert rates == pytest.approx([0.05, 0.025])


def test_the_best_epochs_weights_are_kept_and_loaded(tuner):
    made = tuner()
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    made.search(**DATA, epochs=6, batch_size=8, verbose=0, callbacks=[stop])
    best = results.read(made.project_dir).best
    (model,) = made.get_best_models()
    predicted = model.predict(X[32:], verbose=0)
    assert np.mean((predicted - Y[32:]) ** 2) == pytest.approx(best.score, rel=1e-5)
    history = results.history(made.project_dir, best.trial_id)
    assert history[0, best.best_epoch]["val_loss"] == pytest.approx(best.score)
    assert not list(Path(made.project_dir).rglob("partial.*"))


def test_weights_are_whole_even_if_the_process_dies_while_it_writes_them(tuner, monkeypatch):
    made = tuner(max_trials=1)
    made.search(**DATA, epochs=1, verbose=0)
    before = weights(made, "0").read_bytes()
    save = keras.Model.save_weights

    def dies(model, path, **arguments):
        save(model, path, **arguments)
        Path(path).write_bytes(Path(path).read_bytes()[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "save_weights", dies)
    with pytest.raises(KeyboardInterrupt):
        made.run_trial(made.oracle.trials["0"], **DATA, epochs=1, verbose=0)
    assert weights(made, "0").read_bytes() == before


def test_only_the_best_weights_stay_on_disk(tuner):
    made = tuner(max_trials=4, keep_best=1)
    made.search(**DATA, epochs=1, verbose=0)
    left = [path.parent.name for path in Path(made.project_dir).glob("trial_*/*.weights.h5")]
    assert left == [f"trial_{results.read(made.project_dir).best.trial_id}"]


def test_a_trial_that_diverges_ends_at_that_epoch_with_its_reason(tuner):
    def diverging(hp):
        model = build(hp)
        if hp.Boolean("explode"):
            model.compile(keras.optimizers.SGD(1e30), "mse")
        return model

    made = tuner(diverging, max_trials=6)
    made.search(**DATA, epochs=4, verbose=0)
    by_choice = {True: [], False: []}
    for trial in results.read(made.project_dir).trials:
        by_choice[trial.hyperparameters["explode"]].append(trial)
    assert by_choice[True] and by_choice[False]
    for trial in by_choice[True]:
        assert trial.status == "FAILED" and trial.epochs < 4
        assert trial.message.startswith("Diverged: loss is ")
        last = results.history(made.project_dir, trial.trial_id)[0, trial.epochs - 1]
        assert not math.isfinite(last["loss"])
    assert all(trial.status == "COMPLETED" for trial in by_choice[False])
    # Every file that holds the NaN is still JSON.
    for path in Path(made.project_dir).rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_models_that_are_too_large_or_fail_to_build_are_recorded(tuner):
    def sometimes(hp):
        kind = hp.Choice("kind", ["good", "large", "broken"])
        if kind == "broken" and sometimes.armed:
            raise ValueError("kernel larger than the image")
        model = keras.Sequential([keras.Input((3,))])
        model.add(keras.layers.Dense(1000 if kind == "large" else 2))
        model.add(keras.layers.Dense(1))
        model.compile("sgd", "mse")
        return model

    sometimes.armed = False
    made = tuner(sometimes, name="grid", max_trials=3, max_model_size=100)
    sometimes.armed = True
    made.search(**DATA, epochs=1, verbose=0)
    found = {t.hyperparameters["kind"]: t for t in results.read(made.project_dir).trials}
    assert found["good"].status == "COMPLETED"
    assert found["large"].message == "Oversized model: 5001 parameters. Skip model."
    assert found["broken"].message == "ValueError: kernel larger than the image"


def test_out_of_memory_in_fit_is_recorded(tuner):
    import tensorflow as tf

    class Greedy(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    made = tuner(Greedy())
    with pytest.raises(SearchFailed, match="No trial completed, of 2. .*Out of memory: OOM when"):
        made.search(**DATA, epochs=1, verbose=0)


@pytest.mark.parametrize("built", [True, False])
def test_hyperband_goes_on_from_the_promoted_trials_weights(tuner, built):
    def unbuilt(hp):
        model = keras.Sequential([keras.layers.Dense(1)])  # its shapes are known when it trains
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
        return model

    made = tuner(
        build if built else unbuilt,
        name="hyperband",
        max_trials=None,
        options={"max_epochs": 2, "factor": 2, "hyperband_iterations": 1},
        keep_best=1,
    )
    made.search(**DATA, verbose=0)
    found = results.read(made.project_dir).trials
    promoted = [trial for trial in found if "tuner/trial_id" in trial.hyperparameters]
    assert promoted and all(trial.status == "COMPLETED" for trial in found)
    for trial in promoted:
        earlier = next(t for t in found if t.trial_id == trial.hyperparameters["tuner/trial_id"])
        assert list(results.history(made.project_dir, earlier.trial_id)) == [(0, 0)]
        assert list(results.history(made.project_dir, trial.trial_id)) == [(0, 1)]
        assert trial.best_epoch == 1


def test_a_nan_in_the_first_epoch_does_not_hide_the_good_ones():
    from tuner_app.tuners.runs.run_results import best_of

    history = keras.callbacks.History()
    history.epoch = [0, 1, 2]
    history.history = {"val_loss": [math.nan, 0.5, 0.7], "loss": [1.0, 2.0, 3.0]}
    objective = keras_tuner.Objective("val_loss", "min")
    assert best_of(history, objective) == ({"val_loss": 0.5, "loss": 2.0}, 1)
    history.history["val_loss"] = [math.nan] * 3
    assert math.isnan(best_of(history, objective)[0]["val_loss"])


def test_several_objectives_are_summed(tmp_path):
    oracle = oracles.create("random", ["val_loss", "loss"], 1, seed=0)
    made = SequentialTuner(oracle, build, directory=tmp_path, project_name="sum")
    made.search(**DATA, epochs=2, verbose=0)
    history = results.history(made.project_dir, "0").values()
    expected = min(metrics["val_loss"] + metrics["loss"] for metrics in history)
    assert results.read(made.project_dir).best.score == pytest.approx(expected)


class TrainsItself(keras_tuner.HyperModel):
    """A fit of the user's own, whose callbacks are told nothing but the epochs."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *arguments, callbacks, **keywords):
        for callback in callbacks:
            callback.set_model(model)
        for epoch, loss in enumerate((3.0, 1.0, 2.0)):
            for callback in callbacks:
                callback.on_epoch_end(epoch, {"val_loss": loss})
        return 1.0


def test_a_fit_of_the_users_own_is_reported_by_epoch(tuner, tmp_path):
    tuner(TrainsItself()).search(**DATA)
    for trial in results.read(tmp_path / "search").trials:
        assert (trial.status, trial.score, trial.epochs) == ("COMPLETED", 1.0, 3)


def test_what_cuts_the_last_open_trial_short_is_told(tuner):
    made = tuner(max_trials=1, options={"budget": oracles.Budget(target=1e6)})
    made.search(**DATA, epochs=3, batch_size=32, verbose=0)
    assert results.read(made.project_dir).trials[0].epochs == 1
    assert made.cut_short == "the target of 1e+06 was reached"
    whole = tuner(max_trials=1, folder="whole", options={"budget": oracles.Budget(target=-1.0)})
    whole.search(**DATA, epochs=2, batch_size=32, verbose=0)
    assert whole.cut_short == ""
