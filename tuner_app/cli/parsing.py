"""Command-line words to absl flag values, and absl flags to help text."""

import difflib
import re
import textwrap
from types import ModuleType
from typing import Any

from absl import flags

from tuner_app.errors import UserError

HELP_WIDTH = 88
LONGEST_FLAG = 100  # characters


class WholeNumber(flags.ArgumentParser):
    """absl's integer parser, with an error that a person understands."""

    syntactic_help = "a whole number"

    def parse(self, argument: str | int) -> int:
        try:
            return int(argument)
        except ValueError:
            raise ValueError("expected a whole number, such as 20.") from None

    def flag_type(self) -> str:
        return "int"


def define_whole_number(name: str, default: int, help: str, flag_values: flags.FlagValues) -> None:
    """Defines a flag that takes a whole number."""
    flags.DEFINE(WholeNumber(), name, default, help, flag_values, flags.ArgumentSerializer())


def parse(command: ModuleType, words: list[str]) -> tuple[flags.FlagValues, list[str]]:
    """Parses one command's words into its flag values and what is left, its positional arguments.

    `--max-trials` means `--max_trials`.

    Raises:
        UserError: An unknown flag, a value that the flag does not take, or fewer or more
            positional arguments than the command takes.
    """
    flag_values = flags.FlagValues()
    command.define_flags(flag_values)
    try:
        positional = flag_values(["tuner-app", *map(_with_underscores, words)])[1:]
    except UnicodeError:
        raise UserError("Got a --flagfile that is not text. Expected one flag a line.") from None
    except flags.Error as error:
        raise UserError(_in_plain_words(error, flag_values, command)) from None
    wanted = [word for word in command.USAGE.split() if word.isupper()]
    if len(positional) != len(wanted):
        expected = " ".join(wanted) or "flags only"
        got = " ".join(positional) or "nothing"
        more = getattr(command, "EXPECTED", "")
        raise UserError(f"Got {got}, expected {expected}. Usage: tuner-app {command.USAGE}{more}")
    return flag_values, positional


def _in_plain_words(error: flags.Error, flag_values: flags.FlagValues, command: ModuleType) -> str:
    """What absl finds wrong: what was received, what was expected, where all flags are listed."""
    if isinstance(error, flags.UnrecognizedFlagError):
        name = error.flagname.removeprefix("no")
        near = difflib.get_close_matches(name, list(flag_values), n=1, cutoff=0.5)
        hint = f" Did you mean --{near[0]}?" if near else ""
        every = f"tuner-app {command.USAGE.split()[0]} --help"
        return f"Unknown flag --{error.flagname}.{hint} All are listed by {every}."
    cause = error.__context__
    if isinstance(error, flags.CantOpenFlagFileError) and isinstance(cause, OSError):
        return f"Can't read the flags in {cause.filename}: {cause.strerror}."
    text = str(error)
    found = re.match(r"flag --(\w+)=", text)
    flag = flag_values[found[1]] if found and found[1] in flag_values else None
    if flag is None or not text.endswith(f": {cause}"):
        return text
    choices = getattr(flag.parser, "enum_values", None)
    if flag.boolean:
        expected = "no value, true or false"
    elif choices:
        expected = f"one of {', '.join(choices)}"
    elif flag.flag_type() == "float":
        expected = "a number, such as 0.5"
    else:
        return text
    return f"{text.removesuffix(f': {cause}')}: expected {expected}."


def command_help(name: str, command: ModuleType) -> str:
    """The help text of one command: usage, what it does, every flag with its default."""
    flag_values = flags.FlagValues()
    command.define_flags(flag_values)
    lines = [f"Usage: tuner-app {command.USAGE}", "", *_wrapped(command.__doc__ or "", "")]
    names = [flag for flag in flag_values if flag not in ("flagfile", "undefok")]
    if names:
        lines += ["", "Flags:"]
    for flag_name in names:
        lines += _flag_help(flag_values[flag_name])
    lines += ["", "Flags may be written with - for _, and read from a file: --flagfile=FILE."]
    return "\n".join(lines)


def _flag_help(flag: Any) -> list[str]:
    if flag.boolean:
        return [f"  --{flag.name}", *_wrapped(flag.help, "      ")]
    choices = getattr(flag.parser, "enum_values", None)
    value = "|".join(choices) if choices else _value_word(flag)
    text = flag.help.removeprefix(f"<{value}>: ")  # absl writes an enum's choices into its help
    default = flag.default_as_str.strip("'") if flag.default not in (None, "", []) else ""
    shown = f" (default: {default})" if default else ""
    return [f"  --{flag.name}={value}{shown}", *_wrapped(text, "      ")]


def _value_word(flag: Any) -> str:
    return {"int": "N", "comma separated list of strings": "A,B,..."}.get(
        flag.flag_type(), flag.name.upper()
    )


def _wrapped(text: str, indent: str) -> list[str]:
    lines = []
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        lines += textwrap.wrap(
            " ".join(paragraph.split()), HELP_WIDTH, initial_indent=indent, subsequent_indent=indent
        )
        lines.append("")
    return lines[:-1]


def _with_underscores(word: str) -> str:
    """`--max-trials=3` as `--max_trials=3`; values and positional arguments stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    if len(name) > LONGEST_FLAG:  # absl would look for similar names until Python's stack is full
        raise UserError(f"Got a flag of {len(name)} characters, --{name[:20]}..., which none has.")
    return f"--{name.replace('-', '_')}{equals}{value}"
