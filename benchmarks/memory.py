"""Resident memory and seconds a trial over a long search with `tuner_app.RandomSearch`.

    python benchmarks/memory.py                       # 2,000 trials of 2 epochs
    python benchmarks/memory.py --trials=400 --profile=search.prof

The small MLP on scikit-learn's digits (1,400 to train on, batches of 32), dropout, learning rate
and weight decay searched. It prints a line every 100 trials, then JSON. The search passes where the
memory at its end is within 20% of that after 200 trials; the exit status is 1 where it is not.
"""

import argparse
import cProfile
import json
import os
import sys
import tempfile
import time

from tuner_app.tuners import Observer

ALLOWED = 1.2  # of the memory after `SETTLED` trials
SETTLED = 200


def resident() -> float:
    """MB of this process in memory now (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Meter(Observer):
    """Notes the memory, the time and the processor's time after every `every` trials."""

    def __init__(self, every: int):
        self.rows: list[dict] = []
        self._every, self._ended = every, 0
        self._began = time.monotonic(), time.process_time()

    def trial_ended(self, record) -> None:
        self._ended += 1
        if self._ended % self._every == 0:
            row = {
                "trials": self._ended,
                "resident_mb": round(resident(), 1),
                "seconds": round(time.monotonic() - self._began[0], 1),
                "cpu_seconds": round(time.process_time() - self._began[1], 1),
            }
            self.rows.append(row)
            print(
                "{trials:6} {resident_mb:12} {seconds:8} {cpu_seconds:12}".format(**row), flush=True
            )


def digits():
    import numpy as np
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype("float32"), y[order].astype("int32")
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def build(hp):
    import keras

    L = keras.layers
    rate = hp.Float("rate", 0.01, 0.5)
    layers = [L.Input((64,))]
    for _ in range(2):
        layers += [L.Dense(128, "relu"), L.Dropout(rate)]
    model = keras.Sequential([*layers, L.Dense(10)])
    model.compile(
        keras.optimizers.AdamW(
            hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
            weight_decay=hp.Float("decay", 1e-6, 1e-2, sampling="log"),
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def search(options, meter: Meter, folder: str) -> None:
    import tuner_app

    train, held_out = digits()
    tuner = tuner_app.RandomSearch(
        build,
        "val_accuracy",
        max_trials=options.trials,
        seed=0,
        directory=folder,
        keep_best=options.keep_best,
        lanes=options.lanes,
        observers=[meter],
    )
    fit = {"epochs": options.epochs, "validation_data": held_out, "batch_size": 32, "verbose": 0}
    if not options.profile:
        tuner.search(*train, **fit)
        return
    profile = cProfile.Profile()
    profile.runcall(tuner.search, *train, **fit)
    profile.dump_stats(options.profile)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--every", type=int, default=100, help="trials from line to line")
    parser.add_argument("--lanes", type=lambda v: v if v == "auto" else int(v), default="auto")
    parser.add_argument("--keep_best", type=int, help="keep so many trials' weights only")
    parser.add_argument("--profile", help="a file for cProfile's statistics")
    options = parser.parse_args()
    meter = Meter(options.every)
    print(f"{'trials':>6} {'resident MB':>12} {'seconds':>8} {'cpu seconds':>12}")
    with tempfile.TemporaryDirectory() as folder:
        search(options, meter, folder)
    early = next((row for row in meter.rows if row["trials"] >= SETTLED), meter.rows[-1])
    growth = meter.rows[-1]["resident_mb"] / early["resident_mb"]
    flat = growth <= ALLOWED
    print(json.dumps({"growth": round(growth, 3), "flat": flat, "rows": meter.rows}))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
