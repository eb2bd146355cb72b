"""List what can be named on the command line or imported, with one line on each.

KIND is optimizers, losses, schedules, spaces, datasets or oracles.
"""

from absl import flags

SUMMARY = "List optimizers, losses, schedules, spaces, datasets or oracles."
USAGE = "list KIND"


def define_flags(flag_values: flags.FlagValues) -> None:
    """`list` has no flags."""


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import catalogue

    named = catalogue.names(arguments[0])
    width = max(map(len, named), default=0)
    for name, line in named.items():
        print(f"{name:<{width}}  {line}")
    return 0
