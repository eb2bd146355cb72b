"""Mean and variance of columns, gathered chunk by chunk in float64."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def moments(chunks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column over all chunks, missing numbers (NaN) left out.

    A constant column has variance 1 here, so that it becomes 0 and stays small where another value
    turns up later; a column without any number has mean 0. Chunks are joined by the pairwise
    update of T. Chan, G. Golub, R. LeVeque, 1979, which does not lose digits as sums of squares do.

    Args:
        chunks: Arrays of shape (n, columns); at least one.

    >>> moments([np.array([[1.0, 5.0], [np.nan, 5.0]]), np.array([[3.0, 5.0]])])
    (array([2., 5.]), array([1., 1.]))
    """
    count = mean = squares = None
    for chunk in chunks:
        values = np.asarray(chunk, "float64")
        present = ~np.isnan(values)
        n = present.sum(axis=0)
        m = np.where(present, values, 0).sum(axis=0) / np.maximum(n, 1)
        s = np.where(present, (values - m) ** 2, 0).sum(axis=0)
        if count is None:
            count, mean, squares = n, m, s
            continue
        total = np.maximum(count + n, 1)
        # δ = m − M,  M ← M + δ n/N,  S ← S + s + δ² (N−n) n/N
        delta = m - mean
        mean = mean + delta * n / total
        squares = squares + s + delta**2 * count * n / total
        count = count + n
    variance = squares / np.maximum(count, 1)
    # Rounding leaves a constant like 0.1 with a variance of 1e-34.
    constant = variance <= 1e-20 * np.maximum(mean**2, 1e-30)
    return mean, np.where(constant, 1.0, variance)
