"""A search of one small model, whose trials can misbehave by their values."""

import os
import signal

import keras


def _model(rate) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def build(hp):
    return _model(hp.Float("rate", 1e-3, 1e-1, sampling="log"))


def deadly(hp):
    """One value in four kills the process."""
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    if hp.Choice("kind", ["good", "fair", "fine", "deadly"]) == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return _model(rate)
