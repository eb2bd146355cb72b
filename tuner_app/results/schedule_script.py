"""The Python file that an export of population-based training writes: the line of models that led
to the best weights, trained again."""

from tuner_app.results.training_script import dictionary, literal

TEMPLATE = '''\
"""Trains again the model of trial {trial_id}, whose {objective} was {score:.6g} in its search.

    python {file}

It needs tuner_app (and its search_spaces) installed. Population-based training changed its values
on the way: SCHEDULE has each stretch of epochs. It does what the search did, but for rounding.
Change the numbers and run it again.
"""

{backend}import keras_tuner{late}

import search_spaces{late}
from tuner_app import data, environment{late}
from tuner_app.optimizers import EvaluateAtPoint{late}
from tuner_app.population import replay{late}

DATASET = {dataset}
SPACE = {space}
OPTIMIZERS = ({optimizers})
LOSSES = {losses}
EPOCHS = {epochs}  # of the search: schedules of the learning rate are as long
BATCH_SIZE = {batch_size}
STEPS_PER_EPOCH = {steps_per_epoch}  # batches, of pass after pass; None: an epoch is one pass
SEED = {seed}  # of the split
TRIAL_SEED = {trial_seed}  # of the first weights, the dropout and the order of the examples
PRECISION = {precision}

# First epoch (from 0), the epoch after the last, and the values between them.
SCHEDULE = {schedule}


def main():
    environment.use_device(PRECISION)
    dataset = data.load(DATASET, seed=SEED)
    steps = EPOCHS * (STEPS_PER_EPOCH or -(-dataset.train.size // BATCH_SIZE))
    space = search_spaces.load(SPACE, dataset.spec, OPTIMIZERS, steps=steps, losses=LOSSES)

    def build(values):
        hyperparameters = keras_tuner.HyperParameters()
        hyperparameters.values = dict(values)
        return space.build(hyperparameters)

    model, metrics = replay.fit(
        build,
        SCHEDULE,
        *dataset.train.arrays(),
        seed=TRIAL_SEED,
        batch_size=BATCH_SIZE,
        steps_per_epoch=STEPS_PER_EPOCH,
        validation_data=dataset.validation.arrays(),
        callbacks=[EvaluateAtPoint()],
        verbose=2,
    )
    best = {direction}(metrics["{objective}"])
    print(f"{objective}: {{best:.6g}} (in the search: {score:.6g})")
    return model


if __name__ == "__main__":
    main()
'''


def schedule_script(config, objective, trial, line, seed, file="best_train.py", backend=None):
    """The script for one trial, as text.

    Args:
        config: The search's `SearchConfig`.
        objective: Its objective's name and direction.
        trial: Its `TrialRow`.
        line: The trial's lineage (see `lineage`).
        seed: Of the trial that the line began with.
        file: The script's own name.
        backend: What Keras computed with; None: TensorFlow.
    """
    late = "" if backend in (None, "tensorflow") else "  # noqa: E402"
    chosen = f'import os\n\nos.environ["KERAS_BACKEND"] = {literal(backend)}\n\n' if late else ""
    return TEMPLATE.format(
        trial_id=trial.trial_id,
        objective=objective["name"],
        direction=objective["direction"],
        score=trial.score,
        file=file,
        backend=chosen,
        late=late,
        dataset=literal(config.dataset),
        space=literal(config.space),
        optimizers=", ".join(map(literal, config.optimizers)) + "," * (len(config.optimizers) == 1),
        losses=f"({', '.join(map(literal, config.losses))}{',' * (len(config.losses) == 1)})",
        epochs=config.epochs,
        batch_size=config.batch_size,
        steps_per_epoch=config.steps_per_epoch or None,
        seed=config.seed,
        trial_seed=seed,
        precision=literal(config.precision),
        schedule=_source(line),
    )


def _source(line):
    """A schedule as Python source, a stretch after another."""
    stretches = []
    for stretch in line:
        values = dictionary(stretch.values).replace("\n", "\n        ")
        stretches.append(f"    (\n        {stretch.first},\n        {stretch.end},\n        ")
        stretches.append(f"{values},\n    ),\n")
    return "[\n" + "".join(stretches) + "]"
