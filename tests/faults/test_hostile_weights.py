"""Weights and checkpoints made by somebody who wants them to do more than to be read."""

import ast
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import tuner_app
from tuner_app.config import SearchConfig
from tuner_app.data.dataset import DataSpec
from tuner_app.errors import UserError
from tuner_app.results.export import trained
from tuner_app.store import TrialRecord
from tuner_app.tuners.stacked.lane_callbacks import LaneCallbacks

SPACE = """
import keras

def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model
"""
SECRET = np.arange(8, dtype="float32")


def stored_elsewhere(layer, secret):
    del layer["0"]
    layer.create_dataset("0", (4, 2), "float32", external=[(str(secret), 0, 32)])


def linked_from_elsewhere(layer, secret):
    del layer["0"]
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["kernel"] = SECRET.reshape(4, 2)
    layer["0"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "kernel")


def mapped_from_elsewhere(layer, secret):
    del layer["0"]
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["kernel"] = SECRET.reshape(4, 2)
    layout = h5py.VirtualLayout((4, 2), "float32")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "kernel", (4, 2))
    layer.create_virtual_dataset("0", layout)


def in_a_folder_from_elsewhere(layer, secret):
    parent, name = layer.parent, layer.name.rsplit("/", 1)[1]
    del parent[name]
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["vars/0"] = SECRET.reshape(4, 2)
        other["vars/1"] = SECRET[:2]
    parent[name] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "vars")


def of_a_petabyte(layer, secret):
    del layer["0"]
    layer.create_dataset("0", (2**24, 2**24), "float32", chunks=(64, 64))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "space.py").write_text(SPACE)
    config = SearchConfig(space=f"{folder / 'space.py'}:build", project=str(folder / "p"))
    spec = DataSpec(
        name="table",
        task="regression",
        kind="tabular",
        input_shape=(4,),
        input_dtype="float32",
        num_classes=None,
        class_names=None,
        sizes={"train": 1, "validation": 1, "test": 1},
        target_mean=0.0,
        target_std=1.0,
    )
    return config, spec, TrialRecord("0", "COMPLETED", 1.0)


@pytest.mark.parametrize(
    "harm",
    [
        stored_elsewhere,
        linked_from_elsewhere,
        mapped_from_elsewhere,
        in_a_folder_from_elsewhere,
        of_a_petabyte,
    ],
)
def test_weights_take_nothing_from_elsewhere(harm, search, tmp_path):
    config, spec, trial = search
    namespace: dict = {}
    exec(SPACE, namespace)
    model, path, secret = namespace["build"](None), tmp_path / "a.weights.h5", tmp_path / "secret"
    model.optimizer.build(model.trainable_variables)
    model.save_weights(path)
    kept = trained(config, spec, trial, path).get_weights()
    np.testing.assert_array_equal(kept[0], model.get_weights()[0])
    SECRET.tofile(secret)
    found = []
    with h5py.File(path, "r+") as file:
        file.visit(lambda name: found.append(name) if name.endswith("vars") else None)
        harm(next(file[name] for name in found if len(file[name]) == 2 and "dense" in name), secret)
    with pytest.raises(UserError, match="weights of trial 0 in .* do not fit its model"):
        trained(config, spec, trial, path)


def test_a_checkpoint_names_no_code():
    def comparison_of(told):
        callbacks = LaneCallbacks([keras.callbacks.EarlyStopping(patience=3)], _NoModel(), 5, 1)
        callbacks.train_begin([{"patience": 4, "best": 0.5, "monitor_op": told}])
        (callback,) = callbacks._callbacks
        assert callback.patience == 4
        return callback.monitor_op

    assert comparison_of({"comparison": "keras.ops.less"}) is keras.ops.less
    for name in ("os.system", "keras.utils.get_file", "os:system"):
        for told in ({"comparison": name}, {"function of Keras or NumPy": name}):
            assert not callable(comparison_of(told))


class _NoModel:
    def take_back(self, whose):
        pass


def test_whole_models_are_never_loaded_from_a_project():
    """Keras's safe mode was got round again and again (CVE-2025-1550, -8747, -9905, -9906): a model
    is built by code, and only its numbers are read."""
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for path in Path(tuner_app.__file__).parent.rglob("*.py")
        if "testing" not in path.parts  # it loads a model that it has just saved
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and "super()" not in ast.unparse(node.func)
    }
    assert "load_weights" in called
    forbidden = {"load_model", "model_from_json", "enable_unsafe_deserialization", "Unpickler"}
    assert not called & (forbidden | {"eval", "exec"})
