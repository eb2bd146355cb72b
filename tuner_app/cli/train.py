"""Train the winner once more, on the training and validation examples together.

It is trained for as many epochs as the search found best (the median of the confirmation's runs,
once `tuner-app confirm` was run), without early stopping, and saved like `tuner-app export` saves
it: a file that takes raw inputs, and its facts as JSON. The test split stays closed.
"""

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.cli.search import define_quiet

SUMMARY = "Train the winner on the training and validation examples."
USAGE = "train DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "output",
        "final.keras",
        "The file to write. Its ending is its format: .keras, .onnx, or none for a SavedModel.",
        flag_values,
    )
    define_whole_number("seed", -1, "Seed of the training; -1: the winning trial's.", flag_values)
    define_quiet(flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.answers import training
    from tuner_app.results.model_file import destination

    directory, seed = arguments[0], flag_values["seed"].value
    asked = training.plan(directory, None if seed == -1 else seed)
    destination(flag_values.output)

    from tuner_app import environment

    environment.use_backend(asked.config.backend)
    environment.import_quietly()
    print(
        f"Training trial {asked.trial.trial_id} on the training and validation examples for "
        f"{asked.epochs} epochs."
    )
    written = training.train(asked, flag_values.output, verbose=0 if flag_values.quiet else 2)
    print(training.expected(asked, directory))
    for path in (written.model, written.hyperparameters):
        print(path)
    return 0
