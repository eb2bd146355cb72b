"""A new signature, checked once against plain Keras before it is trusted.

A few steps of two lanes are compared with the same steps by the models' own `train_on_batch`, with
the same examples and random numbers. The numbers that differ by lane are exaggerated for this
(their second and fourth root, if they lie between 0 and 1), so that a wrong lift shows: a weight
decay of 1e-5 would change no digit in three steps.
"""

import contextlib

import keras
import numpy as np
from keras import tree

from tuner_app.population.description import Description, Part
from tuner_app.population.lane import host
from tuner_app.population.lift import replaced
from tuner_app.population.seam import seam

STEPS, LANES = 3, 2
_RELATIVE, _ABSOLUTE = 1e-2, 1e-5  # of a weight's movement, and of the weight
_OUTLIERS = 0.02  # share of a variable's elements that may differ
_NOISE = 1e-6  # relative perturbation that tells a difference from amplified rounding


def exaggerated(numbers: np.ndarray, lane: int) -> np.ndarray:
    """Numbers for check lane 0 or 1, larger where that keeps them between 0 and 1.

    >>> exaggerated(np.array([0.0001, 0.5, 3.0, -0.2, 0.0]), 0).round(2).tolist()
    [0.1, 0.84, 6.0, -0.2, 0.0]
    """
    root = (0.25, 0.5)[lane]
    numbers = np.array(numbers, "float64")
    small = (numbers > 0) & (numbers < 1)
    numbers[small] = numbers[small] ** root
    numbers[numbers > 1] = np.ceil(numbers[numbers > 1] * (2.0, 1.5)[lane])
    return numbers


def verify(stack, lanes: list[int], trials: list) -> list[str | None]:
    """Checks a stack's program with trials that were just put into these lanes.

    Returns for each trial None, or in words how it differs from plain Keras.
    """
    for trial in trials:
        trial.real_model()
    shown = [_shown(stack, trial, i) for i, trial in enumerate(trials)]
    descriptions = [trial and trial.description for trial in stack.trials]
    for lane, description in zip(lanes, shown, strict=True):
        descriptions[lane] = description
    chosen = [_first_batches(stack, trial) for trial in trials]
    steps, width = chosen[0].shape
    indices = np.zeros((steps, len(stack.trials), width), "int32")
    for lane, index in zip(lanes, chosen, strict=True):
        indices[:, lane] = index
    numbers = stack.arrays.numbers_of(descriptions)
    state = stack.programs.first_steps(stack.arrays.state, numbers, indices)
    losses = _mean_losses(stack.model, state)
    return [
        difference(
            trial,
            description,
            [_batch(stack.train, rows) for rows in index],
            float(losses[lane]),
            [np.asarray(a[lane]) for a in state["trainable"]],
        )
        for lane, trial, description, index in zip(lanes, trials, shown, chosen, strict=True)
    ]


def _shown(stack, trial, i: int) -> Description:
    """The trial's description with its lifted numbers exaggerated."""
    description = trial.description
    rule = stack.rule_of(description)
    exaggerated_one = Description(
        _exaggerated_part(description.body, stack.body, i),
        _exaggerated_part(description.rule, rule.lifting, i),
    )
    # Where the larger numbers would branch differently, the trial's own must do.
    return exaggerated_one if stack.accepts(exaggerated_one) else description


def _exaggerated_part(part: Part, lifting, i: int) -> Part:
    numbers, varying = part.numbers.copy(), list(lifting.varying)
    numbers[varying] = exaggerated(numbers[varying], i % 2)
    return Part(part.structure, numbers, part.sites)


def _mean_losses(model, state) -> np.ndarray:
    place = {id(v): i for i, v in enumerate(model.metrics_variables)}
    tracker = model._loss_tracker
    total, count = (state["metrics"][place[id(v)]] for v in (tracker.total, tracker.count))
    return np.asarray(total) / np.maximum(np.asarray(count), 1e-30)


