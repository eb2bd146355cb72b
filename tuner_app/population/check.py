"""A new signature, checked once against plain Keras before it is trusted.

A few steps of two lanes are compared with the same steps by the models' own `train_on_batch`, with
the same examples and random numbers: losses, metrics, weights, and what layers keep besides them
(moving averages). Then one lane's evaluation is compared with `test_on_batch`. The numbers that
differ by lane are exaggerated for this (their second and fourth root, if they lie between 0 and 1),
so that a wrong lift shows: a weight decay of 1e-5 would change no digit in three steps.
"""

import contextlib
from dataclasses import dataclass

import keras
import numpy as np
from keras import tree

from tuner_app.optimizers.evaluation_point import evaluation_point
from tuner_app.population import held_out, vectorize
from tuner_app.population.description import Description, Part
from tuner_app.population.lane import host
from tuner_app.population.lift import replaced
from tuner_app.population.seam import seam

STEPS, LANES = 3, 2
_RELATIVE, _ABSOLUTE = 1e-2, 1e-5  # of a weight's movement, and of the weight
_OUTLIERS = 0.02  # share of a variable's elements that may differ
_KEPT = ("trainable", "non_trainable")  # parts of a state that are compared
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


@dataclass(frozen=True)
class Outcome:
    """What some steps left.

    Args:
        logs: name to value: the loss and the metrics over these steps.
        values: name of a state's part to its arrays, as in `Trial.values`.
    """

    logs: dict[str, float]
    values: dict[str, list[np.ndarray]]


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
    batches = [[_batch(stack.train, rows) for rows in index] for index in chosen]
    # Before the epoch's close is run: that is still being compiled.
    plain = [
        _plain(trial, description, of_one, trial.values)
        for trial, description, of_one in zip(trials, shown, batches, strict=True)
    ]
    arguments = stack.programs.held_out_arguments(at_most=1)
    columns = stack.programs.run("close", state, numbers, *arguments)
    columns = {name: vectorize.to_host(column) for name, column in columns.items()}
    reasons = []
    for lane, trial, description, of_one, want in zip(
        lanes, trials, shown, batches, plain, strict=True
    ):
        logs = {name: float(column[lane]) for name, column in columns.items()}
        got = Outcome(logs, stack.arrays.values_of(state, lane, stack.rule_of(trial.description)))
        reason = difference(trial, description, of_one, got, want)
        if reason is None and stack.validation and trial is trials[-1]:
            reason = _evaluated_otherwise(stack, trial, description, got)
        reasons.append(reason)
    return reasons


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


