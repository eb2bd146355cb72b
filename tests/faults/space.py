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


def rough(hp):
    """A large rate makes the loss NaN."""
    return _model(hp.Float("rate", 1e-3, 1e2, sampling="log"))


def deadly(hp):
    """A large rate kills the process."""
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    if rate > 0.017:
        os.kill(os.getpid(), signal.SIGKILL)
    return _model(rate)
