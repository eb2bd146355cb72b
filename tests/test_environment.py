"""TensorFlow's log noise stays out of sight, unless the import fails or the user wants it."""

import contextlib
import gc
import os
import subprocess
import sys
import types

import keras
import pytest

from tuner_app import environment

QUIET = """
import gc, sys
from tuner_app import environment
environment.import_quietly(*environment.SEARCH)
assert gc.isenabled() and gc.get_freeze_count() > 100_000
later = {"jax", "matplotlib", "sklearn", "scipy.optimize", "requests"}
assert not later & sys.modules.keys()
import jax, keras, keras_tuner
import scipy.optimize
assert keras.wrappers.SKLearnClassifier and scipy.optimize.minimize
keras_tuner.oracles.BayesianOptimizationOracle(keras_tuner.Objective("loss", "min"))._make_gpr()
print("done")
"""


def run(script: str, **changes: str) -> subprocess.CompletedProcess:
    settings = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=settings | changes,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_importing_tensorflow_writes_nothing():
    done = run(QUIET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_keras_finds_jax_where_it_is_its_backend(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    script = """
from tuner_app import environment
environment.import_quietly()
import keras
print(keras.backend.backend(), keras.layers.Dropout(0.5)(keras.ops.ones((2, 3))).shape)
"""
    for setting in ({"KERAS_BACKEND": "jax"}, {"KERAS_BACKEND": "", "KERAS_HOME": str(tmp_path)}):
        done = run(script, **setting)
        assert (done.returncode, done.stdout, done.stderr) == (0, "jax (2, 3)\n", "")


def test_what_was_held_back_is_shown_when_the_import_fails(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'what the library said\\n')\nraise ImportError('broken')\n"
    )
    fake = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])}
    done = run(QUIET, **fake)
    assert done.returncode == 1
    assert done.stderr.startswith("what the library said\n")
    assert "ImportError: broken" in done.stderr
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'what the library said\\n')\nraise KeyboardInterrupt\n"
    )
    assert not run(QUIET, **fake).stderr.startswith("what the library said")


def test_a_log_level_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    environment.import_quietly()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_collected_while_libraries_are_imported(fails, monkeypatch, tmp_path):
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # with which it was not done once
    monkeypatch.syspath_prepend(tmp_path)
    name = f"library_{fails}"
    (tmp_path / f"{name}.py").write_text(
        f"import gc\nassert not gc.isenabled()\nif {fails}: raise KeyboardInterrupt\n"
    )
    with pytest.raises(KeyboardInterrupt) if fails else contextlib.nullcontext():
        environment.import_quietly(name)
    assert gc.isenabled() and frozen
    assert (name in sys.modules) is not fails


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "float32"])
def test_precision_is_that_of_new_layers(precision):
    try:
        environment.use_device(precision)
        layer = keras.layers.Dense(2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer.dtype_policy.name == precision


def test_the_device_is_named():
    import tensorflow as tf

    named = environment.use_device("float32")
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    assert named.startswith(f"{kind}, ") and len(named) > len("CPU, ")


@pytest.mark.parametrize(("visible", "told"), [(None, True), ("0", True), ("", False)])
def test_a_gpu_that_tensorflow_does_not_find_is_told_of(visible, told, tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(environment, "_NVIDIA_GPUS", tmp_path)
    monkeypatch.setattr(environment, "cores", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment.use_device("float32") == "CPU, 3 cores"
    (tmp_path / "0000:01:00.0").mkdir()
    said = environment.use_device("float32")
    assert said.startswith("CPU, 3 cores") and ('pip install ".[cuda]"' in said) is told


@pytest.mark.parametrize(
    ("platform", "kind", "named"),
    [
        ("gpu", "NVIDIA H100 80GB HBM3", "GPU, NVIDIA H100 80GB HBM3"),
        ("cpu", "cpu", "CPU, 3 cores"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_on_jax_its_own_device_is_named_and_its_memory_grows(
    platform, kind, named, begun, monkeypatch
):
    import jax
    import tensorflow as tf

    hidden, seen = [], []

    def hide(devices, of):
        hidden.append((devices, of))
        if begun:
            raise RuntimeError("Visible devices cannot be modified after being initialized")

    def devices():
        seen.append(os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"])
        return [types.SimpleNamespace(platform=platform, device_kind=kind)] * 2

    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    monkeypatch.setattr(environment, "cores", lambda: 3)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(tf.config, "set_visible_devices", hide)
    monkeypatch.setattr(jax, "devices", devices)
    assert environment.use_device("float32") == named
    assert hidden == [([], "GPU")] and seen == ["false"]
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    environment.use_device("float32")
    assert seen == ["false", "true"]


@pytest.mark.parametrize(("share", "threads"), [("", 3), ("2", 2), ("8", 3), ("0", 3), ("all", 3)])
def test_a_workers_share_limits_its_threads(share, threads, monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 3)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", share)
    assert environment.threads() == threads
