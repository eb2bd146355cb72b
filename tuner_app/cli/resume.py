"""Go on with a search that was stopped, killed or is unfinished.

What was asked for is stored in DIR. Completed trials stay as they are; the rest run.
"""

from absl import flags

from tuner_app.cli.search import define_engine, define_quiet, workers_asked

SUMMARY = "Go on with a search that was stopped."
USAGE = "resume DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    define_quiet(flag_values)
    define_engine(flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.cli.session import resume_search

    workers = workers_asked(flag_values)
    return resume_search(arguments[0], quiet=flag_values.quiet, workers=workers)
