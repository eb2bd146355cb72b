"""TensorFlow's log noise stays out of sight, unless the import fails or the user wants it."""

import os
import subprocess
import sys

import keras
import pytest

from tuner_app import environment

QUIET = "from tuner_app import environment; environment.import_quietly(); print('done')"


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


def test_what_was_held_back_is_shown_when_the_import_fails(tmp_path):
    (tmp_path / "keras.py").write_text(
        "import os\nos.write(2, b'what the library said\\n')\nraise ImportError('broken')\n"
    )
    done = run(QUIET, PYTHONPATH=os.pathsep.join([str(tmp_path), os.getcwd()]))
    assert done.returncode == 1
    assert done.stderr.startswith("what the library said\n")
    assert "ImportError: broken" in done.stderr


def test_a_log_level_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    environment.import_quietly()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


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


@pytest.mark.parametrize(("share", "threads"), [("", 3), ("2", 2), ("8", 3), ("0", 3), ("all", 3)])
def test_a_workers_share_limits_its_threads(share, threads, monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 3)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", share)
    assert environment.threads() == threads
