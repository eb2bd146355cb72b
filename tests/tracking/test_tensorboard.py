"""What the observer writes, read back by TensorBoard itself: its server and its event reader."""

import json
import math

import keras_tuner
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata

from tuner_app.store.records import TrialRecord
from tuner_app.tracking.tensorboard import TensorBoard

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


def space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("adam_learning_rate", 1e-4, 1e-1, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("sgd_learning_rate", 1e-3, 1.0, sampling="log")
    hp.Int("layers", 1, 3)
    hp.Choice("units", [32, 64])
    hp.Boolean("normalize")
    hp.Fixed("seed", 7)
    return hp.get_config()["space"]


VALUES = {
    "0": {"optimizer": "adam", "adam_learning_rate": 0.01, "layers": 2, "normalize": True},
    "1": {"optimizer": "sgd", "sgd_learning_rate": 0.5, "layers": 1, "normalize": False},
    "2": {"optimizer": "sgd", "sgd_learning_rate": 0.02, "layers": 3, "normalize": False},
}


def metrics(trial_id, epoch):
    return {
        "loss": 1 / (epoch + 1),
        "accuracy": 0.5 + epoch / 10,
        "val_loss": 2 / (epoch + 1) + int(trial_id),
        "val_accuracy": 0.4 + epoch / 10,
        "learning_rate": 0.01 / (epoch + 1),
    }


def log(observer, trial_id, epochs, first=0, end="COMPLETED"):
    """Tells the observer of a trial's epochs and of its end."""
    trial = TrialRecord(trial_id, "RUNNING", hyperparameters=VALUES[trial_id])
    observer.trial_begun(trial)
    for epoch in range(first, epochs):
        observer.epoch_ended(trial_id, 0, epoch, metrics(trial_id, epoch))
    if end == "COMPLETED":
        score = metrics(trial_id, epochs - 1)["val_accuracy"]
        observer.trial_ended(
            TrialRecord(trial_id, end, score=score, best_epoch=epochs - 1, epochs=epochs)
        )
    elif end:
        observer.trial_ended(TrialRecord(trial_id, end))


def observer(project, of=space):
    made = TensorBoard(project, of)
    made.search_begun(3, "val_accuracy", "max")
    return made


def read(project, run):
    accumulator = EventAccumulator(str(project / "tensorboard" / run))
    accumulator.Reload()
    return accumulator


def scalars(project, run, tag):
    """(steps, values) of a scalar as TensorBoard's own reader sees them."""
    events = read(project, run).Tensors(tag)
    values = [event.tensor_proto.float_val[0] for event in events]
    return [event.step for event in events], values


def test_a_running_search_shows_in_a_real_server(tmp_path, tensorboard):
    watched = observer(tmp_path)
    log(watched, "0", epochs=3)
    log(watched, "1", epochs=0, end="FAILED")
    log(watched, "2", epochs=2, end=None)
    server = tensorboard(tmp_path)

    def curve(run, tag):
        return json.loads(server.get("scalars/scalars", run=run, tag=tag))

    tags = server.eventually(
        lambda: json.loads(server.get("scalars/tags")), lambda tags: "2/validation" in tags
    )
    assert set(tags["0/train"]) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    assert set(tags["0/validation"]) == {"epoch_loss", "epoch_accuracy"}
    for run, prefix in (("0/train", ""), ("0/validation", "val_")):
        points = [(step, value) for _, step, value in curve(run, "epoch_loss")]
        expected = [(epoch, metrics("0", epoch)[prefix + "loss"]) for epoch in range(3)]
        np.testing.assert_allclose(points, expected, rtol=1e-6)

    experiment = server.post("hparams/experiment", {})
    domains = {info["name"]: info for info in experiment["hparamInfos"]}
    # What every trial has comes first: the dashboard shows the first five.
    assert list(domains)[:5] == ["layers", "normalize", "optimizer", "seed", "units"]
    assert domains["adam_learning_rate"]["domainInterval"] == {"minValue": 1e-4, "maxValue": 0.1}
    assert domains["layers"]["domainInterval"] == {"minValue": 1, "maxValue": 3}
    assert domains["optimizer"]["domainDiscrete"] == ["adam", "sgd"]
    assert domains["units"]["domainDiscrete"] == [32, 64]
    assert domains["normalize"]["domainDiscrete"] == [False, True]
    assert domains["normalize"]["type"] == "DATA_TYPE_BOOL"
    assert domains["seed"]["domainDiscrete"] == [7]
    names = [
        (info["name"].get("group", ""), info["name"]["tag"]) for info in experiment["metricInfos"]
    ]
    assert names == [
        ("", "best_val_accuracy"),
        ("validation", "epoch_loss"),
        ("validation", "epoch_accuracy"),
        ("train", "epoch_loss"),
        ("train", "epoch_accuracy"),
        ("train", "epoch_learning_rate"),
    ]

    def session_groups():
        body = {
            "allowedStatuses": STATUSES,
            "colParams": [],
            "startIndex": 0,
            "sliceSize": 10,
        }
        return server.post("hparams/session_groups", body)["sessionGroups"]

    groups = {group["name"]: group for group in session_groups()}
    assert groups["0"]["hparams"] == VALUES["0"]
    assert groups["1"]["hparams"] == VALUES["1"]
    statuses = {name: group["sessions"][0].get("status") for name, group in groups.items()}
    assert statuses["0"] == "STATUS_SUCCESS" and statuses["1"] == "STATUS_FAILURE"
    assert statuses["2"] in (None, "STATUS_UNKNOWN")
    values = {
        (value["name"].get("group", ""), value["name"]["tag"]): value["value"]
        for value in groups["0"]["metricValues"]
    }
    np.testing.assert_allclose(values["", "best_val_accuracy"], 0.6, rtol=1e-6)
    np.testing.assert_allclose(values["validation", "epoch_loss"], 2 / 3, rtol=1e-6)

    # And what is written from now on shows, without another server.
    watched.epoch_ended("2", 0, 2, metrics("2", 2))
    points = server.eventually(lambda: curve("2/train", "epoch_loss"), lambda p: len(p) == 3)
    assert [step for _, step, _ in points] == [0, 1, 2]
    status, rest, errors = server.stop()
    assert (status, rest.strip(), errors) == (0, "TensorBoard has stopped.", "")


def test_a_trial_that_goes_on_after_a_resume_has_each_epoch_once(tmp_path):
    log(observer(tmp_path), "0", epochs=5, end=None)  # killed in epoch 5
    log(observer(tmp_path), "0", epochs=7, first=3)  # its checkpoint was of epoch 2
    for run, metric in (("0/train", "loss"), ("0/validation", "val_loss")):
        steps, values = scalars(tmp_path, run, "epoch_loss")
        assert steps == list(range(7))
        expected = [metrics("0", epoch)[metric] for epoch in range(7)]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_a_trial_that_begins_again_forgets_its_first_run(tmp_path):
    log(observer(tmp_path), "0", epochs=5, end="FAILED")
    log(observer(tmp_path), "0", epochs=2)
    assert scalars(tmp_path, "0/train", "epoch_loss")[0] == [0, 1]
    assert len(list((tmp_path / "tensorboard" / "0").glob("events*"))) == 1
    assert scalars(tmp_path, "0", "best_val_accuracy") == ([1], [pytest.approx(0.5)])


def test_a_trial_that_is_retried_in_one_process_forgets_its_first_run(tmp_path):
    watched = observer(tmp_path)
    log(watched, "0", epochs=5, end="FAILED")
    log(watched, "0", epochs=2)
    assert scalars(tmp_path, "0/train", "epoch_loss")[0] == [0, 1]


def test_a_trial_that_was_given_up_keeps_its_hyperparameters(tmp_path):
    log(observer(tmp_path), "0", epochs=2, end=None)  # it killed its process
    observer(tmp_path).trial_ended(TrialRecord("0", "FAILED", hyperparameters=VALUES["0"]))
    tags = read(tmp_path, "0").PluginTagToContent("hparams")
    assert set(tags) == {"_hparams_/session_start_info", "_hparams_/session_end_info"}


def test_values_that_changed_on_the_way_are_those_of_the_score(tmp_path):
    watched = observer(tmp_path)
    watched.trial_begun(TrialRecord("0", "RUNNING", hyperparameters=VALUES["0"]))
    watched.epoch_ended("0", 0, 0, metrics("0", 0))
    now = VALUES["0"] | {"adam_learning_rate": 0.02}
    watched.trial_ended(TrialRecord("0", "COMPLETED", 0.4, now, best_epoch=0))
    tags = read(tmp_path, "0").PluginTagToContent("hparams")
    assert set(tags) == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
    shown = hparams_metadata.parse_session_start_info_plugin_data(
        tags["_hparams_/session_start_info"]
    )
    assert shown.hparams["adam_learning_rate"].number_value == 0.02
    assert scalars(tmp_path, "0/train", "epoch_loss")[0] == [0]


def test_further_executions_have_runs_of_their_own(tmp_path):
    watched = observer(tmp_path)
    watched.trial_begun(TrialRecord("0", "RUNNING", hyperparameters=VALUES["0"]))
    for execution in range(2):
        watched.epoch_ended("0", execution, 0, {"val_loss": float(execution)})
    assert scalars(tmp_path, "0/validation", "epoch_loss")[1] == [0.0]
    assert scalars(tmp_path, "0/execution_1/validation", "epoch_loss")[1] == [1.0]


def test_a_file_cut_short_by_a_kill_keeps_what_was_whole(tmp_path):
    log(observer(tmp_path), "0", epochs=3, end=None)
    (cut,) = (tmp_path / "tensorboard" / "0" / "train").glob("events*")
    cut.write_bytes(cut.read_bytes()[:-5])
    log(observer(tmp_path), "0", epochs=4, first=3)
    steps, _ = scalars(tmp_path, "0/train", "epoch_loss")
    assert steps == [0, 1, 2, 3]


def test_nan_is_shown_as_nan(tmp_path):
    watched = observer(tmp_path)
    watched.epoch_ended("0", 0, 0, {"loss": math.nan})
    assert math.isnan(scalars(tmp_path, "0/train", "epoch_loss")[1][0])


def test_a_grown_space_is_described_again_and_once(tmp_path):
    parts = space()
    watched = observer(tmp_path, of=lambda: parts)
    grown = [item for item in parts if item["config"]["name"] != "units"]
    parts, whole = grown, parts
    log(watched, "0", epochs=1)
    parts = whole
    log(watched, "1", epochs=1)
    watched.search_ended({})
    (only,) = (tmp_path / "tensorboard").glob("events*")
    text = only.read_bytes()
    assert b"units" in text and b"epoch_accuracy" in text


def test_a_search_without_an_epoch_is_described_too(tmp_path):
    watched = observer(tmp_path)
    log(watched, "0", epochs=0, end="FAILED")
    watched.search_ended({})
    (only,) = (tmp_path / "tensorboard").glob("events*")
    assert b"adam_learning_rate" in only.read_bytes()
