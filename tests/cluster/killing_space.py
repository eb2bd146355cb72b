"""Small models. With KILL_ONCE=FILE a worker kills itself amid its trials, unless FILE is there."""

import os
import signal
from pathlib import Path

import keras

EPOCHS = 3  # that it reports before


def build(hp):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def _kill_once(file: Path) -> None:
    from tuner_app.cluster.worker_tuner import Working

    report, reported = Working._report_epochs, []

    def report_and_die(self, reports):
        report(self, reports)
        reported.append(None)
        if len(reported) == EPOCHS and not file.exists():
            file.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    Working._report_epochs = report_and_die


if "KILL_ONCE" in os.environ:
    _kill_once(Path(os.environ["KILL_ONCE"]))
