"""One small search, then what a person does with it: confirm, evaluate, train. In this order."""

import dataclasses
import json
import statistics
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from tuner_app import SearchConfig, data, results, run_search
from tuner_app.answers import confirming, testing, training
from tuner_app.cli.main import main
from tuner_app.errors import UserError
from tuner_app.population import alone
from tuner_app.results import report
from tuner_app.results.export import export
from tuner_app.store import SearchReader, answers


def quiet(line):
    pass


SPACE = """
import keras

def build(hp):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    rate = hp.Float("rate", 0.05, 0.5, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A search whose best two are confirmed over two seeds."""
    folder = tmp_path_factory.mktemp("answers") / "project"
    (folder.parent / "space.py").write_text(SPACE)
    run_search(
        SearchConfig(
            dataset="digits",
            space=f"{folder.parent}/space.py:build",
            project=str(folder),
            max_trials=3,
            epochs=3,
        ),
        say=quiet,
    )
    confirming.confirm(confirming.plan(folder, top=2, seeds=2), say=quiet)
    return folder


def confirmation(project):
    with SearchReader(project) as reader:
        return answers.confirmations(reader)[-1]


def curve(run, tag):
    """A scalar's values by step, from the event files of a run."""
    found = {}
    for file in run.glob("events*"):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag == tag:
                    found[event.step] = float(tensor_util.make_ndarray(value.tensor))
    return found


def test_every_seed_of_every_configuration_was_run(project):
    found = confirmation(project)
    best_two = [trial.trial_id for trial in results.read(project).trials[:2]]
    assert {row["trial_id"] for row in found["configurations"]} == set(best_two)
    for row in found["configurations"]:
        assert len(set(row["scores"])) == 2 and row["failed"] == 0  # seeds differ
        assert row["mean"] == pytest.approx(np.mean(row["scores"]))
        for seed, score in enumerate(row["scores"]):
            run = project / "tensorboard" / "confirmation" / row["trial_id"] / f"seed_{seed}"
            epochs = curve(run / "validation", "epoch_accuracy")
            assert sorted(epochs) == [0, 1, 2] and max(epochs.values()) == pytest.approx(score)
            assert row["best_epochs"][seed] == max(epochs, key=epochs.get)
    assert not (project / confirming.FOLDER).exists()


def test_the_report_tells_the_winners_mistakes_and_keeps_them(project):
    found = report.collect(project)
    told, best = found["mistakes"], found["winner"]
    assert told["trial_id"] == best["trial_id"] == confirmation(project)["winner"]
    assert 1 - told["wrong"] / told["examples"] == pytest.approx(best["score"])
    kept = project / f"trial_{best['trial_id']}" / "mistakes.json"
    assert json.loads(kept.read_text()) == told
    assert "Mistakes of the best model" in report.as_html(found)


def test_the_test_set_is_opened_once(project, tmp_path, capsys):
    files = export(project, tmp_path / "best.keras")
    told = json.loads(files.hyperparameters.read_text())
    assert told["trial_id"] == confirmation(project)["winner"]
    asked = testing.plan(project)
    entry = testing.evaluate(asked, by="Ann")
    accuracy, loss = entry["metrics"]["scores"]
    # Against the exported model and plain NumPy.
    features, labels = data.load("digits", seed=0).test.arrays()
    raw = np.round(features * 16).astype("uint8")
    logits = keras.saving.load_model(files.model).predict(raw, verbose=0).astype("float64")
    right = logits.argmax(axis=1) == labels
    assert accuracy["value"] == pytest.approx(right.mean()) and accuracy["examples"] == len(labels)
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    nats = -np.log(chance[np.arange(len(labels)), labels]).mean()
    assert loss["value"] == pytest.approx(nats, rel=1e-4)
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]

    with pytest.raises(UserError, match="--again"):
        testing.plan(project)
    assert main(["evaluate", str(project)]) == 2
    assert main(["evaluate", str(project), "--again"]) == 0
    assert "This was opening 2" in capsys.readouterr().out
    with SearchReader(project) as reader:
        ledger = answers.openings(reader)
    assert [entry["metrics"]["by"] for entry in ledger] == ["Ann", ""]
    assert ledger[0]["metrics"]["scores"] == ledger[1]["metrics"]["scores"]


@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (2, "softmax"), (2, None)])
def test_probabilities_and_logits_are_tested_alike(units, activation):
    draw = np.random.default_rng(0)
    features, labels = draw.normal(size=(60, 3)).astype("float32"), draw.integers(0, 2, 60)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation)])
    loss = "binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy"
    if activation is None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    test = SimpleNamespace(in_memory=True, arrays=lambda: (features, labels))
    dataset = SimpleNamespace(test=test, spec=SimpleNamespace(task="classification"))
    accuracy, nats = testing.measured(model, dataset)
    expected = model.evaluate(features, labels, verbose=0, return_dict=True)
    assert accuracy["value"] == pytest.approx(expected["accuracy"])
    assert nats["value"] == pytest.approx(expected["loss"], rel=1e-5)


def test_the_winner_is_trained_on_all_but_the_test_examples(project, tmp_path):
    asked = training.plan(project)
    row = confirmation(project)["configurations"][0]
    assert asked.trial.trial_id == row["trial_id"]
    assert asked.epochs == round(statistics.median(e + 1 for e in row["best_epochs"]))
    files = training.train(asked, tmp_path / "final.keras", verbose=0)
    told = json.loads(files.hyperparameters.read_text())
    dataset = data.load("digits", seed=0)
    assert told["examples"] == dataset.train.size + dataset.validation.size == 1527
    assert told["epochs"] == asked.epochs and told["confirmed"] is True
    model = keras.saving.load_model(files.model)
    features, labels = dataset.validation.arrays()
    raw = np.round(features * 16).astype("uint8")
    accuracy = (model.predict(raw, verbose=0).argmax(axis=1) == labels).mean()
    assert accuracy > row["mean"] - 0.1  # it has seen these examples, and 3 epochs are few
    with pytest.raises(UserError, match=r"\.keras"):
        training.train(asked, tmp_path / "final.h5")


def test_epochs_of_so_many_batches_grow_with_the_examples(project, tmp_path, monkeypatch):
    trained = []

    def fit(model, *data, **keywords):
        trained.append(model)
        return one_trial(model, *data, **keywords)

    one_trial = alone.fit
    monkeypatch.setattr(alone, "fit", fit)
    asked = training.plan(project)
    config = dataclasses.replace(asked.config, steps_per_epoch=20)
    asked = dataclasses.replace(asked, config=config, epochs=2)
    training.train(asked, tmp_path / "final.keras", verbose=0)
    assert [int(m.optimizer.iterations) for m in trained] == [2 * round(20 * 1527 / 1257)]


def test_an_unconfirmed_winner_is_not_tested_by_mistake(project, tmp_path):
    import shutil

    from tuner_app.store import SearchStore

    shutil.copytree(project, tmp_path / "copy")
    with SearchStore(tmp_path / "copy") as store:
        store._execute("DELETE FROM confirmations")
        store._execute("DELETE FROM test_set")
        store._execute("DELETE FROM facts WHERE name IN ('confirmations', 'test_set')")
    with pytest.raises(UserError, match="--unconfirmed"):
        testing.plan(tmp_path / "copy")
    asked = testing.plan(tmp_path / "copy", unconfirmed=True)
    assert not asked.confirmed
    assert asked.trial.trial_id == results.read(project).best.trial_id
    (asked.weights).unlink()
    with pytest.raises(UserError, match="weights"):
        testing.plan(tmp_path / "copy", unconfirmed=True)
