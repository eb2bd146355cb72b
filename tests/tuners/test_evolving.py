"""Population-based training: what is copied, what is decided, and that neither lanes nor a stop
change it."""

import json

import keras
import keras_tuner
import numpy as np
import pytest

import tuner_app
from tuner_app import results
from tuner_app.errors import UserError
from tuner_app.population import Population, replay
from tuner_app.population.inheritance import Copy, copy_lanes, read
from tuner_app.store import SearchReader
from tuner_app.tuners import SearchFailed

MEMBERS, INTERVAL, EPOCHS, BATCH = 6, 2, 7, 16
RANGES = {"dropout": (0.1, 0.5), "momentum": (0.1, 0.9), "rate": (1e-3, 1e7)}
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((48, 4)).astype("float32")
Y = (X[:, :1] * X[:, 1:2]).astype("float32")
TRAIN, VALIDATION = (X[:32], Y[:32]), (X[32:], Y[32:])


def build(hp):
    layers = [
        keras.layers.Input((4,)),
        keras.layers.Dense(6, "relu"),
        keras.layers.Dropout(hp.Float("dropout", *RANGES["dropout"])),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    rate = hp.Float("rate", *RANGES["rate"], sampling="log")  # the largest diverge at once
    momentum = hp.Float("momentum", *RANGES["momentum"])
    model.compile(keras.optimizers.SGD(rate, momentum=momentum), "mse")
    return model


def model_of(values):
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(values)
    return build(hyperparameters)


class Stopping(keras.callbacks.Callback):
    """Raises KeyboardInterrupt when so many epochs of members are over."""

    left = None

    def on_epoch_end(self, epoch, logs=None):
        if Stopping.left is not None:
            Stopping.left -= 1
            if Stopping.left == 0:
                raise KeyboardInterrupt


def search(folder, lanes, stop=None):
    tuner = tuner_app.PopulationBasedTraining(
        build,
        "val_loss",
        population=MEMBERS,
        interval=INTERVAL,
        quantile=0.34,
        seed=3,
        lanes=lanes,
        directory=folder,
        project_name="search",
        checkpoint_seconds=0,
    )
    Stopping.left = stop
    tuner.search(
        *TRAIN,
        validation_data=VALIDATION,
        batch_size=BATCH,
        epochs=EPOCHS,
        callbacks=[Stopping()],
        verbose=0,
    )
    return tuner


def curves(tuner):
    with SearchReader(tuner.project_dir) as reader:
        return {row.trial_id: reader.history(row.trial_id) for row in reader.trials()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search in which every member has a lane."""
    return search(tmp_path_factory.mktemp("whole"), MEMBERS)


def test_the_decisions_are_the_papers(whole):
    history, oracle = curves(whole), whole.oracle
    members = sorted(history)
    values = {m: oracle.events(m)[0]["values"] for m in members}
    diverged = 0
    for epoch in range(INTERVAL, EPOCHS, INTERVAL):
        last = np.array([history[m][0, epoch - 1]["val_loss"] for m in members])
        order = np.argsort(np.where(np.isfinite(last), last, np.inf), kind="stable")
        lost = np.flatnonzero(~np.isfinite(last)).tolist()
        now = {m: e for m in members for e in oracle.events(m) if e["epoch"] == epoch}
        assert {int(m) for m in now} == {*order[-2:].tolist(), *lost}
        diverged += len(lost)
        before = dict(values)
        for member, event in now.items():
            assert int(event["source"]) in order[:2].tolist() and event["within"]
            assert event["values"] != before[event["source"]]
            for name, value in before[event["source"]].items():
                low, high = RANGES[name]
                assert low <= event["values"][name] <= high
                assert event["values"].keys() == RANGES.keys(), value
            values[member] = event["values"]
    for member in members:  # what is noted is what trained
        for event in oracle.events(member):
            told = history[member][0, event["epoch"]]["learning_rate"]
            np.testing.assert_allclose(told, event["values"]["rate"], rtol=1e-6)
    assert diverged  # else nothing was shown of what becomes of those
    assert whole.stacked == MEMBERS and not oracle.inherited
    assert all(len(of_member) == EPOCHS for of_member in history.values())


def test_the_schedule_reaches_the_score_again_in_plain_keras(whole):
    trial, line = next(
        (trial, line)
        for trial in whole.oracle.get_best_trials(MEMBERS)
        for line in [whole.oracle.lineage(trial.trial_id, trial.best_step + 1)]
        if len(line) > 1
    )
    assert line[0].first == 0 and line[-1].end == trial.best_step + 1
    assert dict(line[-1].values) == trial.hyperparameters.values
    model, metrics = replay.fit(
        model_of,
        [(stretch.first, stretch.end, stretch.values) for stretch in line],
        *TRAIN,
        seed=whole.seed_of(line[0].trial_id, 0),
        batch_size=BATCH,
        validation_data=VALIDATION,
        verbose=0,
    )
    assert len(metrics["val_loss"]) == trial.best_step + 1
    np.testing.assert_allclose(metrics["val_loss"][-1], trial.score, rtol=1e-4)
    kept = whole.load_model(trial)
    for one, other in zip(kept.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_few_lanes_and_a_stop_change_nothing(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):  # 4 lanes, then 2: in the second interval
        search(tmp_path, lanes=4, stop=MEMBERS * INTERVAL + 5)
    resumed = search(tmp_path, lanes=MEMBERS)
    one, other = curves(whole), curves(resumed)
    for member in one:
        first, second = whole.oracle.events(member), resumed.oracle.events(member)
        assert [(e["epoch"], e["source"], e["values"]) for e in first] == [
            (e["epoch"], e["source"], e["values"]) for e in second
        ]
        assert one[member].keys() == other[member].keys()
        for at, metrics in one[member].items():
            for name, value in metrics.items():
                np.testing.assert_allclose(other[member][at][name], value, rtol=1e-4)
    # While lanes were short, what was copied was copied on the host.
    ways = [e["within"] for m in one for e in resumed.oracle.events(m) if e["source"]]
    assert any(ways) and not all(ways)
    assert resumed.schedule() == whole.schedule()


def test_results_tell_the_lineage(whole):
    found = results.read(whole.project_dir)
    told, line = json.loads(results.as_json(found)), whole.schedule()
    assert told["trials"][0]["lineage"] == [
        {
            "first_epoch": stretch.first,
            "end_epoch": stretch.end,
            "trial_id": stretch.trial_id,
            "hyperparameters": dict(stretch.values),
        }
        for stretch in line
    ]
    copies = [e for m in curves(whole) for e in whole.oracle.events(m) if e["source"]]
    assert told["population"]["members"] == MEMBERS
    assert told["population"]["copies"] == told["population"]["within"] == len(copies)
    assert f"Lineage of trial {found.best.trial_id}:" in results.as_table(found)
    assert found.best.hyperparameters == whole.get_best_hyperparameters()[0].values


def test_a_copy_goes_on_as_its_source():
    population = Population(TRAIN, VALIDATION, batch_size=BATCH, lanes=3)

    def builder(rate, dropout):
        return lambda: model_of({"rate": rate, "dropout": dropout, "momentum": 0.9})

    numbers = {"source": (0.01, 0.1), "copy": (0.001, 0.2), "other": (0.003, 0.3)}
    for seed, (key, of_key) in enumerate(numbers.items()):
        population.admit(key, builder(*of_key), seed=seed, epochs=9)
    population.run_epoch()
    other = population.lane("other").get_weights()
    same = read(builder(0.01, 0.1), seed=0)
    assert copy_lanes(population, [Copy("copy", "source", same, same)]) == {"copy"}
    for one, two in zip(other, population.lane("other").get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for _ in range(2):
        logs = {report.key: report.logs for report in population.run_epoch()}
        assert logs["copy"] == logs["source"] != logs["other"]
    source = population.lane("source").state
    for part, arrays in population.lane("copy").state.values.items():
        for one, two in zip(source.values[part], arrays, strict=True):
            np.testing.assert_array_equal(one, two)

    # With numbers of its own: slots and steps are the source's, the learning rate is not.
    changed = read(builder(0.02, 0.4), seed=0)
    assert copy_lanes(population, [Copy("copy", "source", same, changed)]) == {"copy"}
    slots = population.lane("copy").state.values["optimizer"]
    own = [
        i
        for i, pair in enumerate(zip(source.values["optimizer"], slots, strict=True))
        if not np.array_equal(*pair)
    ]
    assert [slots[i] for i in own] == [np.float32(0.02)]
    assert population.lane("source").learning_rate == pytest.approx(0.01)
    logs = {report.key: report.logs for report in population.run_epoch()}
    assert logs["copy"] != logs["source"]


def test_models_that_cannot_stack_are_refused(tmp_path):
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    def own(hp):
        model = Own([keras.layers.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
        return model

    tuner = tuner_app.PopulationBasedTraining(
        own, "val_loss", population=2, directory=tmp_path, lanes=2, seed=0
    )
    with pytest.raises(SearchFailed, match="its own train_step"):
        tuner.search(*TRAIN, validation_data=VALIDATION, epochs=5, verbose=0)
    with pytest.raises(UserError, match="validation_steps"):
        tuner.search(*TRAIN, validation_steps=1, epochs=5, verbose=0)
