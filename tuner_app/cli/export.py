"""Save the best model of a search.

The best is the confirmed winner, once `tuner-app confirm` was run. Beside the model go its
hyperparameters as JSON, a Python file, ready to run, that rebuilds and trains it with this
project's optimizers, and the versions of the packages that the search ran with.
"""

import dataclasses

from absl import flags

SUMMARY = "Save the best model, its hyperparameters and its training script."
USAGE = "export DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string("output", "best.keras", "The .keras file to write.", flag_values)
    flags.DEFINE_bool(
        "saved_model",
        False,
        "Write a TensorFlow SavedModel too, in a folder beside it.",
        flag_values,
    )
    flags.DEFINE_string(
        "study",
        "",
        "Write the trials instead, as an Optuna study: sqlite:///FILE, which optuna-dashboard "
        "opens, or journal:///FILE.",
        flag_values,
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import environment
    from tuner_app.results.export import export
    from tuner_app.store import SearchReader

    SearchReader(arguments[0]).close()  # a wrong directory is told before TensorFlow is loaded
    environment.import_quietly()
    if flag_values.study:
        from tuner_app.results.study import export_study

        number = export_study(arguments[0], flag_values.study)
        print(f"{number} trials in {flag_values.study}")
        return 0
    files = export(arguments[0], flag_values.output, saved_model=flag_values.saved_model)
    for written in filter(None, dataclasses.astuple(files)):
        print(written)
    return 0
