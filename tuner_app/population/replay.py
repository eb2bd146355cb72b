"""A lineage of population-based training trained again by plain `fit`: a model after another, each
from where the one before it stood, with numbers of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tuner_app.population import alone
from tuner_app.population.models.building import build_optimizer

_PARTS = (
    lambda model: model.trainable_variables,
    lambda model: model.non_trainable_variables,
    lambda model: model.optimizer.variables,
)


def fit(
    build: Callable[[Mapping[str, Any]], keras.Model],
    schedule: Sequence[tuple[int, int, Mapping[str, Any]]],
    x,
    y,
    *,
    seed: int,
    **keywords,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Trains through a schedule in the order and with the random numbers of a stack.

    Args:
        build: Values of hyperparameters to a compiled Keras model.
        schedule: Each first epoch (from 0), the one after the last, and the values between them.
        seed: Of the member that the line began with.
        x, y, keywords: As for `alone.fit`.

    Returns:
        The model after the last epoch, and all epochs' metrics by name.
    """
    shape = tree.map_structure(lambda a: (None, *np.shape(a)[1:]), x)

    def train(model, goes_on, **epochs):
        return alone.fit(model, x, y, seed=seed, goes_on=goes_on, **epochs, **keywords)

    return through(build, schedule, seed, shape, train)


def through(
    build: Callable[[Mapping[str, Any]], keras.Model],
    schedule: Sequence[tuple[int, int, Mapping[str, Any]]],
    seed: int,
    shape: Any,
    train: Callable[..., keras.callbacks.History],
) -> tuple[keras.Model, dict[str, list[float]]]:
    """As `fit`, with a training of the caller's own.

    Args:
        shape: Of a batch, for models that are built without it.
        train: Called as train(model, goes_on, initial_epoch=..., epochs=...) for each stretch;
            `goes_on` is whether the model is trained already.
    """
    metrics: dict[str, list[float]] = {}
    model = fresh = None
    for first, end, values in schedule:
        keras.utils.set_random_seed(seed)
        following = build(values)
        if not following.built:
            following.build(shape)
        build_optimizer(following)
        new = _scalars(following)
        if model is not None:
            _go_on(model, following, fresh, new)
        found = train(following, model is not None, initial_epoch=first, epochs=end)
        for name, column in found.history.items():
            metrics.setdefault(name, []).extend(column)
        model, fresh = following, new
    return model, metrics


def _scalars(model: keras.Model) -> dict[tuple[int, int], np.ndarray]:
    """The scalar variables that are no weights, by part and position."""
    return {
        (part, i): np.array(keras.ops.convert_to_numpy(variable))
        for part, variables in enumerate(_PARTS)
        for i, variable in enumerate(variables(model))
        if part and len(variable.shape) == 0
    }


def _go_on(model: keras.Model, following: keras.Model, before: dict, after: dict) -> None:
    """All of a trained model's state goes to the one that follows, but numbers that differ between
    them before any training, such as the learning rate: these are its own."""
    for part, variables in enumerate(_PARTS):
        pairs = zip(variables(model), variables(following), strict=True)
        for i, (old, new) in enumerate(pairs):
            own = (part, i) in after and not np.array_equal(before[part, i], after[part, i])
            if not own:
                new.assign(old)
