"""Start TensorBoard on a search, on this machine only, and print its address.

It shows every trial's curves and the HParams dashboard, also while the search runs. Ctrl-C ends it.
"""

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.errors import UserError

SUMMARY = "Start TensorBoard on a search."
USAGE = "board DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    define_whole_number(
        "port", 6006, "The port to listen on; 0 takes any that is free.", flag_values
    )
    define_whole_number(
        "top",
        0,
        "Show the best so many trials only, as far as they are known; 0: all.",
        flag_values,
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    if not 0 <= flag_values.port <= 65535:
        raise UserError(f"port is {flag_values.port}, expected 0 to 65535.")

    if flag_values.top < 0:
        raise UserError(f"top is {flag_values.top}, expected 0 or more.")

    from tuner_app.tracking import board

    return board.serve(arguments[0], flag_values.port, flag_values.top) or 0
