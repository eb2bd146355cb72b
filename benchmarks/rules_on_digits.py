"""Every optimizer at its default and after 20 tuned trials, on digits or on MNIST.

    python benchmarks/rules_on_digits.py                            # writes docs/optimizers.md
    python benchmarks/rules_on_digits.py --rules=adam,keras:adam
    python benchmarks/rules_on_digits.py --mnist=FOLDER             # of the four IDX files
    python benchmarks/rules_on_digits.py --mnist=FOLDER --examples=3000 --epochs=5  # a quick look

A perceptron of one hidden layer of 64, batches of 32, a constant learning rate, an equal number of
gradients for each. Tuned: 20 points of a quasi-random sequence over the ranges that a search has
for the rule, the one with the best validation accuracy (then loss) after the last epoch, without
looking at the test. Shown is the accuracy on the test split after the last epoch, mean and standard
deviation over 5 seeds that the choice never saw, which are the same for all. All trials of a rule
are in one stack, but for `BY_FIT` on MNIST. Each rule's result is kept in a JSON file at once, and
a rule that is there is not run again.
"""

import argparse
import datetime
import gzip
import json
import platform
import time
from pathlib import Path

import keras
import numpy as np

from tuner_app import catalogue, data, optimizers
from tuner_app.answers.points import quasi_random
from tuner_app.population import Population, alone

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "optimizers.md"
BEGIN, END = "<!-- results: {} -->", "<!-- end of results: {} -->"
POINTS, SEEDS, BATCH = 20, 5, 32
# Its state is the square of a tensor's, in float64, and each step decomposes it.
TOO_LARGE = ("full_matrix_adagrad",)
WIDTH = 64
WITHOUT_XLA = ("shampoo", "soap")  # its eigendecompositions are many times slower on a CPU
# On MNIST one trial's matrices, 784 × 784, fill the caches: a stack of them is slower than `fit`.
BY_FIT = ("shampoo", "soap")


def digits():
    """(train, validation, test), each (x, y)."""
    found = data.load("digits", seed=0)
    return tuple(part.arrays() for part in (found.train, found.validation, found.test))


def mnist(folder, examples):
    """The same of MNIST: the first images to train on, the next half as many to validate."""

    def read(name):
        path = next(Path(folder).glob(f"{name}*"))
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        dimensions = np.frombuffer(text, ">i4", count=text[3], offset=4)
        return np.frombuffer(text, "uint8", offset=4 + 4 * text[3]).reshape(dimensions)

    x, y = (read(f"train-{kind}").copy() for kind in ("images-idx3", "labels-idx1"))
    x_test, y_test = (read(f"t10k-{kind}").copy() for kind in ("images-idx3", "labels-idx1"))

    def part(x, y):
        return (x[..., None] / 255).astype("float32"), y.astype("int32")

    end = examples + examples // 2
    return (
        part(x[:examples], y[:examples]),
        part(x[examples:end], y[examples:end]),
        part(x_test, y_test),
    )


def model(optimizer, shape, jit_compile="auto"):
    """A compiled perceptron, with a metric of its own for what has a weight (see `run`)."""
    layers = [
        keras.Input(shape),
        keras.layers.Flatten(),
        keras.layers.Dense(WIDTH, "relu"),
        keras.layers.Dense(10),
    ]
    network = keras.Sequential(layers)
    network.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="chosen_by")],
        jit_compile=jit_compile,
    )
    return network


def stacked(name, train, held_out, epochs):
    """A function that trains trials together: key to (settings, seed) gives key to last logs."""
    offer, shape = optimizers.offer(name), train[0].shape[1:]
    population = Population(
        train,
        held_out,
        batch_size=BATCH,
        lanes=POINTS + SEEDS,
        at_point=True,
        jit_compile=False if name in WITHOUT_XLA else None,
    )

    def trained(trials):
        for key, (settings, seed) in trials.items():

            def build(settings=settings):
                return model(offer.make(**settings), shape)

            population.admit(key, build, seed=seed, epochs=epochs)
        last = {}
        while len(population):
            for report in population.run_epoch():
                last[report.key] = report.logs
                if report.done:
                    population.retire(report.key)
            if rejected := population.take_rejected():
                raise RuntimeError(f"{name} does not stack: {next(iter(rejected.values()))}")
        return last

    return trained


def fitted(name, train, held_out, epochs):
    """A function that trains as a stack would, one trial after another, in one compiled model."""
    rule, shape = optimizers.get(name).rule, train[0].shape[1:]
    network = model(optimizers.offer(name).make(), shape, jit_compile=False)
    network.optimizer.build(network.trainable_variables)
    start = [variable.numpy() for variable in network.optimizer.variables]

    def trained(trials):
        last = {}
        for key, (settings, seed) in trials.items():
            keras.utils.set_random_seed(seed)
            network.set_weights(model("sgd", shape).get_weights())
            for variable, value in zip(network.optimizer.variables, start, strict=True):
                variable.assign(value)
            for option, value in {**rule.defaults, **settings}.items():
                setattr(network.optimizer, option, value)
            history = alone.fit(
                network, *train, seed=seed, batch_size=BATCH, epochs=epochs, verbose=0
            )
            x, y, weight = held_out
            found = network.evaluate(x, y, 500, 0, weight, return_dict=True)
            last[key] = {k: v[-1] for k, v in history.history.items()}
            last[key] |= {f"val_{k}": v for k, v in found.items()}
        return last

    return trained


