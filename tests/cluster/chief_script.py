"""A KerasTuner user's script: the chief's and the workers', as its environment says.

They are forks of this process, which has imported Keras once. It takes a request a line on its
input, {"folder", "name", "port", "pause", "said"} to begin one (name null: alone; `pause`: seconds
that an epoch takes; `said`: what it prints goes there) or {"pid"} to wait for it, and answers with
a line of JSON: the pid, or the exit status.
"""

import json
import os
import signal
import sys
import time
import traceback

import keras
import numpy as np

import tuner_app
from tuner_app.cluster import chief, worker_tuner

x = np.linspace(-1, 1, 32, dtype="float32")[:, None]


class Slow(keras.callbacks.Callback):
    def __init__(self, pause: float):
        super().__init__()
        self.pause = pause

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(self.pause)


def build(hp):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


def search(folder: str, name: str | None, port: int, pause: float) -> None:
    if name is not None:
        os.environ |= {
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
    # Quick to notice a death, for the test's sake.
    chief.oversee.__defaults__ = (8.0,)
    worker_tuner.HEARTBEAT = 1.0
    tuner = tuner_app.RandomSearch(
        build, "val_loss", max_trials=6, seed=3, directory=folder, project_name="p", lanes=2
    )
    fit = {"x": x, "y": 2 * x, "validation_data": (x, 2 * x), "verbose": 0}
    tuner.search(**fit, epochs=3, callbacks=[Slow(pause)])


def begin(said: str, **arguments) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(said, os.O_WRONLY | os.O_CREAT, 0o666)
        os.dup2(out, 1)
        os.dup2(out, 2)
        search(**arguments)
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def end(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = end(request["pid"]) if "pid" in request else begin(**request)
        print(json.dumps(answer), flush=True)
