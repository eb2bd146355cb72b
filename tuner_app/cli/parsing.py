"""Command-line words to absl flag values, and absl flags to help text."""

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
        absl.flags.Error: An unknown flag, or a value that the flag does not take.
        UserError: The command takes fewer or more positional arguments.
    """
    flag_values = flags.FlagValues()
    command.define_flags(flag_values)
    try:
        positional = flag_values(["tuner-app", *map(_with_underscores, words)])[1:]
    except UnicodeError:
        raise UserError("Got a --flagfile that is not text. Expected one flag a line.") from None
    wanted = [word for word in command.USAGE.split() if word.isupper()]
    if len(positional) != len(wanted):
        expected = " ".join(wanted) or "flags only"
        got = " ".join(positional) or "nothing"
        more = getattr(command, "EXPECTED", "")
        raise UserError(f"Got {got}, expected {expected}. Usage: tuner-app {command.USAGE}{more}")
    return flag_values, positional


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
