"""A KerasTuner user's script: the chief's and the workers', as its environment says.

python chief_script.py FOLDER [seconds an epoch takes]
"""

import sys
import time

import keras
import numpy as np

import tuner_app
from tuner_app.cluster import chief, worker_tuner

x = np.linspace(-1, 1, 32, dtype="float32")[:, None]


class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)


def build(hp):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


if __name__ == "__main__":
    # Quick to notice a death, for the test's sake.
    chief.oversee.__defaults__ = (8.0,)
    worker_tuner.HEARTBEAT = 1.0
    tuner = tuner_app.RandomSearch(
        build, "val_loss", max_trials=6, seed=3, directory=sys.argv[1], project_name="p", lanes=2
    )
    fit = {"x": x, "y": 2 * x, "validation_data": (x, 2 * x), "verbose": 0}
    tuner.search(**fit, epochs=3, callbacks=[Slow()])
    print("searched")
