"""What plain Keras makes of the steps, and the evaluation, that a stack is compared with."""

import contextlib
import functools
from dataclasses import dataclass

import keras
import numpy as np
from keras import tree

from tuner_app.optimizers.evaluation_point import evaluation_point
from tuner_app.population.backend import vectorize
from tuner_app.population.backend.swapping import swapped
from tuner_app.population.compiled.seam import seam
from tuner_app.population.data import held_out
from tuner_app.population.lanes.lane import host
from tuner_app.population.signatures.description import Description
from tuner_app.population.signatures.lift import replaced

KEPT = ("trainable", "non_trainable")  # parts of a state that are compared


@dataclass(frozen=True)
class Outcome:
    """What some steps left.

    Args:
        logs: name to value: the loss and the metrics over these steps.
        values: name of a state's part to its arrays, as in `Trial.values`.
    """

    logs: dict[str, float]
    values: dict[str, list[np.ndarray]]

    @property
    def finite(self) -> bool:
        """Whether the loss and every trainable value are finite numbers."""
        found = [self.logs["loss"], *self.values["trainable"]]
        return all(np.isfinite(np.asarray(x, "float64")).all() for x in found)


def steps(trial, description, batches, start) -> Outcome:
    """What plain Keras's steps leave; the model is left as it was."""
    model, parts = trial.model, _parts(trial.model)
    kept = {part: host(variables) for part, variables in parts.items()}
    with _numbers_in_place(trial.description, description), _eager(model), seam(plain=True):
        _assign(parts, start)
        for x, y, sample_weight in batches:
            logs = model.train_on_batch(x, y, sample_weight, return_dict=True)
        found = {part: host(parts[part]) for part in KEPT}
        _assign(parts, kept)
    return Outcome({name: float(value) for name, value in logs.items()}, found)


def evaluation(stack, trial, description, values) -> dict[str, float]:
    """The logs of the stack's evaluation by plain Keras, with a lane's values."""
    model, parts = trial.model, _parts(trial.model)
    kept = {part: host(variables) for part, variables in parts.items()}
    at_point = evaluation_point(model) if stack.at_point else contextlib.nullcontext()
    with _numbers_in_place(trial.description, description), _eager(model), seam(plain=True):
        _assign(parts, values)
        with at_point:
            for rows in held_out.batches(stack, at_most=1):
                x, y, sample_weight = batch(stack.validation, rows)
                logs = model.test_on_batch(x, y, sample_weight, return_dict=True)
                # What is drawn at random then is drawn anew for each batch in a stack.
                _assign(
                    {"non_trainable": model.non_trainable_variables},
                    {"non_trainable": values["non_trainable"]},
                )
        _assign(parts, kept)
    return logs


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
        with _compiled_quickly():
            yield
    finally:
        object.__delattr__(model, "reset_metrics")
        model.reset_metrics()
        model.run_eagerly = kept
        # A function that was traced with other numbers must not be used again.
        model.train_function = model.test_function = None


@contextlib.contextmanager
def _compiled_quickly():
    """On JAX and a CPU, steps that are run once are compiled without LLVM's optimizations."""
    if keras.backend.backend() != "jax" or vectorize.on_accelerator():
        yield
        return
    from keras.src.backend.jax import trainer

    options = {"xla_backend_optimization_level": 0}
    with swapped([(trainer, "jit", functools.partial(trainer.jit, compiler_options=options))]):
        yield


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


def batch(examples, index) -> tuple:
    """One batch as NumPy arrays (x, y, sample_weight)."""
    leaves = [np.asarray(leaf) for leaf in examples.leaves]
    return tree.map_structure(lambda i: None if i is None else leaves[i][index], examples.structure)
