"""Search for the hyperparameters that make a Keras model best on your data.

Without flags it searches an MLP for handwritten digits, which takes one to two minutes on two CPU
cores. The search is kept in the project directory: stop it with Ctrl-C and go on with
`tuner-app resume`.
"""

import dataclasses

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.config import PRECISIONS, SearchConfig

SUMMARY = "Search for the best hyperparameters."
USAGE = "search [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    """A flag for each field of `SearchConfig`, and those that only change what is shown."""
    for item in dataclasses.fields(SearchConfig):
        help = item.metadata["help"]
        if item.name == "precision":
            flags.DEFINE_enum(item.name, item.default, PRECISIONS, help, flag_values)
        elif isinstance(item.default, tuple):
            flags.DEFINE_list(item.name, list(item.default), help, flag_values)
        elif isinstance(item.default, int):
            define_whole_number(item.name, item.default, help, flag_values)
        else:
            flags.DEFINE_string(item.name, item.default, help, flag_values)
    define_quiet(flag_values)
    flags.DEFINE_bool(
        "explain_plan",
        False,
        "Only say how the trials would be trained: lanes or one by one, and why.",
        flag_values,
    )


def define_quiet(flag_values: flags.FlagValues) -> None:
    """The `--quiet` flag, which `resume` has too."""
    flags.DEFINE_bool("quiet", False, "Show no progress, only the summary.", flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    names = [item.name for item in dataclasses.fields(SearchConfig)]
    config = SearchConfig(**{name: flag_values[name].value for name in names})

    from tuner_app.cli.session import explain_plan, run_search

    if flag_values["explain_plan"].value:
        return explain_plan(config)
    return run_search(config, quiet=flag_values.quiet)
