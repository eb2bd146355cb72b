"""Save the best model of a search.

The best is the confirmed winner, once `tuner-app confirm` was run. The model takes raw inputs: what
the search did to the data before training is inside. Beside it go its hyperparameters as JSON, a
Python file, ready to run, that trains it again as the search did, and the versions of the packages
that the search ran with.
"""

import dataclasses

from absl import flags

SUMMARY = "Save the best model, its hyperparameters and its training script."
USAGE = "export DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    from tuner_app.results.model_file import FORMATS

    flags.DEFINE_string(
        "output",
        "",
        "The model's file. Default: best.keras, best.onnx, or the folder best_saved_model.",
        flag_values,
    )
    flags.DEFINE_enum(
        "format",
        None,
        list(FORMATS),
        "Keras's own, a TensorFlow SavedModel (a folder), or ONNX (needs the extra [onnx]). "
        "Default: as the output's name ends.",
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
    from tuner_app.results.model_file import destination
    from tuner_app.store import SearchReader

    # What is wrong with these is told before TensorFlow is loaded.
    SearchReader(arguments[0]).close()
    if not flag_values.study:
        destination(flag_values.output or None, flag_values.format)
    environment.import_quietly()
    if flag_values.study:
        from tuner_app.results.study import export_study

        number = export_study(arguments[0], flag_values.study)
        print(f"{number} trials in {flag_values.study}")
        return 0
    files = export(arguments[0], flag_values.output or None, flag_values.format)
    for written in filter(None, dataclasses.astuple(files)):
        print(written)
    return 0
