"""How this program was started, so that what it suggests to type works as it is shown."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def command_line(*words: str | Path) -> str:
    """A command to type, quoted for a shell: `tuner-app resume 'my project'`.

    The program is named as a person would reach it from the current folder: by its name where that
    is on the PATH, else by its path.
    """
    return " ".join([_program(), *(shlex.quote(str(word)) for word in words)])


def _program() -> str:
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{Path(sys.executable).name} -m tuner_app"
    if started.name != "tuner-app":
        return "tuner-app"
    on_path = shutil.which("tuner-app")
    if on_path and os.path.samefile(on_path, started):
        return "tuner-app"
    near = os.path.relpath(started)
    return shlex.quote(str(started) if near.startswith("..") else near)
