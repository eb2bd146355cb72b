"""The command as a process: how it ends."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tuner_app.__main__ import run

ENDING = """
import atexit, threading
from tuner_app import __main__ as process

atexit.register(print, "torn down")
process.main = lambda: {status}
if {compiling}:
    threading.Thread(target=threading.Event().wait).start()  # which never ends
print("said")
process.run()
"""


@pytest.mark.parametrize(
    "status, compiling, said",
    [(143, True, "said"), (130, True, "said"), (1, False, "said torn down")],
)
def test_an_interrupted_command_ends_at_once_whatever_its_threads_do(status, compiling, said):
    script = ENDING.format(status=status, compiling=compiling)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (status, said.split(), "")


def test_the_command_is_that_process():
    project = Path(__file__).parent.parent / "pyproject.toml"
    where = tomllib.loads(project.read_text())["project"]["scripts"]["tuner-app"]
    module, name = where.split(":")
    assert getattr(importlib.import_module(module), name) is run
