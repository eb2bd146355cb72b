"""A tensor as a matrix, and which of its two sides are preconditioned: for Shampoo and SOAP."""

import math

import keras
from keras import ops


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """All dimensions but the last are one: (n,) → (n, 1), (3, 3, 8, 16) → (72, 16).

    >>> matrix_shape((3, 3, 8, 16)), matrix_shape((5,)), matrix_shape(())
    ((72, 16), (5, 1), (1, 1))
    """
    if len(shape) < 2:
        return math.prod(shape), 1
    return math.prod(shape[:-1]), shape[-1]


def sides(shape: tuple[int, ...], max_size: int) -> tuple[str, ...]:
    """The sides that get a matrix: "L" for the rows, "R" for the columns, where not too long.

    >>> sides((4, 3), 100), sides((4000, 3), 100), sides((4,), 100)
    (('L', 'R'), ('R',), ('L',))
    """
    rows, columns = matrix_shape(shape)
    left = ("L",) if rows <= max_size else ()
    right = ("R",) if columns <= max_size and len(shape) > 1 else ()
    return left + right


def size(shape: tuple[int, ...], side: str) -> int:
    """The length of a side."""
    return matrix_shape(shape)["LR".index(side)]


def outer(matrix, side):
    """G Gᵀ for the rows, Gᵀ G for the columns."""
    transposed = ops.transpose(matrix)
    return matrix @ transposed if side == "L" else transposed @ matrix


def digits(matrix) -> float:
    """What rounding may change, as a share: the distance from 1 to the next number of its type."""
    return 2.0**-52 if keras.backend.standardize_dtype(matrix.dtype) == "float64" else 2.0**-23


def eigenpairs(matrix):
    """Eigenvalues, in rising order, and eigenvectors of a symmetric matrix; NaN of one with NaN.

    TensorFlow's own raises where a matrix is not finite, which would end a whole stack when one of
    its trials diverges.
    """
    finite = ops.all(ops.isfinite(matrix))
    values, vectors = ops.linalg.eigh(ops.where(finite, matrix, ops.zeros_like(matrix)))
    nan = ops.full_like(values, float("nan"))
    return ops.where(finite, values, nan), ops.where(finite, vectors, nan)
