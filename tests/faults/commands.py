"""The command line in processes that are made quickly: forks of one that has imported Keras.

The fork is made before TensorFlow has begun to compute. As a program it takes a request a line on
its input, {"words": [...], ...} as `begin` takes them or {"pid": ...} for `end`, and answers with a
line of JSON; so tests, whose own process may have computed already, get such forks too.
"""

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import tuner_app.tuners.population  # noqa: F401 (Keras and TensorFlow, once)
from tuner_app.cli.main import main


def obey_modes() -> None:
    """Gives up the capabilities DAC_OVERRIDE and DAC_READ_SEARCH (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    for i in (0, 1, 2):  # effective, permitted, inheritable: the lower half
        sets[i] &= ~0b110
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


def jump_clock() -> None:
    """From now on the clock goes back or forward by ten years whenever it is looked at."""
    true, jumps = time.time, itertools.cycle((-3e8, 3e8))
    time.time = lambda: true() + next(jumps)


def begin(
    words: list[str],
    said: str,
    limit: int | None = None,
    jumps: bool = False,
    memory: int | None = None,
) -> int:
    """Starts `tuner-app WORDS`. Returns its pid.

    Args:
        said: What it prints goes into this file.
        limit: No file may grow beyond so many bytes, as if the disk were full.
        jumps: Its clock jumps.
        memory: It gets so many bytes more than it has, as if the machine had no others.

    It has no right of root's to write where a folder's mode forbids it.
    """
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdin.close()
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if memory is not None:
            had = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (had + memory, had + memory))
        if jumps:
            jump_clock()
        obey_modes()
        sys.argv[1:] = words
        status = main()  # as the process's own command: it minds a Ctrl-C that Python would lose
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        with contextlib.suppress(BaseException):
            os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def end(child: int) -> int:
    """Waits for a process. Returns its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = end(request["pid"]) if "pid" in request else begin(**request)
        print(json.dumps(answer), flush=True)