def _first_batches(stack, trial) -> np.ndarray:
    """int32 of shape (steps, batch): full batches of the trial's first epochs."""
    if not stack.epoch.full_steps:
        return stack.train.order(trial.seed, trial.epoch)[None]
    used = stack.epoch.full_steps * stack.batch_size
    epochs = range(trial.epoch, trial.epoch + -(-STEPS // stack.epoch.full_steps))
    orders = [stack.train.order(trial.seed, epoch)[:used] for epoch in epochs]
    return np.concatenate(orders).reshape(-1, stack.batch_size)[:STEPS]


def difference(trial, description, batches, got: Outcome, want: Outcome) -> str | None:
    """How some steps in a stack differ from plain Keras's, in words, or None.

    Args:
        trial: the trial, with its model and initial values.
        description: its numbers as they were during these steps.
        batches: list of (x, y, sample_weight).
        got, want: what the steps left in the stack, and in plain Keras.
    """
    start = trial.values
    want = Outcome(_named_as(got.logs, want.logs), want.values)
    wrong = {part: _differing(got.values[part], want.values[part], start[part]) for part in _KEPT}
    logs = [n for n in want.logs if not _close(got.logs[n], want.logs[n])]
    if not logs and not any(wrong.values()):
        return None
    # Rounding may be amplified (a sign of a gradient that is zero but for rounding): what a tiny
    # perturbation changes as much is no evidence.
    noisy = [_plain(trial, description, batches, _perturbed(start, seed)) for seed in (0, 1)]
    names = []
    for part in _KEPT:
        for i in wrong[part]:
            value, wanted = got.values[part][i], want.values[part][i]
            if not any(_as_noisy(value, wanted, other.values[part][i]) for other in noisy):
                names.append(getattr(trial.model, f"{part}_variables")[i].path)
    for name in logs:
        others = [_named_as(got.logs, other.logs)[name] for other in noisy]
        allowed = 10 * max(abs(other - want.logs[name]) for other in others)
        if not _close(got.logs[name], want.logs[name], allowed):
            names.append(f"{name} {got.logs[name]:.6g}, plain {want.logs[name]:.6g}")
    if not names:
        return None
    return _told(f"after {len(batches)} steps", names)


def _named_as(stacks: dict, logs: dict) -> dict:
    """A model's logs by the names of its stack's template: Keras numbers unnamed metrics."""
    names = [name for name in stacks if not name.startswith("val_")]
    if set(names) == set(logs):
        return logs
    return {name: logs[own] for name, own in zip(sorted(names), sorted(logs), strict=True)}


def _told(when: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{when} it differs from plain Keras ({'; '.join(names[:3])}{more})"


def _evaluated_otherwise(stack, trial, description, got: Outcome) -> str | None:
    """How a lane's evaluation differs from plain Keras's on the same weights, in words, or None."""
    model, parts = trial.model, _parts(trial.model)
    kept = {part: host(variables) for part, variables in parts.items()}
    at_point = evaluation_point(model) if stack.at_point else contextlib.nullcontext()
    with _numbers_in_place(trial.description, description), _eager(model), seam(native=True):
        _assign(parts, got.values)
        with at_point:
            for rows in held_out.batches(stack, at_most=1):
                x, y, sample_weight = _batch(stack.validation, rows)
                logs = model.test_on_batch(x, y, sample_weight, return_dict=True)
                # What is drawn at random then is drawn anew for each batch in a stack.
                _assign(
                    {"non_trainable": model.non_trainable_variables},
                    {"non_trainable": got.values["non_trainable"]},
                )
        _assign(parts, kept)
    logs = _named_as(got.logs, logs)
    # Rounding may turn an example from right to wrong.
    allowed = {name: 0.0 if name == "loss" else 2 / stack.validation.size for name in logs}
    names = [
        f"val_{name} {got.logs[f'val_{name}']:.6g}, plain {float(value):.6g}"
        for name, value in logs.items()
        if not _close(got.logs[f"val_{name}"], float(value), allowed[name])
    ]
    return _told("evaluated", names) if names else None


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


def _plain(trial, description, batches, start) -> Outcome:
    """What plain Keras's steps leave; the model is left as it was."""
    model, parts = trial.model, _parts(trial.model)
    kept = {part: host(variables) for part, variables in parts.items()}
    with _numbers_in_place(trial.description, description), _eager(model), seam(native=True):
        _assign(parts, start)
        for x, y, sample_weight in batches:
            logs = model.train_on_batch(x, y, sample_weight, return_dict=True)
        found = {part: host(parts[part]) for part in _KEPT}
        _assign(parts, kept)
    return Outcome({name: float(value) for name, value in logs.items()}, found)


def _parts(model) -> dict[str, list]:
    return {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
    }


def _assign(variables, values):
    for part, vs in variables.items():
        for variable, value in zip(vs, values[part], strict=True):
            variable.assign(value)


@contextlib.contextmanager
def _eager(model):
    """Plain Keras without compiling, on TensorFlow (on JAX each operation would compile).

    Metrics are those of all batches meanwhile, where Keras would reset them before each.
    """
    kept = model.run_eagerly
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    model.reset_metrics()
    object.__setattr__(model, "reset_metrics", lambda: None)
    try:
        yield
    finally:
        object.__delattr__(model, "reset_metrics")
        model.reset_metrics()
        model.run_eagerly = kept
        # A function that was traced with other numbers must not be used again.
        model.train_function = model.test_function = None


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
