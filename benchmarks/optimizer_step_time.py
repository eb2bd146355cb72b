"""The step time of our optimizers against Keras's built-in ones, side by side in one run.

    python benchmarks/optimizer_step_time.py [--rounds=30]

Takes about two minutes on 2 CPU cores. In each round ours and Keras's run the same number of steps,
one after the other, the first of them changing from round to round; what is printed is the median
over rounds of the ratio ours / Keras's, so a busy machine slows both. Below 1, ours is faster.

"update": `optimizer.apply` alone on given gradients, compiled by XLA and as a plain graph.
"step": a whole training step of `fit` (forward, backward, update), compiled as Keras does by
default.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tuner_app import optimizers as ours

theirs = keras.optimizers

PAIRS = {
    "sgd": (ours.SGD, theirs.SGD),
    "momentum": (ours.Momentum, lambda rate: theirs.SGD(rate, momentum=0.9)),
    "nesterov": (ours.Nesterov, lambda rate: theirs.SGD(rate, momentum=0.9, nesterov=True)),
    "adagrad": (ours.Adagrad, theirs.Adagrad),
    "rmsprop": (ours.RMSprop, theirs.RMSprop),
    "adadelta": (ours.Adadelta, theirs.Adadelta),
    "adam": (ours.Adam, theirs.Adam),
    "adamw": (ours.AdamW, theirs.AdamW),
    "amsgrad": (ours.AMSGrad, lambda rate: theirs.Adam(rate, amsgrad=True)),
    "lion": (ours.Lion, theirs.Lion),
    "lamb": (ours.Lamb, theirs.Lamb),
}

# inputs, widths of the hidden layers, steps timed together
MODELS = {
    "small MLP, 2,410 weights": (64, [32], 50),
    "large MLP, 1,863,690 weights": (784, [1024, 1024], 4),
}
CLASSES, BATCH = 10, 32


def make_model(inputs, widths):
    hidden = [keras.layers.Dense(width, "relu") for width in widths]
    return keras.Sequential([keras.layers.Input((inputs,)), *hidden, keras.layers.Dense(CLASSES)])


def update(make, model, xla):
    """A function that updates the model's weights n times."""
    optimizer = make(1e-5)
    optimizer.build(model.trainable_variables)
    gradients = [tf.random.normal(v.shape) for v in model.trainable_variables]

    @tf.function(jit_compile=xla)
    def step():
        optimizer.apply(gradients, model.trainable_variables)

    def run(n):
        for _ in range(n):
            step()
        model.trainable_variables[-1].numpy()  # waits for the last step

    return run


def whole_step(make, inputs, widths):
    """A function that trains a model of its own for n steps."""
    model = make_model(inputs, widths)
    model.compile(make(1e-5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(BATCH, inputs)).astype("float32")
    y = np.arange(BATCH) % CLASSES
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    model.make_train_function()
    model.train_on_batch(x, y)
    iterator = iter(data)

    def run(n):
        for _ in range(n):
            model.train_function(iterator)
        model.trainable_variables[-1].numpy()

    return run


def ratio(a, b, steps, rounds):
    """The median over rounds of a's time / b's time, and a's median seconds a step."""
    for run in (a, b):
        run(steps)
    ratios, seconds = [], []
    for i in range(rounds):
        times = {}
        for run in (a, b) if i % 2 else (b, a):
            start = time.perf_counter()
            run(steps)
            times[run] = time.perf_counter() - start
        ratios.append(times[a] / times[b])
        seconds.append(times[a] / steps)
    return statistics.median(ratios), statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", help="one optimizer")
    flags = parser.parse_args()
    print(f"tensorflow {tf.__version__}, keras {keras.__version__}, {os.cpu_count()} CPU cores")
    for title, (inputs, widths, steps) in MODELS.items():
        print(f"\n{title}\n{'':10}  update, XLA   update, graph  step (ms, ours)")
        model = make_model(inputs, widths)
        for name, (our, their) in PAIRS.items():
            if flags.only not in (None, name):
                continue
            cells = []
            for xla in (True, False):
                pair = [update(make, model, xla) for make in (our, their)]
                cells.append(ratio(*pair, steps, flags.rounds)[0])
            pair = [whole_step(make, inputs, widths) for make in (our, their)]
            step, seconds = ratio(*pair, steps, flags.rounds)
            whole = f"{step:4.2f} ({1e3 * seconds:.2f})"
            print(f"{name:10}  {cells[0]:11.2f}   {cells[1]:13.2f}  {whole}", flush=True)


if __name__ == "__main__":
    main()
