"""The best model of a search as files: the model, its hyperparameters, a script that trains it."""

import dataclasses
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

from tuner_app import data
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.results.lineage import as_json as lineage_as_json
from tuner_app.results.lineage import lineage_of
from tuner_app.results.model_file import destination, save
from tuner_app.results.schedule_script import schedule_script
from tuner_app.results.training_script import in_one_go, training_script
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader
from tuner_app.trial_seed import trial_seed

WEIGHTS = "checkpoint.weights.h5"


@dataclass(frozen=True)
class Exported:
    """The files that an export wrote, None for those that were not asked for."""

    model: Path
    hyperparameters: Path
    script: Path | None = None
    requirements: Path | None = None


def export(project, output=None, format=None):
    """Writes the best model of a search, its hyperparameters and a script that trains it again.

    Beside `best.keras` go `best.json`, `best_train.py` and `best_requirements.txt`, the versions
    that the search ran with. The model takes raw inputs (what the data set holds, before any
    preprocessing) and gives logits, one a class in the order of `class_names` in the JSON, or
    numbers in the target's own unit. It is made of Keras's own layers, so it loads with
    `keras.saving.load_model` where this package is not installed, unless the space was your own and
    has layers of its own. The best is the confirmed winner, where `tuner-app confirm` was run.

    Args:
        project: The project directory.
        output: The model's file or, for a SavedModel, its folder. Default: best.keras, best.onnx or
            best_saved_model in the working directory.
        format: "keras", "savedmodel" or "onnx". Default: as the output's ending says.

    Returns:
        An `Exported`.

    Raises:
        UserError: No trial is completed, its weights are missing or do not fit, the output can't
            be written, or the format can't hold the model. No file is changed.
    """
    output, form = destination(output, format)
    with SearchReader(project) as reader:
        config, objective = configuration(reader), reader.fact("objective")
        trial, _ = winner(reader)
        line = lineage_of(reader, trial.trial_id)
        first = reader.trial(line[0].trial_id).number if line else trial.number
        sessions, whole = reader.sessions(), in_one_go(reader, trial)
    weights = Path(project) / f"trial_{trial.trial_id}" / WEIGHTS
    if not weights.is_file():
        raise UserError(
            f"The weights of trial {trial.trial_id} are missing: expected {weights}. Search again "
            "to have them."
        )
    dataset = data.load(config.dataset, seed=config.seed)
    model = from_raw(trained(config, dataset.spec, trial, weights), dataset)
    more = {"lineage": lineage_as_json(line)} if line else None
    files = write((output, form), model, config, objective, trial, dataset.spec, more)
    beside = {
        "script": output.with_name(f"{output.stem}_train.py"),
        "requirements": output.with_name(f"{output.stem}_requirements.txt"),
    }
    ran_with = sessions[-1]["environment"] if sessions else {}
    backend, name = ran_with.get("backend", "tensorflow"), beside["script"].name
    if line:  # of population-based training
        seed = trial_seed(config.seed, first)
        script = schedule_script(config, objective, trial, line, seed, name, backend)
    else:
        way = way_of(config, dataset, trial)
        script = training_script(config, objective, trial, name, way, backend, whole)
    try:
        beside["script"].write_text(script, encoding="utf-8")
        beside["requirements"].write_text(requirements(ran_with), encoding="utf-8")
    except OSError as error:
        raise UserError(f"Can't write to {output.parent}: {error.strerror or error}.") from None
    return dataclasses.replace(files, **beside)


def write(to, model, config, objective, trial, spec, more=None):
    """Saves a model, and its facts beside it, with `more` of them.

    Args:
        to: As `destination` gives it.

    Raises:
        UserError: They can't be written.
    """
    output, form = to
    files = Exported(output, output.with_name(f"{output.stem}.json"))
    try:
        save(model, output, form)
        told = facts(config, objective, trial, spec) | (more or {})
        text = json.dumps(told, indent=2, allow_nan=False) + "\n"
        files.hyperparameters.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"Can't write to {output.parent}: {error.strerror or error}.") from None
    return files


def way_of(config, dataset, trial):
    """How a trial was trained, for its script (see `training_script`)."""
    import search_spaces
    from tuner_app.trial_data import OnDataset, in_search

    if trial.mode == "stacked":
        return "stacked"
    space = search_spaces.load(config.space, dataset.spec, config.optimizers, losses=config.losses)
    searched, _ = in_search(space, dataset, config)
    return "batches" if isinstance(searched, OnDataset) else "arrays"


def requirements(ran_with):
    """The packages that decided the numbers, as pip's requirements.

    >>> print(requirements({"python": "3.12.1", "keras": "3.15.1"}), end="")
    # Python 3.12.1
    keras==3.15.1
    """
    told = ("python", "system", "backend", "program", "tuner-app")
    lines = [f"# Python {ran_with['python']}"] if "python" in ran_with else []
    lines += [f"{name}=={version}" for name, version in ran_with.items() if name not in told]
    return "\n".join(lines) + "\n"


def configuration(reader):
    """What the search was asked for."""
    asked = reader.fact("config")
    if asked is None:
        raise UserError(
            f"{reader.directory} holds a search that was begun by a Python program of its own, so "
            "its model and data are not known here. Only that program can build it."
        )
    return SearchConfig.from_dict(asked)


def trained(config, spec, trial, weights):
    """The trial's model as it was evaluated, of Keras's own layers, from features to logits."""
    import keras
    import keras_tuner

    import search_spaces
    from tuner_app.optimizers import evaluation_point
    from tuner_app.regularization.plain import as_plain_keras

    space = search_spaces.load(config.space, spec, config.optimizers, losses=config.losses)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(trial.hyperparameters)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        model = space.build(hyperparameters)
        if not model.built:
            model(keras.ops.zeros((1, *spec.input_shape), dtype=spec.input_dtype))
        # With its slots: some rules evaluate a model at another point than the one they train.
        model.optimizer.build(model.trainable_variables)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # Keras only warns of layers that it finds no weights for
            model.load_weights(weights)
    except (ValueError, OSError, UserWarning) as error:
        first = str(error).strip().split("\n")[0]
        raise UserError(
            f"The weights of trial {trial.trial_id} in {weights} do not fit its model ({first}). "
            f"Has {config.space} or the data changed since?"
        ) from None
    finally:
        keras.config.set_dtype_policy(policy)
    with evaluation_point(model):
        return as_plain_keras(model)


def from_raw(model, dataset):
    """Preprocessing, the model, and the target's own unit, in one model."""
    import keras

    spec, before = dataset.spec, dataset.preprocessing
    if before is None:
        inputs = features = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="features")
    else:
        inputs, features = before.input, before.output
    outputs = model(features)
    if spec.task == "regression":
        outputs = keras.layers.Rescaling(
            spec.target_std, offset=spec.target_mean, dtype="float32", name="target_unit"
        )(outputs)
    return keras.Model(inputs, outputs, name="best")


def facts(config, objective, trial, spec):
    """What stands in the JSON beside the model: its hyperparameters, and where they come from."""
    return {
        "hyperparameters": trial.hyperparameters,
        "trial_id": trial.trial_id,
        "objective": objective,
        "score": trial.score,
        "best_epoch": trial.best_epoch,
        "dataset": config.dataset,
        "space": config.space,
        "seed": config.seed,
        "outputs": "logits" if spec.task == "classification" else "numbers",
        "class_names": spec.class_names,
    }
