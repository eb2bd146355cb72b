"""The Python file that an export writes: it rebuilds a trial's model and trains it again."""

import json

from tuner_app.results.search_results import objective_parts
from tuner_app.tuners.trial_seed import trial_seed

TEMPLATE = '''\
"""Trains again the model of trial {trial_id}, whose {objective} was {score:.6g} in its search.

    python {file}

It needs tuner_app (and its search_spaces) installed. Change the numbers and run it again.
"""

import keras
import keras_tuner

import search_spaces
from tuner_app import data, environment
from tuner_app.optimizers import EvaluateAtPoint

DATASET = {dataset}
SPACE = {space}
OPTIMIZERS = ({optimizers},)
HYPERPARAMETERS = {hyperparameters}
EPOCHS = {epochs}
BATCH_SIZE = {batch_size}
PATIENCE = {patience}  # epochs without a better {objective} before it stops; 0: never
SEED = {seed}  # of the split and of the order of the examples
TRIAL_SEED = {trial_seed}  # of the weights, the dropout and the augmentation
PRECISION = {precision}


def main():
    environment.use_device(PRECISION)
    dataset = data.load(DATASET, seed=SEED)

    # Schedules of the learning rate are as long as the training; a stream's length is unknown.
    size = dataset.train.size
    steps = size and EPOCHS * -(-size // BATCH_SIZE)
    space = search_spaces.load(SPACE, dataset.spec, OPTIMIZERS, steps=steps)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = HYPERPARAMETERS
    keras.utils.set_random_seed(TRIAL_SEED)
    model = space.build(hyperparameters)
    model.summary()

    callbacks = [EvaluateAtPoint()]
    if PATIENCE:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "{objective}", mode="{direction}", patience=PATIENCE, restore_best_weights=True
            )
        )
    history = model.fit(
        dataset.train.batches(BATCH_SIZE, shuffle_seed=SEED),
        validation_data=dataset.validation.batches(BATCH_SIZE),
        epochs=EPOCHS,
        callbacks=callbacks,
        shuffle=False,  # the batches are, by SEED
        verbose=2,
    )
    best = {direction}(history.history["{objective}"])
    print(f"{objective}: {{best:.6g}} (in the search: {score:.6g})")
    return model


if __name__ == "__main__":
    main()
'''


def training_script(config, objective, trial, file="best_train.py"):
    """The script for one trial, as text.

    Args:
        config: The search's `SearchConfig`.
        objective: Its objective's name and direction.
        trial: Its `TrialRow`.
        file: The script's own name.
    """
    name, direction = next(iter(objective_parts(objective).items()))
    score = trial.score
    if name != objective["name"]:  # several objectives, of which the script tells the first
        score = trial.metrics["metrics"][name]["observations"][0]["value"][0]
    return TEMPLATE.format(
        trial_id=trial.trial_id,
        objective=name,
        direction=direction,
        score=score,
        file=file,
        dataset=literal(config.dataset),
        space=literal(config.space),
        optimizers=", ".join(map(literal, config.optimizers)),
        hyperparameters=dictionary(trial.hyperparameters),
        epochs=config.epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        seed=config.seed,
        trial_seed=trial_seed(config.seed, trial.number, failures=trial.failures),
        precision=literal(config.precision),
    )


def dictionary(values):
    """A dictionary as Python source, one entry a line.

    >>> print(dictionary({"units": 64, "optimizer": "adam"}))
    {
        "units": 64,
        "optimizer": "adam",
    }
    """
    lines = [f"    {literal(key)}: {literal(value)},\n" for key, value in values.items()]
    return "{\n" + "".join(lines) + "}"


def literal(value):
    """A value as Python source, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
