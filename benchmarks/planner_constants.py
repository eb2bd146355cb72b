"""What each mode of training takes, beside what the planner estimates of it.

    PYTHONPATH=. python benchmarks/planner_constants.py [WORK ...]

For every work (all of them by default) and mode one line: seconds until the first epoch is over but
for its steps, and milliseconds a step of one trial, on the clock and of processor time, then the
estimates. On a machine that does nothing else the clock is what the constants of
`tuner_app/population/planning/estimates.py` are set by; on a busy one processor time says more.
`fit` is timed on the second trial of a structure, for which it compiles as for the first.
"""

import functools
import sys
import time

import keras
import numpy as np

from tuner_app import optimizers
from tuner_app.population import Population
from tuner_app.population.planning.model_sample import ModelSample
from tuner_app.population.planning.planner import Mode, estimate
from tuner_app.population.planning.timing import multiplications_a_second

LANES, BATCH, EXAMPLES = 16, 32, 1408


def mlp(layers, units, optimizer="adam", features=64):
    hidden = [keras.layers.Dense(units, activation="relu") for _ in range(layers)]
    model = keras.Sequential([keras.Input((features,)), *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.get(optimizer)(), loss, metrics=["accuracy"])
    return model


def cnn(filters):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for each in filters:
        model.add(keras.layers.Conv2D(each, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.get("adam")(), loss, metrics=["accuracy"])
    return model


WORKS = {
    "mlp, 1 layer of 64": (functools.partial(mlp, 1, 64), 64),
    "mlp, 3 layers of 64": (functools.partial(mlp, 3, 64), 64),
    "mlp, 3 layers of 256": (functools.partial(mlp, 3, 256), 64),
    "mlp, 8 layers of 64": (functools.partial(mlp, 8, 64), 64),
    "cnn, 16 and 32 filters": (functools.partial(cnn, (16, 32)), 64),
    "shampoo, 1 layer of 64": (functools.partial(mlp, 1, 64, "shampoo"), 64),
    "shampoo, 1 layer of 256": (functools.partial(mlp, 1, 256, "shampoo", 256), 256),
    "soap, 1 layer of 256": (functools.partial(mlp, 1, 256, "soap", 256), 256),
}
MODES = {
    "lanes, XLA": Mode(LANES, False),
    "lanes": Mode(LANES, False, jit_compile=False),
    "one lane, XLA": Mode(1, True),
    "one lane": Mode(1, True, jit_compile=False),
}


def clocked(function):
    wall, processor = time.monotonic(), time.process_time()
    function()
    return np.array([time.monotonic() - wall, time.process_time() - processor])


def measured(build, data, mode):
    """([first, first of processor time], [a trial's step, the same]) in seconds."""
    population = Population(
        data,
        data,
        batch_size=BATCH,
        lanes=mode.lanes,
        native=mode.native,
        jit_compile=mode.jit_compile,
    )
    for key in range(mode.lanes):
        population.admit(key, build, seed=key, epochs=4)
    first = clocked(population.run_epoch)
    rejected = population.take_rejected()
    if rejected:
        raise SystemExit(f"{mode}: {rejected}")
    epoch = np.minimum(*[clocked(population.run_epoch) for _ in range(2)])
    return first - epoch, epoch / (-(-EXAMPLES // BATCH) * mode.lanes)


def by_fit(build, data):
    times = []
    for _ in range(2):
        model = build()
        x, y = data
        fit = functools.partial(model.fit, x, y, batch_size=BATCH, verbose=0, validation_data=data)
        first, epoch = clocked(fit), np.minimum(clocked(fit), clocked(fit))
        times.append((first - epoch, epoch / -(-EXAMPLES // BATCH)))
    return times[-1]


def row(work, mode, first, step, estimated=None):
    seconds = "".join(f"{x:8.2f}" for x in first) + "".join(f"{1e3 * x:9.3f}" for x in step)
    told = f"{estimated.first:8.2f}{1e3 * estimated.step:9.3f}" if estimated else ""
    print(f"{work:26}{mode:16}{seconds}{told}", flush=True)


def main(names):
    speed = multiplications_a_second()
    print(f"{speed:.2g} multiplications a second, {keras.backend.backend()}")
    titles = ("first, s", "of processor", "step, ms", "of processor", "estimates")
    print("work, mode: " + ", ".join(titles))
    rng = np.random.default_rng(0)
    for name in names or WORKS:
        build, features = WORKS[name]
        x = rng.normal(size=(EXAMPLES, features)).astype("float32")
        x = x.reshape(EXAMPLES, *build().input_shape[1:])
        data, sample = (x, rng.integers(0, 10, EXAMPLES)), ModelSample.of([build])
        for title, mode in MODES.items():
            if keras.backend.backend() == "jax" and mode.jit_compile is False:
                continue
            row(name, title, *measured(build, data, mode), estimate(sample, BATCH, mode, speed))
        row(name, "fit", *by_fit(build, data))


if __name__ == "__main__":
    main(sys.argv[1:])
