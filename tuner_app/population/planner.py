"""Many lanes, or one lane with native kernels: which is quicker for this model, and why.

Lanes gain where starting operations costs more than their arithmetic, and nothing where one
trial's arithmetic fills the machine. An estimate of the arithmetic decides the clear cases; in
between both modes are timed for a moment.
"""

import math
import time
from dataclasses import dataclass

import keras
import numpy as np

from tuner_app.population.population import Population

# Multiplications a step and lane, forward and backward. Below the first, an operation takes less
# than it costs to start; above the second, a core is busy for tenths of a second.
_LITTLE, _MUCH = 3e7, 3e9
_TIMED_BATCHES = 4


@dataclass(frozen=True)
class Plan:
    """How to train trials of a model.

    Args:
        lanes: most trials in a stack.
        native: one lane with the backend's own kernels.
        steps_per_call: batches between two chances to look.
        reason: why, in a sentence.
    """

    lanes: int
    native: bool
    steps_per_call: int
    reason: str


def plan(build, train, *, batch_size: int, trials: int, memory: float, lanes: int = 256) -> Plan:
    """The plan for trials like `build()`'s.

    Args:
        build: function without arguments that returns a compiled Keras model.
        train: (x, y) or (x, y, sample_weight), as `Population` takes them.
        trials: how many are wanted; lanes: most lanes.
        memory: bytes that the stack may take.
    """
    model = build()
    steps = max(1, len(keras.tree.flatten(train[0])[0]) // batch_size)
    work = multiplications(model, batch_size)
    fitting = max(1, int(memory // lane_bytes(model, batch_size)))
    lanes = max(1, min(lanes, trials, fitting))
    limit = f", as many as {memory / 2**30:.1f} GiB hold" if fitting == lanes else ""
    about = f"a step of one trial is about {work:.1e} multiplications"
    native = work > _MUCH
    reason = f"{about}: " + ("arithmetic fills the machine" if native else "little to compute")
    if lanes == 1 and trials > 1:
        native, reason = True, f"{about}, and memory holds one trial"
    elif _LITTLE < work <= _MUCH and lanes > 1:
        stacked, alone = (_seconds(build, train, batch_size, min(lanes, 8), n) for n in (0, 1))
        native = alone < stacked
        reason = f"timed: {stacked:.2g} s a step and trial in lanes, {alone:.2g} s in one"
    lanes = 1 if native else lanes
    # A call of about a second, at ten thousand million multiplications a second.
    seconds = max(work * lanes / 1e10, 1e-4)
    per_call = int(min(steps, max(1, math.ceil(1 / seconds))))
    mode = "one lane with native kernels" if native else f"{lanes} lanes{limit}"
    return Plan(lanes, native, per_call, f"{mode} ({reason})")


def multiplications(model, batch_size: int) -> float:
    """A step's multiplications, forward and twice backward, by the kernels' shapes."""
    total = 0.0
    for layer in model._flatten_layers():
        kernels = [w for w in layer._trainable_variables if len(w.shape) > 1]
        if not kernels or not layer._inbound_nodes:
            continue
        output = keras.tree.flatten(layer.output)[0].shape[1:]
        channels = output[-1] or 1
        positions = math.prod(d or 1 for d in output) / channels
        total += positions * sum(math.prod(w.shape) for w in kernels)
    return 3.0 * batch_size * max(total, 1.0)


def lane_bytes(model, batch_size: int) -> float:
    """Bytes of one lane: its state, old and new, gradients, and activations with their patches."""
    weights = sum(math.prod(v.shape) for v in model.variables)
    slots = 2 * sum(math.prod(v.shape) for v in model.trainable_variables)
    outputs = patches = 0
    for layer in model._flatten_layers():
        if not layer._inbound_nodes:
            continue
        output = math.prod(d or 1 for d in keras.tree.flatten(layer.output)[0].shape[1:])
        outputs += output
        kernel = getattr(layer, "kernel_size", None)
        if kernel:  # a convolution is a product with patches of its input
            inputs = keras.tree.flatten(layer.input)[0].shape[1:]
            patches += math.prod(kernel) * math.prod(d or 1 for d in inputs)
    return 4.0 * (3 * weights + 2 * slots + batch_size * (2 * outputs + 2 * patches))


def _seconds(build, train, batch_size, lanes, native) -> float:
    """Wall time a step and trial, compilation not counted."""
    few = keras.tree.map_structure(
        lambda a: np.asarray(a[: _TIMED_BATCHES * batch_size]), tuple(train)
    )
    lanes = 1 if native else lanes
    population = Population(few, batch_size=batch_size, lanes=lanes, native=bool(native))
    for key in range(lanes):
        population.admit(key, build, seed=key, epochs=3)
    population.run_epoch()
    started = time.monotonic()
    population.run_epoch()
    steps = max(1, len(keras.tree.flatten(few[0])[0]) // batch_size)
    return (time.monotonic() - started) / (steps * lanes)
