"""The exported files, used as a stranger would: the model by Keras alone, the script by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_diabetes

from tuner_app import SearchConfig, data, results, run_search
from tuner_app.errors import UserError
from tuner_app.results.export import export
from tuner_app.results.model_file import save
from tuner_app.store import SearchStore, TrialRow

ROOT = Path(__file__).parents[2]


def search(project, **config):
    """A short search; gives its project directory."""
    run_search(SearchConfig(project=str(project), max_trials=2, **config), say=lambda line: None)
    return project


def python(folder, *words, **environment):
    """Runs Python in `folder`, which is not searched for packages; gives what it printed."""
    run = subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def answers(folder, inputs):
    """What best.keras in `folder` says of raw inputs, in a process that has Keras alone."""
    np.savez(folder / "inputs.npz", **inputs)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.saving.load_model('best.keras', safe_mode=True)\n"
        "inputs = dict(np.load('inputs.npz', allow_pickle=True))\n"
        "inputs = inputs['only'] if set(inputs) == {'only'} else {\n"
        "    key: keras.ops.convert_to_tensor(column.tolist()) for key, column in inputs.items()}\n"
        "np.save('answers.npy', model.predict(inputs, verbose=0))\n"
        "assert 'tuner_app' not in sys.modules"
    )
    python(folder, "-c", code)
    return np.load(folder / "answers.npy")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A search whose optimizer evaluates the model elsewhere than it trains it, with epochs of
    less than a pass, which is 40 batches."""
    project = tmp_path_factory.mktemp("digits") / "project"
    return search(project, optimizers=("nesterov",), epochs=6, steps_per_epoch=25, seed=3)


def test_the_model_takes_raw_inputs_and_has_the_trials_score(digits, tmp_path):
    files = export(digits, tmp_path / "best.keras")
    best = results.read(digits).best
    features, labels = data.load("digits", seed=3).validation.arrays()
    raw = np.round(features * 16).astype("uint8")
    logits = answers(tmp_path, {"only": raw})
    accuracy = (logits.argmax(axis=1) == labels).mean()
    np.testing.assert_allclose(accuracy, best.score, atol=1e-6)
    assert files.model == tmp_path / "best.keras"


def test_the_hyperparameters_are_the_best_trials(digits, tmp_path):
    files = export(digits, tmp_path / "mine.keras")
    told = json.loads(files.hyperparameters.read_text())
    best = results.read(digits).best
    assert files.hyperparameters == tmp_path / "mine.json"
    assert told["hyperparameters"] == best.hyperparameters
    assert (told["trial_id"], told["score"]) == (best.trial_id, best.score)
    assert told["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert told["class_names"] == list("0123456789") and told["outputs"] == "logits"


def test_the_script_trains_to_the_same_score(digits, tmp_path):
    files = export(digits, tmp_path / "best.keras")
    printed = python(tmp_path, files.script.name, PYTHONPATH=str(ROOT))
    name, reached, *_ = printed.strip().split("\n")[-1].split()
    assert name == "val_accuracy:"
    # The same seeds on the same machine; threads may add in another order.
    np.testing.assert_allclose(float(reached), results.read(digits).best.score, atol=0.004)


def test_the_script_is_formatted_as_this_project_is(digits, tmp_path):
    files = export(digits, tmp_path / "best.keras")
    text = files.script.read_text()
    assert max(map(len, text.split("\n"))) <= 100
    python(
        tmp_path, "-m", "ruff", "check", "--select=E,F,W", "--line-length=100", str(files.script)
    )


def test_regression_answers_in_the_targets_own_unit(tmp_path):
    space = tmp_path / "space.py"
    space.write_text(
        "import keras\n"
        "def build(hp):\n"
        "    model = keras.Sequential([keras.layers.Dense(1)])\n"
        "    model.compile(keras.optimizers.Adam(hp.Float('rate', 0.01, 0.1)), 'mse')\n"
        "    return model\n"
    )
    project = search(tmp_path / "project", dataset="diabetes", space=f"{space}:build", epochs=8)
    export(project, tmp_path / "best.keras")
    raw, targets = load_diabetes(return_X_y=True, scaled=False)
    predicted = answers(tmp_path, {"only": raw.astype("float32")})
    assert predicted.shape == (len(raw), 1)
    # Ordinary least squares leaves 53 of the targets' standard deviation of 77.
    assert np.sqrt(np.mean((predicted[:, 0] - targets) ** 2)) < 65
    assert abs(predicted.mean() - targets.mean()) < 10


def test_a_table_with_text_and_gaps(tmp_path):
    rng = np.random.default_rng(0)
    colours, sizes = rng.choice(["red", "green"], 120), rng.normal(size=120)
    rows = [
        f"{colour},{'' if n % 10 == 0 else round(size, 3)},{'yes' if colour == 'red' else 'no'}"
        for n, (colour, size) in enumerate(zip(colours, sizes, strict=True))
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["colour,size,answer", *rows]))
    project = search(
        tmp_path / "project", dataset=f"csv:{table}?target=answer", space="linear", epochs=8
    )
    files = export(project, tmp_path / "best.keras")
    names = json.loads(files.hyperparameters.read_text())["class_names"]
    loaded = keras.saving.load_model(files.model)
    inputs = {
        "colour": np.array(["red", "green"], dtype=object).reshape(
            (2, *loaded.input["colour"].shape[1:])
        ),
        "size": np.array([0.5, np.nan], "float32").reshape((2, *loaded.input["size"].shape[1:])),
    }
    logits = answers(tmp_path, inputs)
    assert [names[label] for label in logits.argmax(axis=1)] == ["yes", "no"]
    # The SavedModel, which replaces an earlier one and holds the text's look-up, says the same.
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "saved_model.pb").write_bytes(b"an earlier one")
    served = tf.saved_model.load(export(project, tmp_path / "served", "savedmodel").model)
    said = served.serve({name: tf.constant(column) for name, column in inputs.items()})
    np.testing.assert_allclose(said, logits, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match=r"ONNX can't hold the look-up of text.*\(colour\)"):
        save(loaded, tmp_path / "best.onnx", "onnx")


