"""The scripts of killed searches, each in a fork of one process that has imported Keras.

Run by test_kill.py. Takes a request a line on its input, a JSON list: a script's name, the folder
that it works in, and its further words. What the script prints goes into said.txt in that folder;
the answer, a line too, is its exit status.
"""

import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path

import tuner_app.tuners.population  # noqa: F401 (Keras and TensorFlow, once)

SECONDS = 300  # a script that takes longer is ended


def begin(script: str, folder: str, *words: str) -> int:
    """Starts a script of this folder. Returns its pid."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.alarm(SECONDS)
        out = os.open(Path(folder) / "said.txt", os.O_WRONLY | os.O_CREAT, 0o666)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = [script, folder, *words]
        runpy.run_path(str(Path(__file__).with_name(script)), run_name="__main__")
        sys.stdout.flush()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    for line in sys.stdin:
        _, status = os.waitpid(begin(*json.loads(line)), 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
