"""Numbers that differ between trials, put in place as lane scalars while a step is traced."""

import contextlib

import numpy as np
from keras import ops

from tuner_app.population.signatures.description import Site
from tuner_app.population.signatures.lane_scalar import Journal, LaneScalar


@contextlib.contextmanager
def lifted(sites: tuple[Site, ...], representative, pairs, journal: Journal):
    """While open, each site's number computes as this lane's.

    Args:
        sites: n places in the template model.
        representative: float64 of shape (n,), the numbers that answer Python's questions.
        pairs: float32 tensor of shape (n, 2), this lane's numbers, see `lane_scalar.split`.
        journal: where Python's questions are noted.
    """
    representative = np.asarray(representative, "float64")
    # All at once: two slices a number would be a good part of the program.
    halves = ops.unstack(ops.reshape(pairs[: len(sites)], (-1,))) if sites else []
    scalars = [
        LaneScalar(
            lambda numbers, i=i: numbers[i],
            representative,
            halves[2 * i],
            halves[2 * i + 1],
            journal,
            frozenset([i]),
        )
        for i in range(len(sites))
    ]
    with replaced(sites, scalars):
        yield


@contextlib.contextmanager
def replaced(sites, values):
    """While open, each site holds the given value."""
    kept = []
    try:
        for site, value in zip(sites, values, strict=True):
            for target in site.targets():
                # Straight into __dict__: Keras's attribute tracking would see it otherwise.
                attributes, name = target.owner.__dict__, target.attribute
                kept.append((attributes, name, attributes[name]))
                attributes[name] = _placed(attributes[name], target.path, value)
        yield
    finally:
        for attributes, name, value in reversed(kept):
            attributes[name] = value


def _placed(container, path, value):
    """A copy of nested tuples, lists and dicts with `value` at `path`."""
    if not path:
        return value
    key, *rest = path
    if isinstance(container, dict):
        return {k: _placed(v, rest, value) if k == key else v for k, v in container.items()}
    items = [_placed(v, rest, value) if i == key else v for i, v in enumerate(container)]
    if isinstance(container, tuple):
        return type(container)(*items) if hasattr(container, "_fields") else tuple(items)
    return items
