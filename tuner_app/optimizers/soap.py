"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's matrices.

For large-batch training of transformers and other nets of matrices: fewer steps than AdamW, less
to tune than Shampoo. Keeps, for an m × n matrix, 2 numbers a parameter and 2m² + 2n² more; about
6(m + n) operations a parameter and step, and an eigendecomposition of both sides every 10 steps.
Tune the learning rate and decay as AdamW's.
"""

import dataclasses
import functools
import math

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
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
class SOAPRule(Rule):
    """SOAP. Slots m, v (in the eigenbasis), L, R: means of G Gᵀ and Gᵀ G, and their bases Q."""

    period: int = 10
    max_size: int = 1024

    defaults = {
        "learning_rate": 0.003,
        "beta_1": 0.95,
        "beta_2": 0.95,
        "epsilon": 1e-8,
        "weight_decay": 0.01,
    }
    ranges = AdamRule.ranges | {"weight_decay": Range(1e-5, 1e-1)}
    fractions = AdamRule.fractions

    def init_slots(self, param):
        slots = {"m": ops.zeros_like(param), "v": ops.zeros_like(param)}
        for side in self._sides(param.shape):
            n = size(param.shape, side)
            slots[side] = ops.zeros((n, n), dtype=param.dtype)
            slots[f"{side}_basis"] = ops.eye(n, dtype=param.dtype)
        return slots

    def _sides(self, shape):
        # The paper leaves vectors to Adam.
        return sides(shape, self.max_size) if len(shape) > 1 else ()

    def work(self, shape):
        found = StepWork()
        for n in (size(shape, side) for side in self._sides(shape)):
            # The outer product and three turns; M Q and its QR decomposition, about 3 products.
            products = 4 * n * math.prod(shape) + 4 * n**3 / self.period
            found += StepWork(products, first_eigen=(n,), matrices=2 * n * n)
        return found

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        shape, new = matrix_shape(param.shape), {}
        G = ops.reshape(grad, shape)
        both = self._sides(param.shape)
        bases = {side: slots[f"{side}_basis"] for side in both}
        # With matrices the first step only fills them: no gradient is turned by a basis of itself.
        first = step < 1.5 if both else step < 0.5
        t = ops.maximum(step - 1, 1.0) if both else step
        # m ← β₁ m + (1 − β₁) G;  m' and G' are Q_Lᵀ · Q_R;  v ← β₂ v + (1 − β₂) G'²
        m = beta_1 * slots["m"] + (1 - beta_1) * grad
        turned = _turn(G, bases)
        v = beta_2 * ops.reshape(slots["v"], shape) + (1 - beta_2) * turned * turned
        # x ← x − α Q_L (m̂' / (√v̂ + ε)) Q_Rᵀ
        m_hat = _turn(ops.reshape(m, shape), bases) / (1 - beta_1**t)
        scaled = m_hat / (ops.sqrt(v / (1 - beta_2**t)) + hyperparameters["epsilon"])
        direction = ops.reshape(_turn_back(scaled, bases), param.shape)
        moved = param - hyperparameters["learning_rate"] * direction
        for side in both:
            # L ← β₂ L + (1 − β₂) G Gᵀ
            new[side] = beta_2 * slots[side] + (1 - beta_2) * outer(G, side)
            new[f"{side}_basis"], v = self._basis(new[side], bases[side], v, side, step)
        new["m"] = ops.where(first, slots["m"], m)
        new["v"] = ops.where(first, slots["v"], ops.reshape(v, param.shape))
        return ops.where(first, param, moved), new

    def _basis(self, M, Q, v, side, step):
        """The next basis of a side, and v in it; both as they are in most steps."""

        refined = functools.partial(_refined, side=side)

        def turned(M, Q, v, step):
            return rarely(step < 1.5, _started, refined, M, Q, v)

        if self.period == 1:
            return turned(M, Q, v, step)
        due = ops.mod(step - 1, self.period) < 0.5
        return rarely(due, turned, _kept, M, Q, v, step)


def _started(M, Q, v):
    return eigenpairs(M)[1], v


def _kept(M, Q, v, step):
    return Q, v


def _refined(M, Q, v, side):
    """One step of power iteration, Q ← QR(M Q), its columns in falling order of QᵀMQ; and v so."""
    MQ = M @ Q
    order = ops.argsort(-ops.sum(Q * MQ, axis=0))
    return ops.linalg.qr(ops.take(MQ, order, axis=1))[0], ops.take(v, order, axis="LR".index(side))


def _turn(G, bases):
    """Q_Lᵀ G Q_R."""
    if not bases:
        return G
    turned = ops.transpose(bases["L"]) @ G if "L" in bases else G
    turned = turned @ bases["R"] if "R" in bases else turned
    # What is 0 but for rounding must stay 0 (directions that G lacks, as an embedding's does):
    # divided by its own root mean square it would be a step of full length.
    least = 8 * digits(G) * ops.sqrt(ops.sum(turned * turned))
    return ops.where(ops.abs(turned) <= least, ops.zeros_like(turned), turned)


def _turn_back(G, bases):
    """Q_L G Q_Rᵀ."""
    G = bases["L"] @ G if "L" in bases else G
    return G @ ops.transpose(bases["R"]) if "R" in bases else G


@keras.saving.register_keras_serializable(package="tuner_app")
class SOAP(RuleOptimizer):
    """SOAP: Adam on Q_Lᵀ G Q_R, where Q_L and Q_R are eigenvectors of the means of G Gᵀ and Gᵀ G.

    x ← x − α Q_L (m̂'/(√v̂ + ε)) Q_Rᵀ with m' = Q_Lᵀ m Q_R and v the mean of (Q_Lᵀ G Q_R)². The
    first step only fills the matrices and takes their eigenvectors. After it, the first of every
    `period` steps turns the bases by one step of power iteration, Q ← QR(L Q), as in the paper's
    Algorithm 4, and v goes with its columns, as in the authors' code. A tensor of more dimensions
    is a matrix of its last dimension by the others; a side longer than `max_size` is not turned; a
    vector's rule is Adam. What the turned gradient holds below 8 times the float type's rounding
    counts as 0: nothing moves along a direction without a gradient. The gradient comes before the
    decay in the authors' code, and after it here: a difference of α²λ.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of v, L and R kept at each step.
        epsilon: ε.
        weight_decay: λ, decoupled.
        period: steps from one turn of the bases to the next.
        max_size: the longest side that is turned.

    >>> w = keras.Variable([4.0])
    >>> optimizer = SOAP(learning_rate=0.3)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024.
    """

    rule = SOAPRule()
