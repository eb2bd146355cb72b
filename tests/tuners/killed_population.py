"""A stacked search that is killed at random moments, and ends as if it had not been.

Run by test_kill.py; by hand: python killed_population.py FOLDER KILLS SEED TRIALS

The processes that are killed are forks of this one, made before TensorFlow has begun to compute, so
that Keras is imported once. Prints what happened as JSON, or fails with an AssertionError.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np

from tuner_app import oracles
from tuner_app.store import SearchReader, holds_search
from tuner_app.tuners import PopulationTuner

LANES, EPOCHS = 3, 6


def build(hp):
    model = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(6, "relu"),
            keras.layers.Dropout(hp.Float("dropout", 0.1, 0.5)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-2, 1e-1, sampling="log")), "mse")
    return model


class Notes(keras.callbacks.Callback):
    """Writes a line for every epoch that was computed."""

    def __init__(self, path):
        super().__init__()
        self.path, self.epochs = path, 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        assert self.epochs == epoch + 1, "the callback's own state was lost"
        with open(self.path, "a") as file:
            file.write(f"{epoch}\n")


def search(folder: Path, name: str, trials: int) -> None:
    random_numbers = np.random.default_rng(0)
    x = random_numbers.standard_normal((60, 4)).astype("float32")
    y = (x[:, :1] * x[:, 1:2]).astype("float32")
    tuner = PopulationTuner(
        oracles.create("random", "val_loss", trials, seed=5),
        build,
        directory=folder,
        project_name=name,
        lanes=LANES,
        checkpoint_seconds=0,
        max_deaths=10**6,  # kills come from outside here: no trial is to blame
    )
    tuner.search(
        x[:40],
        y[:40],
        batch_size=16,
        epochs=EPOCHS,
        validation_data=(x[40:], y[40:]),
        callbacks=[
            Notes(str(folder / f"{name}.txt")),
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
            keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        ],
        verbose=0,
    )


def in_a_child(folder: Path, name: str, trials: int) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            search(folder, name, trials)
            status = 0
        finally:
            os._exit(status)
    return child


def computed(folder: Path, name: str) -> int:
    path = folder / f"{name}.txt"
    return len(path.read_text().split()) if path.exists() else 0


def kill_after(folder: Path, trials: int, epochs: int, delay: float) -> bool:
    """Whether the search was killed, so many epochs and seconds after it was begun."""
    child, target = in_a_child(folder, "killed", trials), computed(folder, "killed") + epochs
    status = 0
    while computed(folder, "killed") < target:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.WEXITSTATUS(status) == 0, "the search itself failed"
            return False
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def found(folder: Path, name: str) -> dict:
    assert holds_search(folder / name)
    with SearchReader(folder / name) as reader:
        return {
            row.trial_id: (row.status, row.hyperparameters, reader.history(row.trial_id))
            for row in reader.trials()
        }


def main(folder: Path, kills: int, seed: int, trials: int) -> dict:
    draw, done = random.Random(seed), 0
    for _ in range(kills):
        epochs = draw.randint(0, 8)
        # Without an epoch: while it opens the directory, builds, traces or compiles.
        done += kill_after(folder, trials, epochs, draw.uniform(0, 0.1 if epochs else 4))
    for name in ("killed", "undisturbed"):
        _, status = os.waitpid(in_a_child(folder, name, trials), 0)
        assert status == 0, "the search itself failed"
    killed, undisturbed = found(folder, "killed"), found(folder, "undisturbed")
    assert killed.keys() == undisturbed.keys() and len(killed) == trials
    for trial_id, (status, values, history) in undisturbed.items():
        assert killed[trial_id][:2] == (status, values)
        assert killed[trial_id][2].keys() == history.keys()
        for at, metrics in history.items():
            for metric, value in metrics.items():
                np.testing.assert_allclose(killed[trial_id][2][at][metric], value, rtol=1e-5)
    return {
        "kills": done,
        "epochs": computed(folder, "undisturbed"),
        "epochs computed again": computed(folder, "killed") - computed(folder, "undisturbed"),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