def _first_batches(stack, trial) -> np.ndarray:
    """int32 of shape (steps, batch): full batches of the trial's first epochs."""
    if not stack.epoch.full_steps:
        return stack.train.order(trial.seed, trial.epoch)[None]
    used = stack.epoch.full_steps * stack.batch_size
    epochs = range(trial.epoch, trial.epoch + -(-STEPS // stack.epoch.full_steps))
    orders = [stack.train.order(trial.seed, epoch)[:used] for epoch in epochs]
    return np.concatenate(orders).reshape(-1, stack.batch_size)[:STEPS]


def difference(trial, description, batches, loss, weights) -> str | None:
    """How some steps in a stack differ from plain Keras's, in words, or None.

    Args:
        trial: the trial, with its model and initial values.
        description: its numbers as they were during these steps.
        batches: list of (x, y, sample_weight).
        loss: the mean training loss over the steps, from the stack.
        weights: the trainable values after the steps, from the stack.
    """
    start = trial.values
    want_loss, want = _plain(trial, description, batches, start)
    wrong = _differing(weights, want, start["trainable"])
    if _close(loss, want_loss) and not wrong:
        return None
    # Rounding may be amplified (a sign of a gradient that is zero but for rounding): what a tiny
    # perturbation changes as much is no evidence.
    noisy = [_plain(trial, description, batches, _perturbed(start, seed)) for seed in (0, 1)]
    wrong = [i for i in wrong if not any(_as_noisy(weights[i], want[i], w[i]) for _, w in noisy)]
    allowed = 10 * max(abs(noisy_loss - want_loss) for noisy_loss, _ in noisy)
    if _close(loss, want_loss, allowed) and not wrong:
        return None
    names = [trial.model.trainable_variables[i].path for i in wrong]
    found = f"; weights {', '.join(names[:3])}" if names else ""
    return (
        f"after {len(batches)} steps it differs from plain Keras"
        f" (loss {loss:.6g}, plain {want_loss:.6g}{found})"
    )


def _close(a, b, allowed=0.0) -> bool:
    if not np.isfinite(a) or not np.isfinite(b):
        return np.isfinite(a) == np.isfinite(b)
    return abs(a - b) <= 1e-4 * max(1.0, abs(b)) + allowed


def _differing(got, want, start) -> list[int]:
    """Positions of the variables whose elements differ by more than rounding."""
    wrong = []
    for i, (g, w, s) in enumerate(zip(got, want, start, strict=True)):
        g, w, s = (np.asarray(a, "float64") for a in (g, w, s))
        bound = _RELATIVE * np.abs(w - s) + _ABSOLUTE * np.maximum(np.abs(w), 1e-2)
        bad = ~((np.abs(g - w) <= bound) | (~np.isfinite(g) & ~np.isfinite(w)))
        if bad.mean() > _OUTLIERS:
            wrong.append(i)
    return wrong


def _as_noisy(got, want, noisy) -> bool:
    difference = np.linalg.norm(np.asarray(got, "float64") - want)
    return difference <= 10 * np.linalg.norm(np.asarray(noisy, "float64") - want)


def _perturbed(values: dict, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    noisy = [
        (a + _NOISE * (np.abs(a) + 0.1) * rng.standard_normal(a.shape)).astype(a.dtype)
        for a in values["trainable"]
    ]
    return {**values, "trainable": noisy}


def _plain(trial, description, batches, start):
    """Mean loss and trainable values after plain Keras's steps; the model is left as it was."""
    model = trial.model
    variables = {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
    }
    kept = {part: host(vs) for part, vs in variables.items()}
    losses = []
    with _numbers_in_place(trial.description, description), _eager(model), seam(native=True):
        _assign(variables, start)
        for x, y, sample_weight in batches:
            losses.append(model.train_on_batch(x, y, sample_weight, return_dict=True)["loss"])
            model.reset_metrics()
        found = host(model.trainable_variables)
        _assign(variables, kept)
    return float(np.mean([float(loss) for loss in losses])), found


def _assign(variables, values):
    for part, vs in variables.items():
        for variable, value in zip(vs, values[part], strict=True):
            variable.assign(value)


@contextlib.contextmanager
def _eager(model):
    """Plain Keras without compiling, on TensorFlow (on JAX each operation would compile)."""
    kept = model.run_eagerly
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    try:
        yield
    finally:
        model.run_eagerly = kept
        # A function that was traced with other numbers must not be used again.
        model.train_function = None


@contextlib.contextmanager
def _numbers_in_place(own: Description, shown: Description):
    """A model's own numbers replaced by those shown, as plain floats."""
    sites, values = [], []
    for part, new in ((own.body, shown.body), (own.rule, shown.rule)):
        for i in np.flatnonzero(part.numbers != new.numbers):
            sites.append(part.sites[i])
            values.append(float(new.numbers[i]))
    with replaced(sites, values):
        yield


def _batch(examples, index) -> tuple:
    """One batch as NumPy arrays (x, y, sample_weight)."""
    leaves = [np.asarray(leaf) for leaf in examples.leaves]
    return tree.map_structure(lambda i: None if i is None else leaves[i][index], examples.structure)