def test_a_full_disk_loses_no_earlier_export(digits, tmp_path):
    files = export(digits, tmp_path / "best.keras")
    before = files.model.read_bytes()
    (tmp_path / "unfinished.best.keras").symlink_to("/dev/full")
    with pytest.raises(UserError, match="Can't write to .*: No space left on device"):
        export(digits, tmp_path / "best.keras")
    assert files.model.read_bytes() == before


@pytest.mark.parametrize(
    "output, message",
    [
        ("best.h5", r"best.h5', expected a name that ends in \.keras or \.onnx, or one without"),
        ("nowhere/best.keras", r"there is no folder .*nowhere\. Make it first"),
        ("folder.keras", r"it is a folder\. Choose another --output"),
    ],
)
def test_an_output_that_cant_be_written_is_named(digits, tmp_path, output, message):
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(UserError, match=message):
        export(digits, tmp_path / output)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.keras"]


@pytest.mark.parametrize(
    "output, form, message",
    [
        ("best.onnx", "keras", r"best.onnx', expected a name that ends in \.keras"),
        ("best.onnx", None, r"needs tf2onnx and onnx, not installed.*\[onnx\]"),
        ("full", "savedmodel", r"it exists and is no SavedModel"),
    ],
)
def test_a_format_that_cant_be_written_is_named(tmp_path, monkeypatch, output, form, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "full").mkdir()
    with pytest.raises(UserError, match=message):
        export(tmp_path / "project", tmp_path / output, form)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def stored(project, config=None, status="COMPLETED"):
    """A project directory with one trial, without its files."""
    with SearchStore(project) as store:
        store.set_fact("objective", {"name": "val_accuracy", "direction": "max"})
        if config:
            store.set_fact("config", config.to_dict())
        score = 0.9 if status == "COMPLETED" else None
        store.save_trial(TrialRow("0", 0, status, store.space_number([]), {}, score=score))
    return project


def test_a_search_without_a_result_is_named(tmp_path):
    project = stored(tmp_path / "project", SearchConfig(), status="FAILED")
    with pytest.raises(UserError, match="no completed trial yet"):
        export(project, tmp_path / "best.keras")


def test_missing_weights_are_named(tmp_path):
    project = stored(tmp_path / "project", SearchConfig())
    with pytest.raises(UserError, match=r"weights of trial 0 are missing: expected .*weights\.h5"):
        export(project, tmp_path / "best.keras")


def test_weights_of_another_model_are_named(digits, tmp_path):
    project = stored(tmp_path / "project", SearchConfig(space="linear"))
    (project / "trial_0").mkdir(exist_ok=True)
    best = results.read(digits).best.trial_id
    weights = "checkpoint.weights.h5"
    (project / "trial_0" / weights).write_bytes((digits / f"trial_{best}" / weights).read_bytes())
    with pytest.raises(UserError, match="do not fit its model .* Has linear or the data changed"):
        export(project, tmp_path / "best.keras")


def test_a_search_from_python_is_told_apart(tmp_path):
    with pytest.raises(UserError, match="begun by a Python program of its own"):
        export(stored(tmp_path / "project"), tmp_path / "best.keras")


def test_no_search_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no search"):
        export(tmp_path, tmp_path / "best.keras")
