"""Many lanes, one lane with native kernels, or `fit`: which is quicker for this search, and why.

Lanes gain where starting operations costs more than their arithmetic, and nothing where one
trial's arithmetic fills the machine; and their program takes longer to compile, which a search of
few steps does not get back, nor one whose trials all have structures of their own. Then lanes do
without XLA, as they do for optimizers that decompose matrices. What each way would take is
estimated from the shapes of some models of the search and the machine's rate of multiplications.
Where the estimates are near each other and the search is long beside it, lanes and one lane are
timed for a moment. `fit` has the native kernels too and compiles for each trial anew, but sooner:
it is for a few trials of a model of many layers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from tuner_app.population.backend.vectorize import on_accelerator as _on_accelerator
from tuner_app.population.backend.vectorize import on_jax
from tuner_app.population.compiled.rule_work import rule_work
from tuner_app.population.planning.estimates import (
    FIT_STEP,
    Mode,
    estimate,
    first_by_fit,
    rule_step,
    slow_in_loops,
)
from tuner_app.population.planning.model_sample import ModelSample
from tuner_app.population.planning.timing import Timing, multiplications_a_second, timed
from tuner_app.population.planning.work import lane_bytes, multiplications

_CLEAR = 2.0  # times that one estimate is the other's: nothing needs timing
_WORTH_TIMING = 20.0  # times that a search takes longer than timing both modes
# Lanes share the machine's time among all trials at once; to leave them for seconds is no gain.
_WORTH_LEAVING_LANES = 2.0  # seconds
# By `fit` a trial depends on the process that trains it: to stack it is worth something.
_WORTH_LEAVING_STACKS = 5.0  # seconds
# A step that takes so long is all arithmetic: further lanes would add memory alone.
_LONGEST_STEP = 0.2  # seconds


@dataclass(frozen=True)
class Plan:
    """How to train trials of a model.

    Args:
        lanes: most trials in a stack.
        native: one lane with the backend's own kernels.
        steps_per_call: batches between two chances to look.
        reason: why, in a sentence.
        jit_compile: whether XLA compiles the program (TensorFlow only); None: where it
            can and is not the slower one.
        by_fit: the trials are not to be stacked at all.
    """

    lanes: int
    native: bool
    steps_per_call: int
    reason: str
    jit_compile: bool | None = None
    by_fit: bool = False


def plan(
    builds: Sequence[Callable[[], keras.Model]],
    train,
    *,
    batch_size: int,
    trials: int,
    memory: float,
    steps_per_epoch: int | None = None,
    held_out: int = 0,
    lanes: int = 256,
    epochs: int = 1,
    light: bool = False,
    rate: Callable[[], float] = multiplications_a_second,
    measure: Callable[..., Timing] = timed,
) -> Plan:
    """The plan for a search of models like these.

    Args:
        builds: functions without arguments that return compiled Keras models, such as the search
            will train; at least one.
        train: (x, y) or (x, y, sample_weight), as `Population` takes them.
        trials: how many are wanted; lanes: most lanes; epochs: of a trial.
        memory: bytes that the stack may take.
        steps_per_epoch: batches an epoch; None: as many as the data have.
        held_out: how many examples each epoch is evaluated on.
        light: whether models may be looked at without their variables.
        rate: tells the machine's multiplications a second.
        measure: times a mode: measure(build, train, batch_size, mode).
    """
    sample = ModelSample.of(builds, light)
    steps = steps_per_epoch or max(1, -(-len(keras.tree.flatten(train[0])[0]) // batch_size))
    each_lane = sample.mean(lambda model: lane_bytes(model, batch_size, held_out))
    # A lane has the slots of every type of optimizer, old and new.
    each_lane += 8.0 * sample.over_rules(lambda model: rule_work(model).matrices)
    fitting = max(1, int(memory // each_lane))
    lanes = max(1, min(lanes, trials, fitting))
    limit = f", as many as {memory / 2**30:.1f} GiB hold" if lanes == fitting < trials else ""
    speed = rate()
    work = sample.mean(lambda model: multiplications(model, batch_size))
    products = sample.over_rules(lambda model: rule_work(model).multiplications)
    filling = max(1, int(_LONGEST_STEP * 0.5 * speed / (work + products)))
    if filling < lanes:
        lanes, limit = filling, ", as many as fill the machine"
    structures = sample.structures(trials)
    programs = sample.structures(trials, with_rule=True)  # of one lane
    all_steps = trials * epochs * steps
    shares = (structures, epochs * steps)
    stacked = lanes_mode(sample, lanes, batch_size, speed, all_steps / structures, *shares)
    alone = native_mode(sample, batch_size, speed, all_steps / programs, epochs * steps)
    fit = Mode(1, True, by_fit=True)
    each = {mode: estimate(sample, batch_size, mode, speed, *shares) for mode in (stacked, alone)}

    def seconds(mode):
        if mode is fit:
            own = Timing(sample.mean(first_by_fit), each[alone].step + FIT_STEP)
            return trials * own.seconds(epochs * steps)
        return each[mode].seconds(all_steps, programs if mode is alone else structures)

    gap = abs(seconds(stacked) - seconds(alone))
    near = max(map(seconds, each)) < _CLEAR * min(map(seconds, each))
    cost = sum(timing.first for timing in each.values())
    how = "estimated"
    if lanes > 1 and near and gap and min(map(seconds, each)) > _WORTH_TIMING * cost:
        try:
            each = {mode: measure(sample.typical, train, batch_size, mode) for mode in each}
            how = f"timed in {sum(timing.spent for timing in each.values()):.1f} s"
        except Exception as error:  # out of memory, or not to be stacked: the search will tell
            how = f"estimated, since timing failed: {type(error).__name__}"
    native = seconds(alone) < seconds(stacked) - _WORTH_LEAVING_LANES
    chosen, other = (alone, stacked) if native else (stacked, alone)
    if seconds(fit) < seconds(chosen) - _WORTH_LEAVING_STACKS:
        chosen, other = fit, chosen
    if chosen is stacked and seconds(stacked) > seconds(alone):
        instead = f"{other.name} would save less than {_WORTH_LEAVING_LANES:.0f} s"
    else:
        instead = f"{_said(seconds(other))} in {other.name}"
    more = limit if chosen is stacked else ""
    run = alone if chosen is fit else chosen  # by which what can't be left is still stacked
    matrices = rule_step(sample, run, speed, epochs * steps)
    reason = (
        f"{chosen.name}{more} ({how}: {_said(seconds(chosen))} to train "
        f"{trials} trial{'s' * (trials > 1)}{_of(structures)}"
        f"{', mostly for the optimizer' * (matrices > 0.5 * each[run].step)}, {instead})"
    )
    per_call = _steps_per_call(run, steps, each[run].step * run.lanes)
    return Plan(run.lanes, run.native, per_call, reason, run.jit_compile, chosen is fit)


def _of(structures: int) -> str:
    return f" of about {structures} structures" if structures > 1 else ""


def _said(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _steps_per_call(mode: Mode, steps: int, seconds: float) -> int:
    """As many as take about a second, but no more than the mode allows."""
    return int(min(mode.steps_per_call, steps, max(1, math.ceil(1 / max(seconds, 1e-4)))))


def lanes_mode(
    sample: ModelSample,
    lanes: int,
    batch_size: int,
    speed: float,
    steps: float,
    structures: int = 1,
    trial_steps: float = math.inf,
) -> Mode:
    """Lanes with XLA or without it, which is slower a step and sooner there, and has LAPACK.

    Args:
        steps: of all trials of one structure; the others as in `estimate`.
    """
    by_xla, without_xla = Mode(lanes, False), Mode(lanes, False, jit_compile=False)
    if on_jax() or _on_accelerator():
        return by_xla

    def seconds(mode):
        found = estimate(sample, batch_size, mode, speed, structures, trial_steps)
        return found.seconds(steps)

    return min(by_xla, without_xla, key=seconds)


def native_mode(
    sample: ModelSample,
    batch_size: int,
    speed: float,
    steps: float,
    trial_steps: float = math.inf,
) -> Mode:
    """One lane with the quickest kernels that the backend has for these models.

    XLA's convolutions inside a loop on a CPU take 10 to 30 times as long as TensorFlow's own (a
    CNN on 32 by 32 images, 2 cores: 0.52 s against 0.017 s a step). So these are taken there, and
    on JAX a step a call. And where a structure has few steps, XLA takes longer to compile than it
    saves (an MLP on 2 cores: 3 s against 0.8 s of processor time, for 0 to 0.3 ms a step).

    Args:
        steps: of all trials of one structure; trial_steps: as in `estimate`.
    """
    by_xla, by_steps = Mode(1, True), Mode(1, True, steps_per_call=1)
    without_xla = Mode(1, True, jit_compile=False)
    if sample.any(slow_in_loops):
        return by_steps if on_jax() else without_xla
    if on_jax() or _on_accelerator():
        return by_xla

    def seconds(mode):
        found = estimate(sample, batch_size, mode, speed, trial_steps=trial_steps)
        return found.seconds(steps)

    return min(by_xla, without_xla, key=seconds)
