"""Shampoo: each side of a weight matrix scaled by a root of its gradients' covariance.

For dense and convolutional nets where fewer steps are worth costlier ones; the base of AlgoPerf's
fastest entry. Keeps, for an m × n matrix, 1 number a parameter and 2m² + 2n² more; about 2(m + n)
operations a parameter and step, and an eigendecomposition of both sides every 10 steps. Tune the
learning rate, then epsilon and rho.
"""

import dataclasses
import functools
import math

import keras
from keras import ops

from tuner_app.optimizers.matrix_sides import (
    digits,
    eigenpairs,
    matrix_shape,
    outer,
    sides,
    size,
)
from tuner_app.optimizers.rarely import rarely
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.step_work import StepWork


@dataclasses.dataclass(frozen=True)
class ShampooRule(Rule):
    """Shampoo. Slots L and R: εI plus the sums of G Gᵀ and Gᵀ G, their roots, and the velocity."""

    period: int = 10
    max_size: int = 1024

    # Roots of one batch serve for `period` steps. A tiny ε lengthens what that batch did not show,
    # by up to 1/√ε, and training may diverge, as it may at a rate of 0.1.
    defaults = {"learning_rate": 0.01, "rho": 0.9, "epsilon": 1e-2}
    ranges = {
        "learning_rate": Range(1e-3, 1.0),
        "rho": Range(0.0, 0.98, "linear"),
        "epsilon": Range(1e-8, 1e-1),
    }
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        slots = {"velocity": ops.zeros_like(param)}
        for side in sides(param.shape, self.max_size):
            n = size(param.shape, side)
            slots[side] = ops.zeros((n, n), dtype=param.dtype)
            slots[f"{side}_root"] = ops.eye(n, dtype=param.dtype)
        return slots

    def work(self, shape):
        found, both = StepWork(), sides(shape, self.max_size)
        for n in (size(shape, side) for side in both):
            # The outer product and the scaling; V diag(λ) Vᵀ.
            products = 2 * n * math.prod(shape) + n**3 / self.period
            found += StepWork(products, ((n, 1 / self.period),), matrices=2 * n * n)
        return found

    def update(self, param, grad, slots, hyperparameters, step):
        new = {}
        direction = ops.reshape(grad, matrix_shape(param.shape))
        G = direction
        both = sides(param.shape, self.max_size)
        for side in both:
            # L ← L + G Gᵀ;  R ← R + Gᵀ G, which start at 0 here: ε I is added for the root
            new[side] = slots[side] + outer(G, side)

            # the root −1/(2k), for k sides: (εI + L)^−¼ for a matrix
            values = (new[side], slots[f"{side}_root"], hyperparameters["epsilon"])
            fresh, kept = functools.partial(_fresh, 2 * len(both)), _kept
            if self.period == 1:
                root = fresh(*values)
            else:
                root = rarely(ops.mod(step - 1, self.period) < 0.5, fresh, kept, *values)
            new[f"{side}_root"] = root
            direction = root @ direction if side == "L" else direction @ root
        # v ← ρ v + L^−¼ G R^−¼;  x ← x − α v
        direction = ops.reshape(direction, param.shape)
        velocity = hyperparameters["rho"] * slots["velocity"] + direction
        return param - hyperparameters["learning_rate"] * velocity, new | {"velocity": velocity}


def _fresh(p, M, root, epsilon):
    return _inverse_root(M, epsilon, p)


def _kept(M, root, epsilon):
    return root


def _inverse_root(M, epsilon, p):
    """(εI + M)^(−1/p) for a positive semidefinite M."""
    eigenvalues, V = eigenpairs(M)
    # What rounding leaves of an eigenvalue far below the largest is noise, or negative, and its
    # root would be far too long a step: it counts as the least that the float type can tell.
    least = M.shape[0] * digits(M) * ops.max(eigenvalues)
    return (V * (ops.maximum(eigenvalues, least) + epsilon) ** (-1.0 / p)) @ ops.transpose(V)


@keras.saving.register_keras_serializable(package="tuner_app")
class Shampoo(RuleOptimizer):
    """Shampoo: L ← L + G Gᵀ, R ← R + Gᵀ G, v ← ρ v + L^−¼ G R^−¼, x ← x − α v.

    L and R start at εI. A tensor of more dimensions is a matrix of its last dimension by the
    others, as most implementations have it (the paper gives each dimension a matrix); a vector has
    one side and the root −½. A side longer than `max_size` is left as it is. The roots are computed
    anew in the first of every `period` steps; with 1 it is the paper's Algorithm 1, to which ρ adds
    the momentum of its experiments.

    Args:
        learning_rate: α.
        rho: ρ, the share of the velocity kept at each step.
        epsilon: ε; in float32 well above 1e-7 of the gradients' squared norm, and the larger, the
            longer the period: a direction that the last roots had no gradient in is lengthened by
            up to 1/√ε.
        period: steps from one computation of the roots to the next.
        max_size: the longest side that is scaled.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Shampoo(learning_rate=1.0, rho=0.0, period=1)
    >>> for _ in range(20):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    Reference: V. Gupta, T. Koren, Y. Singer, "Shampoo: Preconditioned Stochastic Tensor
    Optimization", 2018.
    """

    rule = ShampooRule()
