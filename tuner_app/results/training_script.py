"""The Python file that an export writes: it rebuilds a trial's model and trains it again."""

import json

from tuner_app.results.search_results import objective_parts
from tuner_app.trial_ends import GOES_ON_FROM
from tuner_app.trial_seed import trial_seed

TEMPLATE = '''\
"""Trains again the model of trial {trial_id}, whose {objective} was {score:.6g} in its search.

    python {file}

It needs tuner_app (and its search_spaces) installed. {promise}
Change the numbers and run it again.
"""

{backend}import keras{late}
import keras_tuner{late}

import search_spaces{late}
from tuner_app import data, environment{late}
from tuner_app.optimizers import EvaluateAtPoint{late}
{imports}
DATASET = {dataset}
SPACE = {space}
OPTIMIZERS = ({optimizers})
LOSSES = {losses}
HYPERPARAMETERS = {hyperparameters}
EPOCHS = {epochs}
BATCH_SIZE = {batch_size}
STEPS_PER_EPOCH = {steps_per_epoch}  # batches, of pass after pass; None: an epoch is one pass
PATIENCE = {patience}  # epochs without a better {objective} before it stops; 0: never
SEED = {seed}  # {seed_says}
TRIAL_SEED = {trial_seed}  # {trial_seed_says}
PRECISION = {precision}


def main():
    environment.use_device(PRECISION)
    dataset = data.load(DATASET, seed=SEED)

    # Schedules are as long as the {scheduled_says}; a stream's length is not known.
    size = dataset.train.size
    steps = STEPS_PER_EPOCH or size and -(-size // BATCH_SIZE)
    steps = steps and {scheduled} * steps
    space = search_spaces.load(SPACE, dataset.spec, OPTIMIZERS, steps=steps, losses=LOSSES)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = HYPERPARAMETERS
    keras.utils.set_random_seed(TRIAL_SEED)
    model = space.build(hyperparameters)

    callbacks = [EvaluateAtPoint()]
    if PATIENCE:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "{objective}", mode="{direction}", patience=PATIENCE, restore_best_weights=True
            )
        )
{fit}    best = {direction}(history.history["{objective}"])
    print(f"{objective}: {{best:.6g}} (in the search: {score:.6g})")
    return model


if __name__ == "__main__":
    main()
'''

# How the trial was trained: `way` → what the script says of it, and does.
STACKED = """\
    # In the search it was trained in a stack: the same order of the examples, the same dropout.
    history = alone.fit(
        model,
        *dataset.train.arrays(),
        seed=TRIAL_SEED,
        batch_size=BATCH_SIZE,
        steps_per_epoch=STEPS_PER_EPOCH,
        validation_data=dataset.validation.arrays(),
        epochs=EPOCHS,
        callbacks=callbacks,
        verbose=2,
    )
"""
ARRAYS = """\
    # In the search it was trained by fit, which was given the examples in the order of TRIAL_SEED.
    history = in_order.fit(
        model,
        *dataset.train.arrays(),
        seed=TRIAL_SEED,
        batch_size=BATCH_SIZE,
        steps_per_epoch=STEPS_PER_EPOCH,
        validation_data=dataset.validation.arrays(),
        epochs=EPOCHS,
        callbacks=callbacks,
        verbose=2,
    )
"""
BATCHES = """\
    history = space.fit(  # the model's own, unless the space has another
        hyperparameters,
        model,
        {batches},
        validation_data=dataset.validation.batches(BATCH_SIZE),
        epochs=EPOCHS,
        callbacks=callbacks,
        steps_per_epoch=STEPS_PER_EPOCH,
        shuffle=False,  # the batches are, by SEED
        verbose=2,
    )
"""
WAYS = {"stacked": STACKED, "arrays": ARRAYS, "batches": BATCHES}
ONE_PASS = "dataset.train.batches(BATCH_SIZE, shuffle_seed=SEED)"
ENDLESS = "endless(dataset.train, BATCH_SIZE, SEED, steps_per_epoch=STEPS_PER_EPOCH)"

SAME = "It does what the search did, but for rounding."
NOT_SAME = "In the search it went on from another trial; here it begins anew."


def in_one_go(reader, trial):
    """Whether what the search made of a trial is one training from the first epoch on: so it is
    where Hyperband promoted it from where another one ended, whose epochs were over."""
    while (before := trial.hyperparameters.get("tuner/trial_id")) is not None:
        source = reader.trial(before)
        values = source.hyperparameters
        over = source.epochs == values["tuner/epochs"] - values["tuner/initial_epoch"]
        # A trial that failed was begun again with another seed.
        if not over or trial.failures or trial.mode != source.mode:
            return False
        if GOES_ON_FROM in source.message:
            return False
        trial = source
    return True


def training_script(
    config, objective, trial, file="best_train.py", way=None, backend="tensorflow", whole=True
):
    """The script for one trial, as text.

    Args:
        config: The search's `SearchConfig`.
        objective: Its objective's name and direction.
        trial: Its `TrialRow`.
        file: The script's own name.
        way: How the trial was trained: "stacked", by `fit` on "arrays", or by `fit` on "batches".
            None: as the trial's mode says, on arrays.
        backend: What Keras computed with.
        whole: As `in_one_go` tells.
    """
    name, direction = next(iter(objective_parts(objective).items()))
    score = trial.score
    if name != objective["name"]:  # several objectives, of which the script tells the first
        score = trial.metrics["metrics"][name]["observations"][0]["value"][0]
    way = way or ("stacked" if trial.mode == "stacked" else "arrays")
    batches = way == "batches"
    endless = batches and config.steps_per_epoch
    imports = ["tuner_app.population import alone"] * (way == "stacked")
    imports += ["tuner_app.population import in_order"] * (way == "arrays")
    imports += ["tuner_app.trial_data import endless"] * bool(endless)
    late = "" if backend == "tensorflow" else "  # noqa: E402"
    order = " and of the order of the examples"
    number, before = trial.line
    planned = trial.hyperparameters.get("tuner/epochs")  # Hyperband gives each trial its own
    return TEMPLATE.format(
        trial_id=trial.trial_id,
        objective=name,
        direction=direction,
        score=score,
        file=file,
        promise=SAME if whole else NOT_SAME,
        backend=f'import os\n\nos.environ["KERAS_BACKEND"] = {literal(backend)}\n\n'
        if late
        else "",
        late=late,
        imports="".join(f"from {line}{late}\n" for line in imports),
        dataset=literal(config.dataset),
        space=literal(config.space),
        optimizers=", ".join(map(literal, config.optimizers)) + "," * (len(config.optimizers) == 1),
        losses=f"({', '.join(map(literal, config.losses))}{',' * (len(config.losses) == 1)})",
        hyperparameters=dictionary(trial.hyperparameters),
        epochs=planned or config.epochs,
        scheduled=config.epochs if planned else "EPOCHS",
        scheduled_says="search's longest training" if planned else "training",
        batch_size=config.batch_size,
        steps_per_epoch=config.steps_per_epoch or None,
        patience=config.patience,
        seed=config.seed,
        seed_says="of the split" + (order if batches else ""),
        trial_seed=trial_seed(config.seed, number, failures=before + trial.failures),
        trial_seed_says="of the weights and the dropout" + ("" if batches else order),
        precision=literal(config.precision),
        fit=WAYS[way].format(batches=ENDLESS if endless else ONE_PASS),
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
