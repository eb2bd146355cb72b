"""Trials an hour: KerasTuner, one trial after another, against the same trials stacked.

    python benchmarks/stacked_trials.py                       # everything, some minutes
    python benchmarks/stacked_trials.py --work=mlp --trials=200 --keras_trials=3

Each system runs in a process of its own, one after another, on the same data (scikit-learn's
digits, 1,400 to train on), the same models, ten epochs a trial, batches of 32, all random search.
KerasTuner runs a few trials, and its time a trial is the mean of all but the first, which pays
for what is started once. The stacked time is the whole search's, building, tracing, compiling and
checking included. Works: `mlp` (AdamW; dropout, learning rate and decay searched), `types` (the
MLP with six optimizer types, dropout, penalty and learning rate searched), `cnn` (8 x 8 images).
"""

import argparse
import json
import os
import subprocess
import sys
import time

EPOCHS, BATCH = 10, 32
WORKS = ("mlp", "types", "cnn")
SYSTEMS = ("keras_tuner", "tensorflow", "jax")


def digits(flat: bool):
    import numpy as np
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype("float32"), y[order].astype("int32")
    x = x if flat else x.reshape(-1, 8, 8, 1)
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def build(hp, work: str):
    """The one model of all systems; `hp` is KerasTuner's."""
    import keras

    L = keras.layers
    rate = hp.Float("rate", 0.01, 0.5)
    if work == "cnn":
        layers = [
            L.Input((8, 8, 1)),
            L.Conv2D(16, 3, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(32, 3, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dropout(rate),
            L.Dense(10),
        ]
    else:
        penalty = None
        if work == "types":
            penalty = keras.regularizers.L2(hp.Float("penalty", 1e-6, 1e-2, sampling="log"))
        layers = [L.Input((64,))]
        for _ in range(2):
            layers += [L.Dense(128, "relu", kernel_regularizer=penalty), L.Dropout(rate)]
        layers += [L.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(hp, work), loss, metrics=["accuracy"])
    return model


def optimizer(hp, work: str):
    from keras import optimizers as O

    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    if work != "types":
        return O.AdamW(rate, weight_decay=hp.Float("decay", 1e-6, 1e-2, sampling="log"))
    kinds = {
        "sgd": lambda: O.SGD(rate),
        "momentum": lambda: O.SGD(rate, momentum=0.9, nesterov=True),
        "rmsprop": lambda: O.RMSprop(rate),
        "adam": lambda: O.Adam(rate),
        "adagrad": lambda: O.Adagrad(rate),
        "adamw": lambda: O.AdamW(rate),
    }
    return kinds[hp.Choice("optimizer", list(kinds))]()


def run_keras_tuner(work: str, trials: int) -> dict:
    import tempfile

    import keras_tuner

    train, held_out = digits(work != "cnn")
    ends = []

    class Timed(keras_tuner.RandomSearch):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            ends.append(time.monotonic())

    with tempfile.TemporaryDirectory() as folder:
        tuner = Timed(
            lambda hp: build(hp, work), "val_accuracy", trials + 1, directory=folder, seed=1
        )
        tuner.search(*train, batch_size=BATCH, epochs=EPOCHS, validation_data=held_out, verbose=0)
        best = tuner.oracle.get_best_trials(1)[0].score
    return {"seconds_a_trial": (ends[-1] - ends[0]) / trials, "best": best, "trials": trials}


def run_stacked(work: str, trials: int, lanes: int) -> dict:
    import random

    import keras_tuner

    from tuner_app.population import Population

    train, held_out = digits(work != "cnn")
    space = keras_tuner.HyperParameters()
    build(space, work)
    draw, began = random.Random(1), time.monotonic()
    population = Population(train, held_out, batch_size=BATCH, lanes=lanes)
    best, started = 0.0, 0
    while started < trials or len(population):
        while started < trials and population.free:
            hp = space.copy()
            for one in space.space:
                hp.values[one.name] = one.random_sample(draw.random())
            population.admit(started, lambda hp=hp: build(hp, work), seed=started, epochs=EPOCHS)
            started += 1
        for report in population.run_epoch():
            best = max(best, report.logs["val_accuracy"])
            if report.done:
                population.retire(report.key)
        rejected = population.take_rejected()
        if rejected:
            raise RuntimeError(f"not stacked: {rejected}")
    seconds, stats = time.monotonic() - began, population.stats
    return {
        "seconds_a_trial": seconds / trials,
        "best": best,
        "trials": trials,
        "tracing": stats.trace_seconds,
        "running": stats.run_seconds,
        "useful_share": stats.useful_share,
        "stacks": stats.stacks,
    }


def in_process(system: str, options) -> dict:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.getcwd()}
    environment["KERAS_BACKEND"] = "jax" if system == "jax" else "tensorflow"
    words = [sys.executable, __file__, f"--one={system}", f"--work={options.work}"]
    words += [f"--trials={options.trials}", f"--keras_trials={options.keras_trials}"]
    words += [f"--lanes={options.lanes}"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=[*WORKS, "all"], default="all")
    parser.add_argument("--trials", type=int, default=200, help="stacked trials")
    parser.add_argument("--keras_trials", type=int, default=3, help="KerasTuner's, after the first")
    parser.add_argument("--lanes", type=int, default=100)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--one", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one == "keras_tuner":
        print(json.dumps(run_keras_tuner(options.work, options.keras_trials)))
        return
    if options.one:
        print(json.dumps(run_stacked(options.work, options.trials, options.lanes)))
        return
    print(f"{'work':6} {'system':12} {'s a trial':>10} {'trials/h':>9} {'times':>6} {'best':>6}")
    for work in WORKS if options.work == "all" else [options.work]:
        options.work, base = work, None
        for system in options.systems.split(","):
            found = in_process(system, options)
            each = found["seconds_a_trial"]
            base = each if system == "keras_tuner" else base
            times = f"{base / each:6.1f}" if base else ""
            print(
                f"{work:6} {system:12} {each:10.3f} {3600 / each:9.0f} {times:>6}"
                f" {found['best']:6.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
