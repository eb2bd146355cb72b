"""Show the trials of a search, best first: finished, running or stopped.

json is the stable form for programs: an object with `objective` (name, direction) and `trials`,
each with rank, trial_id, status, score, hyperparameters, epochs and seconds.
"""

import sys

from absl import flags

SUMMARY = "Show a search's trials, best first."
USAGE = "results DIR [flags]"
UNBROKEN = 2000  # columns
FORMATS = ("table", "json", "csv")


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum("format", "table", FORMATS, "How to print the trials.", flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import results

    found = results.read(arguments[0])
    if flag_values.format == "table":
        # In a file or a pipe a trial is one line, for grep and sort.
        print(results.as_table(found, None if sys.stdout.isatty() else UNBROKEN).rstrip("\n"))
        for line in answers_since(arguments[0]):
            print(f"\n{line}")
    else:
        as_text = {"json": results.as_json, "csv": results.as_csv}[flag_values.format]
        print(as_text(found).rstrip("\n"))
    return 0


def answers_since(directory: str) -> list[str]:
    """What was confirmed and tested after the search, a sentence or two each."""
    from tuner_app.results.report.telling import optimism_sentence, test_set_sentences
    from tuner_app.store import SearchReader, answers

    with SearchReader(directory) as reader:
        confirmed, openings = answers.confirmations(reader), answers.openings(reader)
    said = []
    if confirmed:
        said = [f"Confirmed: {confirmed[-1]['verdict']}", optimism_sentence(confirmed[-1])]
    return [line for line in said + test_set_sentences(openings) if line]
