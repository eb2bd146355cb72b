"""Run the best configurations of a search again, with fresh seeds, the same ones for each.

A search's best score is one run's, and the luckiest of many. This ranks the configurations by their
mean over the seeds, with a 95% interval (Student's t) and a paired test (corrected for all pairs by
Holm's method), and says how optimistic the search's own score was. All runs are stacked in one
program where they can be. What is found is kept in DIR, and `results`, `report`, `export`, `train`
and `evaluate` know of it. Stopped with Ctrl-C, the same command goes on.
"""

import sys

from absl import flags

from tuner_app.cli.invocation import command_line
from tuner_app.cli.parsing import define_whole_number
from tuner_app.cli.search import define_quiet

SUMMARY = "Run the best configurations again over fresh seeds."
USAGE = "confirm DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    define_whole_number("top", 5, "How many of the best configurations to run again.", flag_values)
    define_whole_number("seeds", 5, "Runs of each, with the same seeds; at least 2.", flag_values)
    define_quiet(flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.answers import confirming

    directory, quiet = arguments[0], flag_values.quiet
    asked = confirming.plan(directory, flag_values.top, flag_values.seeds)

    from tuner_app import environment
    from tuner_app.cli.interruption import Interruption
    from tuner_app.cli.session import progress, say

    environment.use_backend(asked.config.backend)
    environment.import_quietly()
    observers = [] if quiet else [progress(asked.config.epochs, [])]
    try:
        with Interruption() as interruption:
            found = confirming.confirm(asked, observers=[*observers, interruption], say=say(quiet))
    except KeyboardInterrupt:
        again = f"--top={flag_values.top}", f"--seeds={flag_values.seeds}"
        print(
            f"\nStopped. Go on with: {command_line('confirm', directory, *again)}", file=sys.stderr
        )
        return 130

    from tuner_app.answers.telling import confirmation_text

    print(confirmation_text(found))
    return 0 if found["winner"] is not None else 1
