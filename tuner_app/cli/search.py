"""Search for the hyperparameters that make a Keras model best on your data.

Without flags it searches an MLP for handwritten digits, which takes about a minute on two CPU
cores. The search is kept in the project directory: stop it with Ctrl-C and go on with
`tuner-app resume`.
"""

import dataclasses

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.config import SearchConfig
from tuner_app.config_checks import PRECISIONS, PRUNERS
from tuner_app.errors import UserError

SUMMARY = "Search for the best hyperparameters."
USAGE = "search [flags]"
ENUMS = {"precision": PRECISIONS, "pruner": PRUNERS}
ENGINES = ("local", "ray")
OF_RAY = ("num_workers", "ray_address", "gpus_per_worker")


def define_flags(flag_values: flags.FlagValues) -> None:
    """A flag for each field of `SearchConfig`, and those that only change what is shown."""
    for item in dataclasses.fields(SearchConfig):
        help = item.metadata["help"]
        if item.name in ENUMS:
            flags.DEFINE_enum(item.name, item.default, ENUMS[item.name], help, flag_values)
        elif isinstance(item.default, tuple):
            flags.DEFINE_list(item.name, list(item.default), help, flag_values)
        elif isinstance(item.default, bool):
            flags.DEFINE_bool(item.name, item.default, help, flag_values)
        elif isinstance(item.default, float):
            flags.DEFINE_float(item.name, item.default, help, flag_values=flag_values)
        elif isinstance(item.default, int):
            define_whole_number(item.name, item.default, help, flag_values)
        else:
            flags.DEFINE_string(item.name, item.default, help, flag_values)
    define_quiet(flag_values)
    define_engine(flag_values)
    flags.DEFINE_bool(
        "explain_plan",
        False,
        "Only say how the trials would be trained: lanes or one by one, and why.",
        flag_values,
    )


def define_quiet(flag_values: flags.FlagValues) -> None:
    """The `--quiet` flag, which `resume` has too."""
    flags.DEFINE_bool("quiet", False, "Show no progress, only the summary.", flag_values)


def define_engine(flag_values: flags.FlagValues) -> None:
    """Where the trials are trained, which `resume` may decide anew."""
    flags.DEFINE_enum(
        "engine",
        "local",
        ENGINES,
        "What trains: this process, or workers that Ray starts on this machine or on a cluster.",
        flag_values,
    )
    define_whole_number("num_workers", 1, "Ray's workers, each with lanes of its own.", flag_values)
    flags.DEFINE_string(
        "ray_address",
        "",
        "A running Ray cluster: auto or HOST:PORT. Default: Ray is started on this machine alone.",
        flag_values,
    )
    flags.DEFINE_float(
        "gpus_per_worker",
        0.0,
        "GPUs for each of Ray's workers, such as 1 or 0.5.",
        flag_values=flag_values,
    )


def workers_asked(flag_values: flags.FlagValues):
    """The `Workers` of --engine=ray; None for the local engine.

    Raises UserError for a flag that only Ray has, without it.
    """
    given = [name for name in OF_RAY if flag_values[name].present]
    if flag_values.engine == "local":
        if given:
            raise UserError(f"Got --{given[0]} without --engine=ray. Add it, or leave this out.")
        return None
    from tuner_app.cluster.workers import Workers

    return Workers(flag_values.num_workers, flag_values.ray_address, flag_values.gpus_per_worker)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    names = [item.name for item in dataclasses.fields(SearchConfig)]
    config = SearchConfig(**{name: flag_values[name].value for name in names})

    from tuner_app.cli.session import explain_plan, run_search

    if flag_values["explain_plan"].value:
        return explain_plan(config)
    return run_search(config, quiet=flag_values.quiet, workers=workers_asked(flag_values))
