"""A promoted trial goes on with the weights, the slots and the step of the one before it."""

import keras
import keras_tuner
import numpy as np

from tuner_app import oracles
from tuner_app.tuners import PopulationTuner

STEPS = 4  # an epoch


def build(hp):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-2, sampling="log")), "mse")
    return model


def test_promotions_keep_the_optimizer_in_a_stack(tmp_path):
    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    tuner = PopulationTuner(
        oracles.create(
            "hyperband",
            keras_tuner.Objective("val_loss", "min"),
            None,
            0,
            4,
            factor=4,
            hyperband_iterations=1,
        ),
        build,
        directory=tmp_path,
        project_name="search",
        lanes=4,
    )
    tuner.search(x, 3 * x, batch_size=16, validation_data=(x, 3 * x), verbose=0)
    promoted = [
        trial
        for trial in tuner.oracle.trials.values()
        if "tuner/trial_id" in trial.hyperparameters.values
    ]
    assert promoted
    for trial in promoted:
        before = tuner.oracle.trials[trial.hyperparameters.values["tuner/trial_id"]]
        assert trial.score < before.score and trial.best_step == 3
        model = build(trial.hyperparameters.copy())
        model.optimizer.build(model.trainable_variables)
        model.load_weights(tuner._get_checkpoint_fname(trial.trial_id))
        assert int(model.optimizer.iterations) == 4 * STEPS
