"""Muon: momentum whose every matrix step is made orthogonal; AdamW for the rest.

For the hidden matrices and convolutions of a net, transformers above all, where it needs about
half of AdamW's steps. Keeps 1 number a parameter of a matrix and 2 of the rest; about 30 min(m, n)
operations a parameter of an m × n matrix and step. Tune the learning rate and decay as AdamW's:
the steps are as long as its. Name the output layer in `exclude`.
"""

import dataclasses
import math
import re

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.matrix_sides import matrix_shape
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.step_work import StepWork


@dataclasses.dataclass(frozen=True)
class MuonRule(Rule):
    """Muon for a matrix. Slot m: the momentum. `rule_for` gives the rest to Adam."""

    exclude: str = "embedding"
    iterations: int = 5

    defaults = AdamRule.defaults | {"momentum": 0.95, "weight_decay": 0.01}
    ranges = {
        "learning_rate": Range(1e-4, 1e-1),
        "momentum": Range(0.8, 0.98, "linear"),
        "weight_decay": Range(1e-5, 1e-1),
    }
    fractions = AdamRule.fractions | {"momentum"}

    def rule_for(self, path, shape):
        if len(shape) < 2 or (self.exclude and re.search(self.exclude, path)):
            return AdamRule()
        return self

    def init_slots(self, param):
        return {"m": ops.zeros_like(param)}

    def work(self, shape):
        return orthogonal_work(*matrix_shape(shape), self.iterations)

    def update(self, param, grad, slots, hyperparameters, step):
        mu = hyperparameters["momentum"]
        # m ← μ m + g;  O = orthogonal(g + μ m)
        m = mu * slots["m"] + grad
        rows, columns = matrix_shape(param.shape)
        direction = orthogonal(ops.reshape(grad + mu * m, (rows, columns)), self.iterations)
        # x ← x − 0.2 √max(rows, columns) α O
        length = 0.2 * math.sqrt(max(rows, columns))
        step_size = hyperparameters["learning_rate"] * length
        return param - step_size * ops.reshape(direction, param.shape), {"m": m}


def orthogonal(G, iterations):
    """Roughly U Vᵀ of G = U S Vᵀ: Newton and Schulz's iteration, with Jordan's coefficients."""
    wide = G.shape[0] <= G.shape[1]
    X = G if wide else ops.transpose(G)
    X = X / (ops.sqrt(ops.sum(X * X)) + 1e-7)
    for _ in range(iterations):
        # X ← 3.4445 X − 4.7750 (X Xᵀ) X + 2.0315 (X Xᵀ)² X
        A = X @ ops.transpose(X)
        X = 3.4445 * X + (-4.7750 * A + 2.0315 * (A @ A)) @ X
    return X if wide else ops.transpose(X)


def orthogonal_work(rows, columns, iterations):
    """Of `orthogonal`: X Xᵀ, its square, and the product with X."""
    n, m = sorted((rows, columns))
    return StepWork(float(iterations * (2 * n * n * m + n**3)))


@keras.saving.register_keras_serializable(package="tuner_app")
class Muon(RuleOptimizer):
    """Muon: m ← μ m + g, x ← x − 0.2 √max(rows, columns) α orthogonal(g + μ m), for matrices.

    `orthogonal` brings all singular values to about 1, by five steps of Newton and Schulz's
    iteration. The factor 0.2 √max is Liu et al.'s: with it one learning rate and decay serve
    matrices and the rest, to which `Adam`'s update goes: vectors, and what `exclude` names. A
    convolution is a matrix of its last dimension by the others. The computation is in float32,
    where the author's is in bfloat16.

    Args:
        learning_rate: α.
        momentum: μ.
        beta_1, beta_2, epsilon: Adam's, for the rest.
        weight_decay: λ, decoupled, for all.
        exclude: a regular expression: variables whose path contains it are left to Adam. The author
            leaves embeddings and the output layer to it.
        iterations: of Newton and Schulz.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Muon(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    References: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024;
    J. Liu et al., "Muon is Scalable for LLM Training", 2025.
    """

    rule = MuonRule()
