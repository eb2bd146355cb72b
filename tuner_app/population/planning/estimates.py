"""What training in a mode takes, estimated from the shapes of models: all constants are here.

They are of MLPs, CNNs, an LSTM and a ResNet-20 on 2 x86-64 cores, and right within a factor of
two, as the choice between the modes needs it. `benchmarks/planner_constants.py` measures what they
are of, beside what is estimated here.
"""

import math
from dataclasses import dataclass

from tuner_app.optimizers.step_work import StepWork
from tuner_app.population.backend.vectorize import on_accelerator as _on_accelerator
from tuner_app.population.backend.vectorize import on_jax
from tuner_app.population.compiled.rule_work import rule_work
from tuner_app.population.planning.model_sample import ModelSample
from tuner_app.population.planning.timing import Timing
from tuner_app.population.planning.work import (
    activations,
    has_convolutions,
    multiplications,
    weighted_layers,
    weights,
)

MOST_STEPS = 256  # a call
FIT_STEP = 1.5e-3  # seconds that `fit` spends around each step


@dataclass(frozen=True)
class Mode:
    """A way to train: as in `Population`, or by `fit`."""

    lanes: int
    native: bool
    jit_compile: bool | None = None
    steps_per_call: int = MOST_STEPS
    by_fit: bool = False

    @property
    def name(self) -> str:
        if self.by_fit:
            return "fit"
        if self.native:
            return "one lane with native kernels"
        without = " without XLA" if self.jit_compile is False else ""
        return f"{self.lanes} lane{'s' * (self.lanes > 1)}{without}"

    @property
    def xla(self) -> bool:
        """Whether XLA's kernels are what runs, of which some are slower than TensorFlow's own."""
        return not (on_jax() or self.by_fit or self.jit_compile is False)


def estimate(
    sample: ModelSample,
    batch_size: int,
    mode: Mode,
    speed: float,
    structures: int = 1,
    trial_steps: float = math.inf,
) -> Timing:
    """What tracing and compiling of one structure takes, and a step of one trial, at `speed`
    multiplications a second.

    Args:
        structures: among which the lanes are shared out.
        trial_steps: steps of one trial, over which is spread what is done in its first.
    """
    if mode.native:
        body = _alone(sample, batch_size, mode, speed)
    else:
        body = _lanes(sample, batch_size, mode, speed, structures)
    first = body.first + rule_first(sample, mode)
    return Timing(first, body.step + rule_step(sample, mode, speed, trial_steps))


def _lanes(sample, batch_size, mode, speed, structures) -> Timing:
    layers, further = sample.mean(weighted_layers), sample.rules - 1
    convolutions = sample.any(has_convolutions)
    sharing = max(1.0, mode.lanes / structures)
    arithmetic = sample.mean(lambda model: multiplications(model, batch_size)) / (0.5 * speed)
    if mode.jit_compile is False:
        # Nothing is fused: each type of optimizer has its own operations and passes over the
        # weights (8 bytes in and out of the memory a number, some ten times).
        operations = (3.5e-4 / sharing + 1e-5) * layers * (1 + 0.35 * further)
        passes = 1.3e-9 * sample.mean(weights) * (1 + further)
        passes += (4e-8 if convolutions else 8e-9) * sample.mean(
            lambda model: activations(model, batch_size)
        )
        first = 0.45 + ((0.35 if convolutions else 0.13) + 0.04 * further) * layers
        return Timing(first, operations + passes + arithmetic)
    step = 2e-4 * layers / sharing + arithmetic
    if on_jax() and sample.any(slow_in_loops):
        # Beside the products it is what passes between the layers that takes the time: of 20
        # trials of a CNN at 32 by 32, 2.3 million numbers a step, half of 0.044 s a step.
        passed = sample.mean(lambda model: activations(model, batch_size))
        return Timing(1.5 + layers, step + 8e-9 * passed)
    return Timing(1.6 + ((0.8 if convolutions else 0.25) + 0.05 * further) * layers, step)


def _alone(sample, batch_size, mode, speed) -> Timing:
    layers = sample.mean(weighted_layers)
    work = sample.mean(lambda model: multiplications(model, batch_size))
    if on_jax() and sample.any(slow_in_loops):
        # A step is a call, which costs as much as three small layers.
        return Timing(1.0 + 0.25 * layers, 3e-4 + 1e-4 * layers + work / (0.25 * speed))
    if mode.jit_compile is False:
        each = 4e-4 if sample.any(has_convolutions) else 2e-4
        return Timing(0.3 + 0.15 * layers, each * layers + work / (0.8 * speed))
    return Timing(0.7 + 0.3 * layers, 1e-4 * layers + work / (0.8 * speed))


def rule_first(sample: ModelSample, mode: Mode) -> float:
    """Seconds by which compiling decompositions takes longer.

    On JAX each is a loop over the lanes that are due. Of an MLP of two layers Shampoo's six take
    2.7 to 3.9 s of processor time in lanes and 1.1 s in one, SOAP's four, each with another for the
    later steps, 6.6 and 2.0 s; two thirds of it where two cores compile.
    """

    def each(model):
        return _decomposed(model) * (0.15 if mode.native else 0.4)

    return sample.mean(each) if mode.native else sample.over_rules(each)


def _decomposed(model) -> int:
    """How many decompositions are compiled, where it is of account."""
    work = rule_work(model)
    return len(work.eigen) + 2 * len(work.first_eigen) if on_jax() else 0


def rule_step(sample: ModelSample, mode: Mode, speed: float, trial_steps: float) -> float:
    """Seconds a step of one trial that its optimizer takes beside single elements' arithmetic.

    In lanes every type of optimizer is computed in every lane, but for decompositions.
    """

    def products(model):
        return rule_work(model).multiplications / (0.5 * speed)

    def decompositions(model):
        return _decompositions(rule_work(model), mode.xla, trial_steps)

    every = sample.mean(products) if mode.native else sample.over_rules(products)
    return every + sample.mean(decompositions)


def _decompositions(work: StepWork, xla: bool, trial_steps: float) -> float:
    each_step = sum(share * _eigen(n, xla) for n, share in work.eigen)
    return each_step + sum(_eigen(n, xla) for n in work.first_eigen) / trial_steps


def _eigen(n: int, xla: bool) -> float:
    """Seconds that the eigenvectors of an n × n matrix take.

    TensorFlow without XLA: 0.8, 11 and 72 ms for n = 64, 256 and 784. LAPACK in one thread, which
    JAX has: 0.3, 3.6 and 43 ms. XLA on TensorFlow turns pairs of columns, sweep by sweep: 3, 130
    and 7250 ms.
    """
    if xla:
        return 1e-8 * n**3
    return (4.5e-8 if on_jax() else 1.3e-7) * n**2 + 3e-11 * n**3


def first_by_fit(model) -> float:
    """Seconds until `fit` has traced and compiled for a trial, which it does for each anew."""
    each = 0.25 if on_jax() else 0.08
    return 0.5 + each * weighted_layers(model) + 0.2 * _decomposed(model)


def slow_in_loops(model) -> bool:
    """Whether XLA's own kernels are slow for it inside a loop."""
    return has_convolutions(model) and not _on_accelerator()
