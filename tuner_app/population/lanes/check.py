"""A new signature, checked once against plain Keras before it is trusted.

A few steps of two lanes are compared with the same steps by the models' own `train_on_batch`, with
the same examples and random numbers: losses, metrics, weights, and what layers keep besides them
(moving averages). Then one lane's evaluation is compared with `test_on_batch`. The numbers that
differ by lane are exaggerated for this (their second and fourth root, if they lie between 0 and 1),
so that a wrong lift shows: a weight decay of 1e-5 would change no digit in three steps.
"""

from dataclasses import dataclass

import numpy as np
from keras import tree

from tuner_app.population.backend import vectorize
from tuner_app.population.backend.rounding import FLOAT32, rounding
from tuner_app.population.errors import CannotStack
from tuner_app.population.lanes import plain
from tuner_app.population.lanes.plain import Outcome
from tuner_app.population.signatures.description import Description, Part

STEPS, LANES = 3, 2
_RELATIVE, _ABSOLUTE = 1e-2, 1e-5  # of a weight's movement, and of the weight
_OUTLIERS = 0.02  # share of a variable's elements that may differ


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


def verify(stack, lanes: list[int], trials: list) -> list["Verdict"]:
    """Checks a stack's program with trials that were just put into these lanes; one verdict each.

    Whoever leaves the finite numbers in plain Keras, by large numbers or anyhow, is compared again
    with its own, and then after one step only: how a NaN spreads is not the same on two kernels.
    """
    found: dict[int, Verdict] = {}
    for steps, larger in ((STEPS, True), (STEPS, False), (1, False)):
        left = [i for i in range(len(trials)) if i not in found or not found[i].finite]
        if left:
            chosen = [lanes[i] for i in left], [trials[i] for i in left]
            found |= zip(left, _compared(stack, *chosen, steps, larger), strict=True)
    return [found[i] for i in range(len(trials))]


@dataclass(frozen=True)
class Verdict:
    """Of one trial: in words how it differs from plain Keras, or None.

    It is of little weight if the trial's numbers did not stay `finite`.
    """

    reason: str | None
    finite: bool = True


def _compared(stack, lanes, trials, steps: int, larger: bool) -> list[Verdict]:
    for trial in trials:
        trial.real_model()
    shown = [
        _shown(stack, trial, i) if larger else trial.description for i, trial in enumerate(trials)
    ]
    descriptions = [trial and trial.description for trial in stack.trials]
    for lane, description in zip(lanes, shown, strict=True):
        descriptions[lane] = description
    chosen = [_first_batches(stack, trial)[:steps] for trial in trials]
    indices = np.zeros((len(chosen[0]), len(stack.trials), chosen[0].shape[1]), "int32")
    for lane, index in zip(lanes, chosen, strict=True):
        indices[:, lane] = index
    arrays = stack.arrays
    blocks = sorted({arrays.place(lane)[0] for lane in lanes})
    numbers = arrays.numbers_of(descriptions)
    numbers = [numbers[block] for block in blocks]
    orders = [indices[:, arrays.lanes(block)] for block in blocks]
    states = [arrays.blocks[block] for block in blocks]
    try:
        # A backend tells only now of an operation that it has no kernel for.
        with vectorize.exact_reason():
            states = stack.programs.first_steps(states, numbers, orders)
    except CannotStack as failure:
        return [Verdict(f"when its first steps were run: {failure}")] * len(trials)
    batches = [[plain.batch(stack.train, rows) for rows in index] for index in chosen]
    # Before the epoch's close is run: that is still being compiled.
    wanted = [
        plain.steps(trial, description, of_one, trial.values)
        for trial, description, of_one in zip(trials, shown, batches, strict=True)
    ]
    try:
        with vectorize.exact_reason():
            columns, _ = stack.programs.close(states, numbers, at_most=1)
    except CannotStack as failure:
        return [Verdict(f"when it was first evaluated: {failure}")] * len(trials)
    judge = max((i for i, want in enumerate(wanted) if want.finite), default=None)
    verdicts = []
    for lane, trial, description, of_one, want in zip(
        lanes, trials, shown, batches, wanted, strict=True
    ):
        block, row = arrays.place(lane)
        block = blocks.index(block)
        logs = {name: float(c[block * stack.width + row]) for name, c in columns.items()}
        rule = stack.rule_of(trial.description)
        got = Outcome(logs, arrays.values_of(states[block], row, rule))
        reason = difference(trial, description, of_one, got, want)
        if reason is None and stack.validation and len(verdicts) == judge:
            reason = _evaluated_otherwise(stack, trial, description, got)
        verdicts.append(Verdict(reason, want.finite))
    return verdicts


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
    wrong = {
        part: _differing(got.values[part], want.values[part], start[part]) for part in plain.KEPT
    }
    logs = [n for n in want.logs if not _close(got.logs[n], want.logs[n])]
    if not logs and not any(wrong.values()):
        return None
    # Rounding may be amplified (a sign of a gradient that is zero but for rounding): what a
    # perturbation as small changes as much is no evidence.
    error = rounding(trial.model)
    begun = [_perturbed(start, error, seed) for seed in (0, 1)]
    noisy = [plain.steps(trial, description, batches, values) for values in begun]
    names = []
    for part in plain.KEPT:
        for i in wrong[part]:
            away = np.linalg.norm(_minus(got.values[part][i], want.values[part][i]))
            if not any(
                away <= 10 * _noise(error, start[part][i], at[part][i], want.values[part][i], ended)
                for at, ended in zip(begun, (other.values[part][i] for other in noisy), strict=True)
            ):
                names.append(getattr(trial.model, f"{part}_variables")[i].path)
    for name in logs:
        others = [_named_as(got.logs, other.logs)[name] for other in noisy]
        allowed = 10 * max(abs(other - want.logs[name]) for other in others)
        if error > FLOAT32 and name != "loss":
            allowed += 2 / sum(len(tree.flatten(x)[0]) for x, *_ in batches)
        if not _close(got.logs[name], want.logs[name], allowed, error):
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
    logs = _named_as(got.logs, plain.evaluation(stack, trial, description, got.values))
    # Rounding may turn an example from right to wrong.
    allowed = {name: 0.0 if name == "loss" else 2 / stack.validation.size for name in logs}
    names = [
        f"val_{name} {got.logs[f'val_{name}']:.6g}, plain {float(value):.6g}"
        for name, value in logs.items()
        if not _close(got.logs[f"val_{name}"], float(value), allowed[name], rounding(trial.model))
    ]
    return _told("evaluated", names) if names else None


def _close(a, b, allowed=0.0, error=FLOAT32) -> bool:
    if not np.isfinite(a) or not np.isfinite(b):
        return np.isfinite(a) == np.isfinite(b)
    return abs(a - b) <= max(1e-4, 4 * error) * max(1.0, abs(b)) + allowed


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


def _noise(error: float, start, other_start, end, other_end) -> float:
    """What another start of a variable has changed, beside itself, and float32's own rounding."""
    moved = _minus(other_start, start)
    beside = np.linalg.norm(_minus(other_end, end) - moved)
    return beside + np.linalg.norm(moved) * FLOAT32 / error


def _minus(a, b) -> np.ndarray:
    return np.subtract(a, b, dtype="float64")


def _perturbed(values: dict, error: float, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    noisy = [
        (a + error * (np.abs(a) + 0.1) * rng.standard_normal(a.shape)).astype(a.dtype)
        for a in values["trainable"]
    ]
    return {**values, "trainable": noisy}
