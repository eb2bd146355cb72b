"""Show the trials of a search, best first: finished, running or stopped.

json is the stable form for programs: an object with `objective` (name, direction) and `trials`,
each with rank, trial_id, status, score, hyperparameters, epochs and seconds.
"""

from absl import flags

SUMMARY = "Show a search's trials, best first."
USAGE = "results DIR [flags]"
FORMATS = ("table", "json", "csv")


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum("format", "table", FORMATS, "How to print the trials.", flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import results

    found = results.read(arguments[0])
    as_text = {"table": results.as_table, "json": results.as_json, "csv": results.as_csv}
    print(as_text[flag_values.format](found).rstrip("\n"))
    return 0
