"""What a GPU would be given by JAX, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).with_name("as_on_a_gpu.py")


def test_as_on_a_gpu():
    words = [sys.executable, "-m", "pytest", "-q", str(TESTS)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        words, cwd=TESTS.parent.parent.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
