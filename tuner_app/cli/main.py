"""From the words on the command line to a command and an exit status.

0: done. 1: no trial completed. 2: bad input, said in one line, or a file that the system refuses.
130: interrupted, 143: told to end (SIGTERM); both can be resumed.
"""

import codecs
import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence

from tuner_app.cli import (
    board,
    check,
    compare,
    confirm,
    evaluate,
    export,
    listing,
    picture,
    report,
    results,
    resume,
    search,
    train,
)
from tuner_app.cli.parsing import command_help, parse
from tuner_app.errors import UserError, unknown

COMMANDS = {
    "check": check,
    "search": search,
    "resume": resume,
    "confirm": confirm,
    "evaluate": evaluate,
    "train": train,
    "compare": compare,
    "results": results,
    "report": report,
    "board": board,
    "export": export,
    "picture": picture,
    "list": listing,
}
HELP = ("--help", "-help", "-h", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; `argv` is without the program's name. Returns the exit status.

    >>> main(["list", "oracles"])  # doctest: +ELLIPSIS
    auto ...
    0
    """
    warnings.formatwarning = _one_line
    if argv is not None:
        return _status(list(argv))
    _write_what_can_be()
    hook, sys.unraisablehook = sys.unraisablehook, _interrupt_again
    try:
        return _status(sys.argv[1:])
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said, and the process ends
        sys.unraisablehook = hook


def _write_what_can_be() -> None:
    """Where the locale's encoding lacks a letter, such as α, a terminal shows ? and a file gets its
    number (\\u03b1), from which programs get it back; Python would end with an error."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        utf8 = codecs.lookup(stream.encoding).name == "utf-8"
        if stream.errors == "strict" or (stream.errors == "surrogateescape" and not utf8):
            stream.reconfigure(errors="replace" if stream.isatty() else "backslashreplace")


def _interrupt_again(report) -> None:
    """Ctrl-C in a callback of the garbage collector, as while libraries are imported: Python would
    print it and forget it."""
    if issubclass(report.exc_type, KeyboardInterrupt):
        # Not here, where it would be lost as well.
        again = signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)
        timer = threading.Timer(0.02, *again)
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(report)


def _status(words: list[str]) -> int:
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"tuner-app: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError:
        print(
            "tuner-app: This process got no more memory. What a search has finished is kept: go on "
            "with tuner-app resume DIR where there is more.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`, a closed pager) has seen enough. Python would complain at exit when it
        # flushes what is left, so what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a name too long, a full disk, a folder that may not be read
        where = f": {str(error.filename)[:200]}" if error.filename else ""
        what = error.strerror or " ".join(str(error).split())[:200]
        print(f"tuner-app: {what}{where}", file=sys.stderr)
        return 2


def _one_line(message, category, *place) -> str:
    """A warning as a person reads it, without the line of code that gave it."""
    return f"tuner-app: {' '.join(str(message).split())}\n"


def _dispatch(words: list[str]) -> int:
    if any("\0" in word for word in words):
        raise UserError("Got a word with a null character, which no name of a file can have.")
    if not words or words[0] in HELP:
        print(_overview())
        return 0
    if words[0] == "--version":
        from tuner_app import __version__

        print(f"tuner-app {__version__}")
        return 0
    name, arguments = words[0], words[1:]
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    command = COMMANDS[name]
    if any(word in HELP[:3] for word in arguments):
        print(command_help(name, command))
        return 0
    flag_values, positional = parse(command, arguments)
    if positional and name != "resume" and command.USAGE.split()[1] == "DIR":
        positional = [_here(name, positional[0]), *positional[1:]]
    return command.run(flag_values, positional)


def _here(command: str, directory: str) -> str:
    """A directory, which is fetched where it is named by an address."""
    if "://" not in directory:
        return directory
    from tuner_app import remote

    return remote.for_reading(command, directory) if remote.is_address(directory) else directory


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.SUMMARY}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Hyperparameter search for Keras models.",
            "",
            "Usage: tuner-app COMMAND [flags]",
            "",
            "Commands:",
            *lines,
            "",
            "tuner-app COMMAND --help lists a command's flags; tuner-app --version its version.",
            "A bare `tuner-app search` searches an MLP for handwritten digits.",
        ]
    )
