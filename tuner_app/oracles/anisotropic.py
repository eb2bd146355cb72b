"""A Gaussian process with a length scale of its own for each dimension.

Matérn 5/2 kernel (Rasmussen and Williams, 2006). The lengths, the variance and the noise are the
likeliest under priors that expect the lengths to grow with the root of the dimensions (Hvarfner et
al., 2024), so that few scores suffice, and a dimension that does not matter becomes long.
"""

import math

import numpy as np
from scipy import optimize
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs
from scipy.special import erfcx, ndtr

_SHORTEST, _LONGEST = math.log(0.02), math.log(50.0)
_LENGTH, _NOISE = math.log(0.5), math.log(1e-5)  # the priors' medians: of a length, of the noise
_NOISE_SPREAD = 2.0  # of the noise's logarithm; that of a length's is 1
_LEAST_NOISE, _MOST_NOISE = math.log(1e-6), 0.0  # in units of the kernel's variance
_SHORT, _NOISY = math.log(0.3), math.log(1e-3)  # where the search for the likeliest begins, too


class AnisotropicProcess:
    """The process given scores.

    Args:
        x: Points, float64 of shape (points, columns).
        y: Their scores, float64 of shape (points,), of mean 0 and about unit variance.
        dimension_of: Of shape (columns,): which columns share a length; from 0 without gaps.
        hyperparameters: What `fit` gave; None: fits them.

    >>> x = np.random.default_rng(0).random((30, 2))
    >>> process = AnisotropicProcess(x, np.sin(6 * x[:, 0]), np.array([0, 1]))
    >>> mean, deviation = process.predict(np.array([[0.3, 0.9]]))
    >>> bool(abs(mean[0] - np.sin(1.8)) < 0.02 and 0 < deviation[0] < 0.1)
    True
    >>> first, second = np.exp(process.hyperparameters[:2])
    >>> bool(second > 5 * first)  # the second column does not matter
    True
    """

    def __init__(self, x, y, dimension_of, hyperparameters=None):
        if hyperparameters is None:
            hyperparameters = fit(x, y, dimension_of)
        self.hyperparameters = hyperparameters
        self._inverse_lengths = np.exp(-hyperparameters[:-1])[dimension_of]
        self._x = x * self._inverse_lengths
        kernel = _matern(_squares(self._x, self._x))
        kernel.flat[:: len(y) + 1] += math.exp(hyperparameters[-1])
        self._root = dpotrf(kernel, lower=1, clean=1)[0]
        self._weights = dpotrs(self._root, y, lower=1)[0]
        self._variance = max(float(y @ self._weights) / len(y), 1e-12)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at points (n, columns), without the noise."""
        cross = _matern(_squares(self._x, x * self._inverse_lengths))
        rows = dtrtrs(self._root, cross, lower=1)[0]
        left = self._variance * (1.0 - np.einsum("ij,ij->j", rows, rows))
        return self._weights @ cross, np.sqrt(np.maximum(left, 1e-14))


def fit(x: np.ndarray, y: np.ndarray, dimension_of: np.ndarray) -> np.ndarray:
    """The logarithms of the lengths, and of the noise in units of the kernel's variance.

    The variance itself is at its likeliest given these, in closed form.
    """
    count, dimensions = len(y), int(dimension_of.max()) + 1
    apart = np.zeros((dimensions, count, count))  # squared distances by dimension
    for column, dimension in zip(x.T, dimension_of, strict=True):
        apart[dimension] += np.subtract.outer(column, column) ** 2
    expected = np.r_[np.full(dimensions, _LENGTH + 0.5 * math.log(dimensions)), _NOISE]
    spread = np.r_[np.ones(dimensions), _NOISE_SPREAD]
    unit = np.eye(count)

    def misfit(logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the logarithm of the posterior, and its gradient."""
        weights, noise = np.exp(-2 * logs[:-1]), math.exp(logs[-1])
        scaled = np.sqrt(5.0 * np.tensordot(weights, apart, 1))
        decay = np.exp(-scaled)
        root, fault = dpotrf((1 + scaled + scaled**2 / 3) * decay + noise * unit, lower=1, clean=1)
        if fault:
            return 1e10, np.zeros_like(logs)
        solved, inverse = dpotrs(root, y, lower=1)[0], dpotrs(root, unit, lower=1)[0]
        variance = max(float(y @ solved) / count, 1e-12)
        off = (logs - expected) / spread
        found = count / 2 * math.log(variance) + np.log(root.diagonal()).sum() + off @ off / 2
        by_kernel = (inverse - np.outer(solved, solved) / variance) / 2
        # k(r) falls by 5/6 (1 + sqrt(5) r) exp(-sqrt(5) r) for each unit of r^2
        by_square = by_kernel * (-5 / 6 * (1 + scaled) * decay)
        slope = off / spread
        slope[:-1] += -2 * weights * np.tensordot(apart, by_square, 2)
        slope[-1] += by_kernel.trace() * noise
        return found, slope

    bounds = [(_SHORTEST, _LONGEST)] * dimensions + [(_LEAST_NOISE, _MOST_NOISE)]
    tries = []
    for length in (expected[0], _SHORT):
        begin = np.r_[np.full(dimensions, length), _NOISY]
        found = optimize.minimize(
            misfit, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
        )
        tries.append(found)
    return min(tries, key=lambda found: found.fun).x


def log_expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """The logarithm of how far below `best` a score is expected to be, exact far away too (Ament et
    al., 2023).

    >>> mean, deviation = np.array([0.0, 50.0]), np.ones(2)
    >>> log_expected_improvement(mean, deviation, 0.0).round(3).tolist()  # log(0.3989), far away
    [-0.919, -1258.744]
    """
    z = (best - mean) / deviation
    # phi(z) + z Phi(z), with phi taken out where it vanishes; far away the rest of it is 1 / z^2.
    found = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    near, far = z > -1, z < -1e3
    between = ~(near | far)
    found[near] = np.log(np.exp(found[near]) + z[near] * ndtr(z[near]))
    left = -z[between]
    found[between] += np.log1p(-math.sqrt(math.pi / 2) * left * erfcx(left / math.sqrt(2)))
    found[far] -= 2 * np.log(-z[far])
    return found + np.log(deviation)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.maximum(0.0, found)


def _matern(squares: np.ndarray) -> np.ndarray:
    scaled = np.sqrt(5.0 * squares)
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
