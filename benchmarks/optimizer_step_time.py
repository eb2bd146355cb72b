"""The step time and memory of our optimizers beside Keras's built-in ones, in one run.

    python benchmarks/optimizer_step_time.py [--rounds=15] [--model=large] [--only=adam,soap]

Takes some minutes on 2 CPU cores, most of it compilation. A step is a whole training step of `fit`
(forward, backward, update), compiled by XLA as Keras does by default. Each rule is paired with the
built-in optimizer of the same kind, or the nearest. In each round both run the same number of
steps, one after the other, the first of them changing from round to round; what is printed is the
median over the rounds of the ratio ours / Keras's, with its quartiles. Below 1, ours is faster.
"processor" is the same ratio of processor time, which a busy machine disturbs less. "numbers" is
what the optimizer keeps a weight, beside what its card says.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tuner_app import cards
from tuner_app import optimizers as ours

K = keras.optimizers
KERAS = {
    "SGD": K.SGD,
    "SGD, momentum": lambda rate: K.SGD(rate, momentum=0.9),
    "SGD, Nesterov": lambda rate: K.SGD(rate, momentum=0.9, nesterov=True),
    "Adagrad": K.Adagrad,
    "RMSprop": K.RMSprop,
    "Adadelta": K.Adadelta,
    "Adam": K.Adam,
    "Adam, AMSGrad": lambda rate: K.Adam(rate, amsgrad=True),
    "AdamW": K.AdamW,
    "Nadam": K.Nadam,
    "Lion": K.Lion,
    "Lamb": K.Lamb,
    "Muon": K.Muon,
    "ScheduleFreeAdamW": K.ScheduleFreeAdamW,
}
# Those of the same arithmetic as Keras's, up to a few operations a weight.
SAME = {
    "sgd": "SGD",
    "signsgd": "SGD",
    "momentum": "SGD, momentum",
    "signum": "SGD, momentum",
    "nesterov": "SGD, Nesterov",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "radam": "Adam",
    "adabelief": "Adam",
    "adabound": "Adam",
    "yogi": "Adam",
    "adopt": "Adam",
    "amsgrad": "Adam, AMSGrad",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "nadamw": "Nadam",
    "lion": "Lion",
    "lamb": "Lamb",
    "muon": "Muon",
    "schedule_free_adamw": "ScheduleFreeAdamW",
    "sophia": "AdamW",
}
# Those with more, beside the nearest, and what they do more.
MORE = {
    "lars": ("SGD, momentum", "two norms of each tensor, and the weights again for the decay"),
    "adan": ("AdamW", "two slots more to read and write"),
    "ademamix": ("AdamW", "a slot more"),
    "mars": ("AdamW", "a slot more, and a norm"),
    "prodigy": ("AdamW", "two slots more, and sums over all weights before the step"),
    "d_adaptation": ("AdamW", "a slot more, and sums over all weights before the step"),
    "schedule_free_sgd": ("SGD, momentum", "an average, in place of a velocity"),
    "cautious": ("AdamW", "a mask and its sum"),
    "lookahead": ("AdamW", "a slot more"),
    "sam": ("AdamW", "a slot more, a norm, and both kinds of step computed"),
    "asam": ("AdamW", "a slot more, a norm, and both kinds of step computed"),
    "swa": ("SGD, momentum", "a slot more"),
    "shampoo": ("SGD, momentum", "products with two matrices, whose roots every 10 steps are new"),
    "soap": ("AdamW", "products with four matrices, whose QR every 10 steps is new"),
    "full_matrix_adagrad": ("Adagrad", "an eigendecomposition n × n for n weights"),
}
# inputs, widths of the hidden layers, steps timed together
MODELS = {"small": (64, [32], 40), "middle": (64, [64, 64], 40), "large": (512, [512, 512], 10)}
# A full matrix of a large model has no room, and XLA's decompositions on a CPU no speed.
SMALLER = {"full_matrix_adagrad": "small", "shampoo": "middle", "soap": "middle"}
CLASSES, BATCH = 10, 32


def compiled_model(make, size):
    """A function that trains a model of its own for n steps, and its optimizer."""
    inputs, widths, _ = MODELS[size]
    hidden = [keras.layers.Dense(width, "relu") for width in widths]
    model = keras.Sequential([keras.layers.Input((inputs,)), *hidden, keras.layers.Dense(CLASSES)])
    model.compile(make(1e-5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(BATCH, inputs)).astype("float32")
    y = np.arange(BATCH) % CLASSES
    iterator = iter(tf.data.Dataset.from_tensors((x, y)).repeat())
    model.make_train_function()
    model.train_on_batch(x, y)

    def run(n):
        for _ in range(n):
            model.train_function(iterator)
        model.trainable_variables[-1].numpy()  # waits for the last step

    return run, model


def numbers_kept(model):
    """Numbers in the optimizer's slots for each weight of the model."""
    slots = sum(int(np.prod(v.shape)) for v in model.optimizer.variables if len(v.shape))
    return slots / model.count_params()


def ratios(a, b, steps, rounds):
    """For each round a's time / b's time, and so of processor time; a's median seconds a step."""
    for run in (a, b):
        run(steps)
    found, processor, seconds = [], [], []
    for i in range(rounds):
        times, busy = {}, {}
        for run in (a, b) if i % 2 else (b, a):
            start, start_busy = time.perf_counter(), time.process_time()
            run(steps)
            times[run] = time.perf_counter() - start
            busy[run] = time.process_time() - start_busy
        found.append(times[a] / times[b])
        processor.append(busy[a] / busy[b])
        seconds.append(times[a] / steps)
    return found, statistics.median(processor), statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--model", choices=MODELS, default="large")
    parser.add_argument("--only", help="some optimizers, separated by commas")
    flags = parser.parse_args()
    print(f"tensorflow {tf.__version__}, keras {keras.__version__}, {os.cpu_count()} CPU cores")
    print(f"{'':20} {'ratio':>5}  quartiles   processor     ms  numbers  against")
    their = {}
    wanted = flags.only.split(",") if flags.only else [*SAME, *MORE]
    for name in wanted:
        against, why = MORE.get(name) or (SAME[name], "")
        size = SMALLER.get(name, flags.model)
        if (against, size) not in their:
            their[against, size] = compiled_model(KERAS[against], size)[0]
        run, model = compiled_model(ours.get(name), size)
        found, processor, seconds = ratios(run, their[against, size], MODELS[size][2], flags.rounds)
        low, median, high = statistics.quantiles(found, n=4)
        print(
            f"{name:20} {median:5.2f}  {low:4.2f}, {high:4.2f}  {processor:9.2f}  "
            f"{1e3 * seconds:5.1f}  {numbers_kept(model):7.2f}  "
            f"{against}{f' ({size}): {why}' if why else ''}\n"
            f"{'':20} card: {cards.card(name).memory}",
            flush=True,
        )


if __name__ == "__main__":
    main()
