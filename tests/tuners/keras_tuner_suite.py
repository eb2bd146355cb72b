"""Runs KerasTuner's own tests with our tuners in the place of KerasTuner's.

    git clone https://github.com/keras-team/keras-tuner
    python tests/tuners/keras_tuner_suite.py keras-tuner [words for pytest ...]

The tests are copied to a temporary folder, with their imports rewritten to where the installed
package keeps its modules, and run there. `--theirs` as the first word after the checkout runs them
on KerasTuner itself, to compare. CONTRIBUTING.md says which can't pass, and why.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = (
    "engine/oracle_test.py",
    "engine/base_tuner_test.py",
    "engine/tuner_test.py",
    "engine/tuner_utils_test.py",
    "tuners/hyperband_test.py",
    "tuners/gridsearch_test.py",
    "tuners/bayesian_test.py",
    "tuners/randomsearch_test.py",
    "distribute/oracle_chief_test.py",
    "distribute/oracle_client_test.py",
    "distribute/utils_test.py",
)
SUPPORT = ("test_utils/__init__.py", "test_utils/mock_distribute.py")  # not in the package

# Modules of the repository that the installed package keeps under `keras_tuner.src`.
_MOVED = re.compile(r"\bkeras_tuner\.(backend|distribute|engine|tuners)\b(?=[. ])")
_FROM = re.compile(r"\bfrom keras_tuner import (backend|errors|utils)\b")

CONFTEST = """
import keras
import keras_tuner
import pytest
from keras_tuner.src import tuners
from keras_tuner.src.engine import tuner as tuner_module
from keras_tuner.src.tuners import bayesian, gridsearch, hyperband, randomsearch

if {ours}:
    from tuner_app.tuners import PopulationTuner, drop_in

    homes = {{
        "RandomSearch": randomsearch,
        "Hyperband": hyperband,
        "GridSearch": gridsearch,
        "BayesianOptimization": bayesian,
    }}
    for name, home in homes.items():
        for module in (keras_tuner, keras_tuner.tuners, tuners, home):
            setattr(module, name, getattr(drop_in, name))
    # A subclass of KerasTuner's Tuner becomes one of ours.
    keras_tuner.Tuner = tuner_module.Tuner = PopulationTuner


@pytest.fixture(autouse=True)
def set_seeds_before_tests():
    keras.utils.set_random_seed(0)
"""

# What KerasTuner's tests want of the package of this name.
PORTPICKER = """
import socket


def pick_unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
"""


def copied(checkout: Path, folder: Path, ours: bool) -> None:
    """The tests, as files that pytest finds, in `folder`."""
    for name in (*FILES, *SUPPORT):
        text = (checkout / "keras_tuner" / name).read_text()
        text = _FROM.sub(r"from keras_tuner.src import \1", text)
        text = _MOVED.sub(r"keras_tuner.src.\1", text)
        text = text.replace("keras_tuner.test_utils", "test_utils")
        path = folder / name
        if name in FILES:
            path = folder / ("test_" + Path(name).stem.removesuffix("_test") + ".py")
            if "distribute" in name:
                path = path.with_stem(path.stem.replace("test_", "test_distribute_"))
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "portpicker.py").write_text(PORTPICKER)
    (folder / "conftest.py").write_text(CONFTEST.format(ours=ours))


def main(checkout: str, *words: str) -> int:
    ours = words[:1] != ("--theirs",)
    words = words if ours else words[1:]
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        copied(Path(checkout), Path(folder), ours)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["--rootdir", folder, "-o", f"pythonpath={root} {folder}", *words]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
