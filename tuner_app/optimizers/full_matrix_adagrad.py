"""Full-matrix AdaGrad: steps scaled by the inverse root of the gradients' whole covariance.

For small problems whose parameters act on one another, and for teaching: what the diagonal rules
approximate. Keeps, for a tensor of n parameters, n numbers a parameter; about 10n² operations a
parameter and step, by an eigendecomposition. Tune the learning rate; for tensors of some hundred
parameters at most.
"""

import dataclasses
import math

import keras
import numpy as np
from keras import ops

from tuner_app.optimizers.matrix_sides import eigenpairs
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.step_work import StepWork


@dataclasses.dataclass(frozen=True)
class FullMatrixAdagradRule(Rule):
    """Full-matrix AdaGrad. Slot G: the sum of g gᵀ, n × n for a tensor of n numbers."""

    defaults = {"learning_rate": 0.01, "epsilon": 1e-6}
    ranges = {"learning_rate": Range(1e-3, 1.0), "epsilon": Range(1e-10, 1e-3)}
    # float32 holds the eigenvalues to 1e-7 of the largest, and so their roots to 3e-4 only.
    double = True

    def init_slots(self, param):
        n = math.prod(param.shape)
        return {"G": ops.zeros((n, n), dtype=param.dtype)}

    def work(self, shape):
        n = math.prod(shape)
        return StepWork(3.0 * n * n, ((n, 1.0),), matrices=2 * n * n)  # of float64

    def update(self, param, grad, slots, hyperparameters, step):
        g = ops.reshape(grad, (-1, 1))
        # G ← G + g gᵀ
        G = slots["G"] + g * ops.transpose(g)
        # G = V diag(λ) Vᵀ. A λ below rounding error may come out as 0 or negative, which would blow
        # up the rounding error of Vᵀg in its direction: it is raised to that error.
        eigenvalues, V = eigenpairs(G)
        precision = np.finfo(keras.backend.standardize_dtype(param.dtype)).eps
        eigenvalues = ops.maximum(eigenvalues, float(precision) * ops.max(eigenvalues))
        root = ops.sqrt(eigenvalues) + hyperparameters["epsilon"]
        # x ← x − α (εI + G^½)⁻¹ g
        direction = V @ ((ops.transpose(V) @ g) / ops.reshape(root, (-1, 1)))
        new = param - hyperparameters["learning_rate"] * ops.reshape(direction, param.shape)
        return new, {"G": G}


@keras.saving.register_keras_serializable(package="tuner_app")
class FullMatrixAdagrad(RuleOptimizer):
    """Full-matrix AdaGrad: G ← G + g gᵀ, x ← x − α (εI + G^½)⁻¹ g.

    Each variable has its own G, so the method is blind to correlations between two variables. A
    variable of n numbers keeps n² and costs n³ a step: it is for small models, up to a few hundred
    numbers a variable. For one number it is `Adagrad`.

    Args:
        learning_rate: α.
        epsilon: ε. Where the true gradient has no component (a softmax's bias along (1, …, 1)) it
            is all that holds rounding errors down: keep it well above 1e-7 of the gradient.

    >>> w = keras.Variable([4.0, -2.0])
    >>> optimizer = FullMatrixAdagrad(learning_rate=1.0)
    >>> for _ in range(50):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()).max() < 0.2)
    True

    Reference: J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", 2011.
    """

    rule = FullMatrixAdagradRule()
