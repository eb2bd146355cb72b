"""The `tuner-app` command as a process; `python -m tuner_app` is the same."""

import contextlib
import os
import sys

from tuner_app.cli.main import main

INTERRUPTED = (130, 143)


def run() -> None:
    """Runs the command that the process was begun with, and ends the process."""
    status = main()
    if status in INTERRUPTED:
        # At once: all is in the store. Ctrl-C leaves what is being compiled to threads, for which
        # Python would wait, and JAX as well; and then JAX's use what is gone, and crash.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