def points(offer, steps, count=POINTS):
    """Settings over the whole of the ranges."""
    drawn = []
    for row in quasi_random(len(offer.ranges), count, seed=0):
        settings = {key: float(round(share * steps)) for key, share in offer.of_steps.items()}
        for u, (key, span) in zip(row, offer.ranges.items(), strict=True):
            if isinstance(span, tuple):
                settings[key] = span[min(int(u * len(span)), len(span) - 1)]
            elif span.scale == "log":
                settings[key] = float(f"{span.low * (span.high / span.low) ** u:.6g}")
            else:
                settings[key] = float(f"{span.low + u * (span.high - span.low):.6g}")
        drawn.append(settings)
    return drawn


def run(name, parts, epochs):
    """One rule's row."""
    began = time.monotonic()
    train, validation, test = parts
    offer, shape = optimizers.offer(name), train[0].shape[1:]
    # One evaluation for both: what belongs to the test weighs nothing, so what a trial is chosen by
    # is the validation split's alone, and the other accuracy is over both.
    held_out = [np.concatenate(pair) for pair in zip(validation, test, strict=True)]
    sizes = len(validation[1]), len(test[1])
    weight = np.repeat([1.0, 0.0], sizes).astype("float32")
    candidates = points(offer, epochs * -(-len(train[1]) // BATCH))
    if name in BY_FIT and shape[0] > 8:
        trained = fitted(name, train, (*held_out, weight), epochs)
    else:
        trained = stacked(name, train, (*held_out, weight), epochs)

    def tested(logs):
        both = logs["val_accuracy"] * sum(sizes) - logs["val_chosen_by"] * sizes[0]
        return both / sizes[1]

    seeds = range(100, 100 + SEEDS)
    first = {("default", seed): ({}, seed) for seed in seeds}
    first |= {("point", i): (settings, 1) for i, settings in enumerate(candidates)}
    logs = trained(first)

    def rank(i):
        found = logs["point", i]
        loss = found["val_loss"]
        return found["val_chosen_by"], -loss if np.isfinite(loss) else -np.inf

    best = max(range(POINTS), key=rank)
    again = trained({("tuned", seed): (candidates[best], seed) for seed in seeds})
    at_points = [logs["point", i]["val_chosen_by"] for i in range(POINTS)]
    return {
        "default": [tested(logs["default", seed]) for seed in seeds],
        "tuned": [tested(again["tuned", seed]) for seed in seeds],
        "settings": candidates[best],
        "points": at_points,
        "diverged": sum(not np.isfinite(logs["point", i]["loss"]) for i in range(POINTS)),
        "seconds": round(time.monotonic() - began, 1),
    }


def table(rows, inputs):
    """Markdown, best tuned first, and what did not run last."""

    def accuracy(values):
        return f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1):.1f}"

    lines = [
        "| optimizer | default | tuned | points above 90% | diverged | the best point |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in sorted(rows.items(), key=lambda item: -np.mean(item[1]["tuned"])):
        usable = sum(value > 0.9 for value in row["points"])
        settings = ", ".join(f"{key} {value:.3g}" for key, value in row["settings"].items())
        lines.append(
            f"| {name} | {accuracy(row['default'])} | {accuracy(row['tuned'])} "
            f"| {usable} of {POINTS} | {row['diverged']} | {settings} |"
        )
    n = inputs * WIDTH
    for name in TOO_LARGE:
        why = f"the first layer's {n:,} weights make a matrix of {8e-9 * n * n:.2g} GB a trial"
        lines.append(f"| {name} | | | | | not run: {why}, decomposed at every step |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rules", default="", help="names, separated by commas; all without")
    parser.add_argument("--mnist", default="", help="a folder with MNIST's IDX files")
    parser.add_argument("--examples", type=int, default=10_000, help="of MNIST, to train on")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--results", default="rules_on_digits.json", help="where results are kept")
    arguments = parser.parse_args()
    which = "mnist" if arguments.mnist else "digits"
    parts = mnist(arguments.mnist, arguments.examples) if arguments.mnist else digits()
    names = arguments.rules.split(",") if arguments.rules else catalogue.names("optimizers")
    kept = Path(arguments.results)
    everything = json.loads(kept.read_text()) if kept.exists() else {}
    rows = everything.setdefault(which, {})
    for name in names:
        if name in rows or name in TOO_LARGE:
            continue
        try:
            rows[name] = run(name, parts, arguments.epochs)
        except Exception as error:  # a rule that fails is no reason to lose the others
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            continue
        kept.write_text(json.dumps(everything, indent=1))
        row = rows[name]
        default, tuned = (100 * np.mean(row[kind]) for kind in ("default", "tuned"))
        print(f"{name:24} {default:5.1f} {tuned:5.1f} {row['seconds']:6} s", flush=True)
    document = DOCUMENT.read_text(encoding="utf-8")
    begin, end = BEGIN.format(which), END.format(which)
    before, found, rest = document.partition(begin)
    if not found:
        before += f"\n## On {which}\n\n"
    _, _, after = rest.partition(end)
    after = after or "\n"
    about = (
        f"{datetime.date.today()}, {platform.machine()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}; {len(parts[0][1])} examples to train on, {len(parts[1][1])} "
        f"to choose by, {len(parts[2][1])} to test on; {arguments.epochs} epochs."
    )
    text = f"{begin}\n\n{about}\n\n{table(rows, int(np.prod(parts[0][0].shape[1:])))}\n\n{end}"
    DOCUMENT.write_text(f"{before}{text}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
