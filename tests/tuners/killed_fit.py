"""A trial that is trained by `fit` kills its own process at the beginning of some epochs; resumed,
it ends as one that nothing disturbed.

Run by test_kill.py; by hand: python tests/tuners/killed_fit.py DIRECTORY

The processes that are killed are forks of this one, so that Keras is imported once. Prints what
happened as JSON, or fails with an AssertionError.
"""

import json
import os
import signal
import sys
from pathlib import Path

import h5py
import keras
import keras_tuner
import numpy as np

from tuner_app import oracles
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner

KILLS = (2, 5)  # epochs at whose beginning the process dies, each once
EPOCHS = 8
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 5)).astype("float32")
Y = X @ RANDOM.normal(size=(5, 1)).astype("float32") + RANDOM.normal(size=(60, 1)).astype("float32")


class Own(keras.Model):
    """Its layers are built when it first trains, and its training step is its own."""

    def __init__(self):
        super().__init__()
        dense = keras.layers.Dense
        self.net = keras.Sequential([dense(8, "relu"), keras.layers.Dropout(0.4), dense(1)])
        self.noise = keras.random.SeedGenerator(7)

    def call(self, x, training=False):
        return self.net(x, training=training)

    def train_step(self, *state_and_data):
        *state, (x, y) = state_and_data  # the state: on JAX
        if not state:
            x += 0.1 * keras.random.normal(keras.ops.shape(x), seed=self.noise)
        return super().train_step(*state, (x, y))


def build(hp):
    model = Own()
    rate = hp.Float("rate", 0.01, 0.05, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
    return model


class Dies(keras.callbacks.Callback):
    """Kills the process at an epoch's beginning, where it finds its mark for it."""

    def __init__(self, marks: str):
        super().__init__()
        self.marks = marks
        self.draws = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        mark = Path(self.marks) / str(epoch)
        if mark.exists():
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, epoch, logs=None):
        self.draws += np.random.random()
        logs["draws"] = self.draws  # of NumPy's own random numbers


def search(folder: Path, name: str, marks: Path) -> None:
    tuner = PopulationTuner(
        oracles.create("random", keras_tuner.Objective("val_loss", "min"), 1, seed=0),
        build,
        directory=str(folder),
        project_name=name,
        lanes=2,  # not to be found out
        checkpoint_seconds=0,
        max_deaths=len(KILLS),  # so many would be too many, did the trial not get further
    )
    callbacks = [
        Dies(str(marks)),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.05),
        # No epoch is better than the first by so much: it stops, and goes back to that one.
        keras.callbacks.EarlyStopping(
            "val_loss", patience=EPOCHS - 2, min_delta=99.0, restore_best_weights=True
        ),
        keras.callbacks.CSVLogger(str(folder / f"{name}.csv")),
    ]
    how = {"epochs": EPOCHS + 5, "batch_size": 16, "callbacks": callbacks, "verbose": 0}
    tuner.search(X[:40], Y[:40], validation_data=(X[40:], Y[40:]), **how)


def in_another_process(*arguments) -> bool:
    """Whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            search(*arguments)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the search itself failed"
    return not os.WIFSIGNALED(status)


def found(folder: Path, name: str) -> tuple:
    with SearchReader(folder / name) as reader:
        (row,) = reader.trials()
        history = reader.history(row.trial_id)
    arrays = {}
    with h5py.File(folder / name / "trial_0" / "checkpoint.weights.h5") as file:
        file.visititems(lambda k, v: arrays.update({k: v[()]} if hasattr(v, "shape") else {}))
    (log,) = (folder / "0" / "execution0").glob(f"{name}.csv")
    return row, history, arrays, np.genfromtxt(log, delimiter=",", names=True)


def main(folder: Path) -> dict:
    marks = folder / "marks"
    marks.mkdir(parents=True)
    for epoch in KILLS:
        (marks / str(epoch)).touch()
    kills = 0
    while not in_another_process(folder, "killed", marks):
        kills += 1
    assert in_another_process(folder, "undisturbed", marks)
    row, history, arrays, log = found(folder, "killed")
    whole, expected, weights, whole_log = found(folder, "undisturbed")
    assert list(history) == list(expected) and len(expected) == EPOCHS - 1
    for at, metrics in expected.items():
        assert history[at].keys() == metrics.keys() and "draws" in metrics
        for name, value in metrics.items():
            np.testing.assert_allclose(history[at][name], value, rtol=1e-6, err_msg=f"{at} {name}")
    assert arrays.keys() == weights.keys() and len(weights) > 8  # the optimizer's too
    for name, value in weights.items():
        np.testing.assert_allclose(arrays[name], value, rtol=1e-6, atol=1e-7, err_msg=name)
    assert (row.score, row.best_epoch) == (whole.score, whole.best_epoch)
    assert log.dtype == whole_log.dtype and len(log) == len(whole_log) == len(expected)
    assert not list((folder / "killed").glob("search.fit*"))
    return {"kills": kills, "message": row.message}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
