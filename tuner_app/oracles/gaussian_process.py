"""A Gaussian process that is asked for many points at once (Rasmussen and Williams, 2006).

Matérn 5/2 kernel with one length scale, unit variance over normalized scores, and noise on the
diagonal. A point that has been proposed but has no score yet is taken to score what is expected
there (Ginsbourger et al., 2010): the mean stays and the uncertainty shrinks, which costs a row
instead of another fit.
"""

import numpy as np

_LENGTHS = np.geomspace(0.03, 30.0, 16)


class GaussianProcess:
    """The process given scores, and the points proposed since.

    Args:
        x: Points in the unit cube, float64 of shape (points, dimensions).
        y: Their scores, float64 of shape (points,).
        noise: Variance of the noise, in units of the scores' own variance.
        length: The kernel's length scale; see `likeliest_length`.

    >>> process = GaussianProcess(np.array([[0.0], [1.0]]), np.array([1.0, 3.0]), 1e-9, length=0.3)
    >>> mean, deviation = process.predict(np.array([[0.0], [0.5]]))
    >>> mean.round(3).tolist(), deviation.round(3).tolist()
    ([1.0, 2.0], [0.0, 0.949])
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, noise: float, length: float):
        self._center, self._scale = _normal(y)
        self._x, self._noise, self._length = x, noise, length
        # K = L L', and L^-1 is what everything here needs.
        root = np.linalg.cholesky(_kernel(x, x, length) + noise * np.eye(len(x)))
        self._inverse = np.tril(np.linalg.inv(root))
        self._weights = self._inverse.T @ (self._inverse @ ((y - self._center) / self._scale))
        self.watching: np.ndarray | None = None  # points, see `watch`

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the scores at x, each of shape (points,)."""
        cross = _kernel(self._x, x, self._length)
        rows = self._inverse @ cross
        mean = self._weights @ cross[: len(self._weights)]
        return self._told(mean, 1.0 - np.einsum("ij,ij->j", rows, rows))

    def watch(self, x: np.ndarray) -> None:
        """Keeps what `watched` needs of these points, so that each `expect` updates it cheaply."""
        cross = _kernel(self._x, x, self._length)
        self.watching, self._rows = x, self._inverse @ cross
        self._watched_mean = self._weights @ cross[: len(self._weights)]
        self._watched_left = 1.0 - np.einsum("ij,ij->j", self._rows, self._rows)

    def watched(self) -> tuple[np.ndarray, np.ndarray]:
        """`predict` of the points that are watched."""
        return self._told(self._watched_mean, self._watched_left)

    def _told(self, mean: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        deviation = np.sqrt(np.maximum(0.0, left))
        return self._center + self._scale * mean, self._scale * deviation

    def expect(self, x: np.ndarray) -> None:
        """From now on the point x, of shape (dimensions,), has the score that is expected there."""
        row = self._inverse @ _kernel(self._x, x[None], self._length)[:, 0]
        n, corner = len(row), np.sqrt(max(1e-12, 1.0 + self._noise - row @ row))
        if self.watching is not None:
            cross = _kernel(x[None], self.watching, self._length)[0]
            added = (cross - row @ self._rows) / corner
            self._rows = np.vstack([self._rows, added])
            self._watched_left = self._watched_left - added**2
        inverse = np.zeros((n + 1, n + 1))
        inverse[:n, :n] = self._inverse
        inverse[n, :n], inverse[n, n] = -(row @ self._inverse) / corner, 1.0 / corner
        self._inverse, self._x = inverse, np.vstack([self._x, x])


def likeliest_length(x: np.ndarray, y: np.ndarray, noise: float) -> float:
    """The length scale under which the scores are likeliest, to a tenth or so of itself."""
    center, scale = _normal(y)
    y, distances = (y - center) / scale, _distances(x, x)

    # With the scores as one more row, the last row of the factor is L^-1 y.
    bordered = np.empty((len(y) + 1, len(y) + 1))
    bordered[-1, :-1] = bordered[:-1, -1] = y
    bordered[-1, -1] = 1.0 + y @ y / noise

    def likelihood(length: float) -> float:
        bordered[:-1, :-1] = _matern(distances / length) + noise * np.eye(len(y))
        root = np.linalg.cholesky(bordered)
        half = root[-1, :-1]
        return -0.5 * half @ half - np.log(np.diag(root)[:-1]).sum()

    best = int(np.argmax([likelihood(length) for length in _LENGTHS]))
    near = np.geomspace(_LENGTHS[max(0, best - 1)], _LENGTHS[min(best + 1, len(_LENGTHS) - 1)], 7)
    return float(near[np.argmax([likelihood(length) for length in near])])


def _normal(y: np.ndarray) -> tuple[float, float]:
    return float(y.mean()), float(y.std()) or 1.0


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(0.0, squares))


def _kernel(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    return _matern(_distances(a, b) / length)


def _matern(r: np.ndarray) -> np.ndarray:
    # k(r) = (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)
    s = np.sqrt(5.0) * r
    return (1 + s + s**2 / 3) * np.exp(-s)
