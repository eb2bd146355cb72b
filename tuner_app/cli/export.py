"""Save the best model of a search.

Beside the model go its hyperparameters as JSON and a Python file, ready to run, that rebuilds and
trains it with this project's optimizers.
"""

import dataclasses

from absl import flags

SUMMARY = "Save the best model, its hyperparameters and its training script."
USAGE = "export DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string("output", "best.keras", "The .keras file to write.", flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import environment
    from tuner_app.results.export import export
    from tuner_app.store import SearchReader

    SearchReader(arguments[0]).close()  # a wrong directory is told before TensorFlow is loaded
    environment.import_quietly()
    for written in dataclasses.astuple(export(arguments[0], flag_values.output)):
        print(written)
    return 0
