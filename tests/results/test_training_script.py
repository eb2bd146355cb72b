"""The exported script's text, for objectives of one and of several metrics."""

import ast
from dataclasses import replace
from types import SimpleNamespace

from tuner_app import trial_ends
from tuner_app.config import SearchConfig
from tuner_app.results.lineage import Stretch
from tuner_app.results.schedule_script import schedule_script
from tuner_app.results.training_script import SAME, in_one_go, training_script
from tuner_app.store import TrialRow
from tuner_app.trial_seed import trial_seed


def observed(value):
    return {"direction": "min", "observations": [{"value": [value], "step": 1}]}


def test_the_script_is_python_and_watches_the_objective():
    trial = TrialRow("3", 3, "COMPLETED", 1, {"units": 8}, 0.75)
    goal = {"name": "val_accuracy", "direction": "max"}
    text = training_script(SearchConfig(), goal, trial)
    ast.parse(text)
    assert 'best = max(history.history["val_accuracy"])' in text and "(in the search: 0.75)" in text


def test_the_script_has_the_searchs_epochs_of_so_many_batches():
    trial = TrialRow("3", 3, "COMPLETED", 1, {"units": 8}, 0.75, mode="stacked")
    goal = {"name": "val_accuracy", "direction": "max"}
    for way in ("stacked", "batches"):
        text = training_script(SearchConfig(steps_per_epoch=7), goal, trial, way=way)
        ast.parse(text)
        assert "STEPS_PER_EPOCH = 7 " in text and "steps_per_epoch=STEPS_PER_EPOCH" in text
        assert ("endless(dataset.train, BATCH_SIZE, SEED" in text) == (way == "batches")
    line = [Stretch(0, 4, "2", {"units": 8})]
    text = schedule_script(SearchConfig(steps_per_epoch=7), goal, trial, line, seed=5)
    assert "STEPS_PER_EPOCH = 7 " in text and "steps_per_epoch=STEPS_PER_EPOCH" in text


def test_of_several_objectives_it_tells_the_first():
    metrics = {"metrics": {"val_loss": observed(0.25), "val_accuracy": observed(0.9)}}
    trial = TrialRow("3", 3, "COMPLETED", 1, {"units": 8}, -0.65, metrics=metrics)
    parts = {"val_loss": "min", "val_accuracy": "max"}
    goal = {"name": "multi_objective", "direction": "min", "parts": parts}
    text = training_script(SearchConfig(), goal, trial)
    ast.parse(text)
    assert 'best = min(history.history["val_loss"])' in text and "(in the search: 0.25)" in text
    assert "multi_objective" not in text


def test_of_a_lineage_it_has_every_stretch():
    line = [Stretch(0, 4, "2", {"units": 8, "kind": "a"}), Stretch(4, 6, "3", {"units": 8})]
    trial = TrialRow("3", 3, "COMPLETED", 1, {"units": 8}, 0.75, best_epoch=5)
    goal = {"name": "val_accuracy", "direction": "max"}
    text = schedule_script(SearchConfig(), goal, trial, line, seed=5, backend="jax")
    assigned = {
        item.targets[0].id: ast.literal_eval(item.value)
        for item in ast.parse(text).body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    }
    assert assigned["SCHEDULE"] == [(one.first, one.end, one.values) for one in line]
    assert (assigned["TRIAL_SEED"], assigned["EPOCHS"]) == (5, SearchConfig().epochs)
    assert 'os.environ["KERAS_BACKEND"] = "jax"' in text
    assert 'best = max(metrics["val_accuracy"])' in text and "(in the search: 0.75)" in text


def test_a_promoted_trial_is_one_training_where_all_of_its_line_came_to_their_ends():
    def promoted(number, first, end, **more):
        values = {"tuner/initial_epoch": first, "tuner/epochs": end}
        values |= {"tuner/trial_id": str(number - 1)} if first else {}
        facts = {"mode": "stacked", "epochs": end - first, "note": {"seed": [4, 1]}} | more
        return TrialRow(str(number), number, "COMPLETED", 1, values, 0.5, **facts)

    def is_whole(*line):
        trials = {row.trial_id: row for row in line}
        return in_one_go(SimpleNamespace(trial=trials.get), line[-1])

    line = [promoted(0, 0, 1, failures=1), promoted(1, 1, 3), promoted(2, 3, 9)]
    assert is_whole(*line) and is_whole(line[0])
    assert is_whole(*(replace(row, mode="fit") for row in line))
    assert not is_whole(replace(line[0], mode="fit"), *line[1:])
    # Begun again with another seed, or not from the very end of the one before.
    assert not is_whole(line[0], line[1], replace(line[2], failures=1))
    for message in (
        trial_ends.FROM_BEST,
        f"{trial_ends.FROM_WEIGHTS}; trained by fit: a loop of its own",
    ):
        assert not is_whole(line[0], replace(line[1], message=message), line[2])
    assert not is_whole(line[0], replace(line[1], epochs=1), line[2])
    goal = {"name": "val_accuracy", "direction": "max"}
    text = training_script(SearchConfig(epochs=27), goal, line[2])
    assert f"TRIAL_SEED = {trial_seed(0, 4, failures=1)} " in text and "EPOCHS = 9" in text
    assert SAME in text and SAME not in training_script(SearchConfig(), goal, line[2], whole=False)
