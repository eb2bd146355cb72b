"""A promoted trial goes on with the weights, the slots, the step, the random numbers and the
callbacks of the one before it: the line of trials is one training."""

from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from tuner_app import oracles, trial_ends
from tuner_app.population import alone, in_order
from tuner_app.tuners import PopulationTuner
from tuner_app.tuners.sequential import SequentialTuner

STEPS = 4  # an epoch
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((96, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.5 * RANDOM.standard_normal((96, 1)).astype(
    "float32"
)
TRAIN, VALIDATION = (X[:64], Y[:64]), (X[64:], Y[64:])


def build(hp):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(1, use_bias=False)]
    )
    # The fast ones have their best epoch early, which is not where they are to go on.
    rate = hp.Float("rate", 0.3, 3.0, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


class Counting(keras.callbacks.Callback):
    """Slows the rate down after the fifth epoch that it sees, and notes the optimizer's step."""

    seen = 0

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1
        if self.seen == 5:
            self.model.optimizer.learning_rate = 1e-4
        logs["seen"], logs["step"] = float(self.seen), float(self.model.optimizer.iterations)


def diverging(hp):
    """Each epoch is worse than the one before."""
    model = build(hp)
    model.compile(keras.optimizers.SGD(hp.Float("steps", 1.0, 1.1)), "mse")
    return model


def search(folder, lanes, trials=None, hypermodel=build, callbacks=()):
    """By `fit` where `lanes` is None."""
    tuner = (PopulationTuner if lanes else SequentialTuner)(
        oracles.create(
            "hyperband",
            keras_tuner.Objective("val_loss", "min"),
            trials,
            0,
            8,
            factor=4,
            hyperband_iterations=1,
        ),
        hypermodel,
        directory=folder,
        project_name="search",
        **({"lanes": lanes} if lanes else {}),
    )
    tuner.search(
        *TRAIN,
        batch_size=16,
        validation_data=VALIDATION,
        callbacks=[*callbacks, Counting()],
        verbose=0,
    )
    return tuner


@pytest.fixture(scope="module")
def tuners(tmp_path_factory):
    return [search(tmp_path_factory.mktemp(f"lanes{n}"), n) for n in (12, 3)]


def curve(tuner, trial):
    """Each epoch's metrics, those of the trials that it goes on from included."""
    before = trial.hyperparameters.values.get("tuner/trial_id")
    past = {} if before is None else curve(tuner, tuner.oracle.trials[before])
    tuner._attach()
    own = {epoch: m for (_, epoch), m in tuner.store.history(trial.trial_id).items()}
    assert not past.keys() & own.keys()
    return past | own


def promoted(tuner):
    trials = tuner.oracle.trials.values()
    return [trial for trial in trials if "tuner/trial_id" in trial.hyperparameters.values]


def is_one_training(tuner, trial, fit, hypermodel):
    found = curve(tuner, trial)
    epochs = trial.hyperparameters.values["tuner/epochs"]
    assert list(found) == list(range(epochs))
    seed = tuner.seed_of(trial.trial_id, 0)
    keras.utils.set_random_seed(seed)
    history = fit(
        hypermodel(trial.hyperparameters.copy()),
        *TRAIN,
        seed=seed,
        batch_size=16,
        epochs=epochs,
        validation_data=VALIDATION,
        callbacks=[Counting()],
        verbose=0,
    ).history
    for name in ("loss", "val_loss", "seen", "step"):
        np.testing.assert_allclose(
            [metrics[name] for metrics in found.values()], history[name], rtol=1e-4
        )


def test_a_line_of_promotions_is_one_training(tuners):
    tuner = tuners[0]
    assert promoted(tuner) and tuner.stacked == len(tuner.oracle.trials)
    went_back = 0
    for trial in promoted(tuner):
        is_one_training(tuner, trial, alone.fit, build)
        before = tuner.oracle.trials[trial.hyperparameters.values["tuner/trial_id"]]
        went_back += before.best_step + 1 < before.hyperparameters.values["tuner/epochs"]
    assert went_back  # for these, to go on from the best epoch would have been something else


def test_what_is_found_does_not_depend_on_the_lanes(tuners):
    def found(tuner):
        return sorted(
            (t.hyperparameters.values["rate"], t.hyperparameters.values["tuner/epochs"], t.score)
            for t in tuner.oracle.trials.values()
        )

    np.testing.assert_allclose(found(tuners[0]), found(tuners[1]), rtol=1e-4)


def test_no_file_is_left_of_what_nobody_goes_on_from(tuners):
    assert not list(Path(tuners[0].project_dir).rglob("end.lanes.npz*"))


def test_the_weights_kept_have_the_step_of_their_epoch(tuners):
    tuner = tuners[0]
    for trial in promoted(tuner):
        model = build(trial.hyperparameters.copy())
        model.optimizer.build(model.trainable_variables)
        model.load_weights(tuner._get_checkpoint_fname(trial.trial_id))
        assert int(model.optimizer.iterations) == STEPS * (trial.best_step + 1)


def test_by_fit_too_it_is_one_training(tmp_path):
    tuner = search(tmp_path, lanes=None, trials=5, hypermodel=diverging)
    assert promoted(tuner)
    for trial in promoted(tuner):
        is_one_training(tuner, trial, in_order.fit, diverging)
        before = tuner.oracle.trials[trial.hyperparameters.values["tuner/trial_id"]]
        assert before.best_step == 0 and before.hyperparameters.values["tuner/epochs"] > 1
        assert tuner.store.trial(before.trial_id).message == ""
    assert not list(Path(tuner.project_dir).rglob("end.*"))


class Stopping(keras.callbacks.Callback):
    """Ends every training in its second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


@pytest.mark.parametrize("lanes", [5, None])
def test_one_that_was_stopped_in_its_very_last_epoch_says_so(tmp_path, lanes):
    tuner = search(tmp_path, lanes, trials=5, hypermodel=diverging, callbacks=[Stopping()])
    assert promoted(tuner)
    tuner._attach()
    for row in tuner.store.trials():
        below = row.hyperparameters["tuner/round"] < row.hyperparameters["tuner/bracket"]
        stopped = row.hyperparameters["tuner/epochs"] == 2
        assert (trial_ends.FROM_BEST in row.message) == (below and stopped)
