"""What every test shares: quiet TensorFlow, and ways to run the command line."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Before TensorFlow is first imported, by whichever test comes first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tests compile many tiny programs and run each for a moment, so optimizing them costs more than it
# gains: on a busy machine, in one run each, the tests on JAX took 33 s of processor time instead of
# 44; one stack compiled by XLA on TensorFlow, with the imports, 10 and 13 s instead of 13 and 13.
# Read by both backends when they are first imported, and by the processes started here.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

ROOT = Path(__file__).parent.parent


def pytest_collection_finish() -> None:
    """Leaves the imported libraries out of garbage collections; Keras asks for one at every model.

    With TensorFlow's and Keras's objects each takes about a third of a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def what_a_file_leaves_is_spared():
    """Nor do collections go through what earlier files of tests have left: after hundreds of
    compiled programs each takes seconds."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in a fresh folder, so that a default such as tuning/... lands there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tuner_app_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs `python -m tuner_app WORDS` in a process of its own, in a fresh folder."""

    def run(*words: str, timeout: float = 120, **options) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, "-m", "tuner_app", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            **options,
        )

    return run
