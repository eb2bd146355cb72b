"""Random search over a model's weights: a baseline that training must beat."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from tuner_app.errors import UserError
from tuner_app.gradients import loss_of


@dataclasses.dataclass(frozen=True)
class RandomSearchResult:
    """The best point found, its loss, and the best loss after the start and after each try."""

    point: list[np.ndarray]
    loss: float
    history: tuple[float, ...]


def random_search(
    function: Callable[[list[np.ndarray]], float],
    start: list[np.ndarray],
    *,
    tries: int,
    scale: float,
    local: bool = False,
    seed: int = 0,
) -> RandomSearchResult:
    """Tries random points and keeps the best: no gradient at all.

    Args:
        function: from a list of arrays to a loss; NaN is never the best.
        start: arrays of the shapes to search; also the first point.
        tries: how many points to try after it.
        scale: the standard deviation of each number tried.
        local: draw around the best point so far (random local search) instead of around 0.
        seed: of the draws.

    Raises:
        UserError: `tries` or `scale` is not positive.

    >>> result = random_search(
    ...     lambda p: float((p[0] ** 2).sum()), [np.full(2, 4.0)], tries=200, scale=0.5, local=True
    ... )
    >>> result.loss < 0.1
    True
    """
    if tries < 1 or not scale > 0:
        raise UserError(f"Random search needs tries ≥ 1 and scale > 0; got {tries} and {scale}.")
    rng = np.random.default_rng(seed)
    best = [np.array(array) for array in start]
    lowest = float(function(best))
    history = [lowest]
    for _ in range(tries):
        point = [
            (array if local else 0.0) + scale * rng.standard_normal(array.shape) for array in best
        ]
        loss = float(function(point))
        if loss < lowest or (np.isnan(lowest) and not np.isnan(loss)):
            best, lowest = point, loss
        history.append(lowest)
    return RandomSearchResult(best, lowest, tuple(history))


def random_search_model(
    model: keras.Model,
    loss: Callable,
    x,
    y,
    *,
    tries: int,
    scale: float,
    local: bool = False,
    seed: int = 0,
) -> RandomSearchResult:
    """`random_search` over a built model's trainable weights; the model ends with the best ones.

    Args:
        loss: `loss(y_true, y_pred)`, a Keras loss or a function.
        x, y: one batch.
        tries, scale, local, seed: as for `random_search`.
    """
    compute_loss = loss_of(model, loss, x, y)

    def at(point):
        for variable, value in zip(model.trainable_variables, point, strict=True):
            variable.assign(value)
        return float(ops.convert_to_numpy(compute_loss()))

    start = [variable.numpy() for variable in model.trainable_variables]
    result = random_search(at, start, tries=tries, scale=scale, local=local, seed=seed)
    for variable, value in zip(model.trainable_variables, result.point, strict=True):
        variable.assign(value)
    return result
