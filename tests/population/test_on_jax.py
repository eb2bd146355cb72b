"""The same tests on the JAX backend, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# What differs from TensorFlow: drawing, vectorizing, donated memory.
CHOSEN = (
    "every_type or (a_wrong_lift and evaluation) or own_trajectory or shares_its_stack "
    "or native_kernels or of_plain_keras"
)


def test_population_on_jax():
    names = ("population", "conformance_optimizers", "neighbours", "light_building")
    files = [f"test_{name}.py" for name in names]
    words = [sys.executable, "-m", "pytest", "-q", "-k", CHOSEN, *(str(FOLDER / f) for f in files)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        words, cwd=FOLDER.parent.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
