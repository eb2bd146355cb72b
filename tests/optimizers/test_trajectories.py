"""Every rule against its equations in float64 NumPy: 100 steps, six problems, two float types."""

import numpy as np
import pytest

from tuner_app import optimizers

STEPS = 100
# float32 holds 6e-8 of a number; over 100 steps, and on curved problems, errors add up.
TOLERANCE = {"float64": 1e-6, "float32": 1e-4}


# Each reference takes one tensor x, its gradient g, its state s and the step t, and returns x.


def sgd(x, g, s, t, a):
    return x - a * g


def momentum(x, g, s, t, a, rho=0.9):
    s["v"] = rho * s.get("v", 0) + g
    return x - a * s["v"]


def nesterov(y, g, s, t, a, rho=0.9):
    """The textbook form, on x and v: g is the gradient at y = x − αρv, and y is returned."""
    s["v"] = rho * s.get("v", 0) + g
    s["x"] = s.get("x", y) - a * s["v"]
    return s["x"] - a * rho * s["v"]


def adagrad(x, g, s, t, a, eps=1e-7, start=0.0):
    s["s"] = s.get("s", start) + g**2
    return x - a * g / (np.sqrt(s["s"]) + eps)


def full_matrix_adagrad(x, g, s, t, a, eps=1e-7):
    """The inverse root on the span of the gradients, by a singular value decomposition of them.

    A softmax's bias has a gradient of exactly zero along (1, 1, 1), of which float32 leaves 1e-8;
    only an ε well above that makes the step there a matter of the equations.
    """
    s.setdefault("gradients", []).append(np.ravel(g))
    U, sigma, _ = np.linalg.svd(np.stack(s["gradients"], axis=1), full_matrices=False)
    span = sigma > 1e-13 * sigma.max()
    U, sigma = U[:, span], sigma[span]  # G^½ = U diag(σ) Uᵀ
    return x - a * np.reshape(U @ ((U.T @ np.ravel(g)) / (sigma + eps)), np.shape(x))


def rmsprop(x, g, s, t, a, rho=0.9, eps=1e-7):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g**2
    return x - a * g / (np.sqrt(s["s"]) + eps)


def adadelta(x, g, s, t, a, rho=0.95, eps=1e-6):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g**2
    delta = np.sqrt(s.get("d", 0) + eps) / np.sqrt(s["s"] + eps) * g
    s["d"] = rho * s.get("d", 0) + (1 - rho) * delta**2
    return x - a * delta


def adam(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-8, inside=False, l2=0.0, decay=0.0):
    g = g + l2 * x
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    m_hat, v_hat = s["m"] / (1 - b1**t), s["v"] / (1 - b2**t)
    root = np.sqrt(v_hat + eps) if inside else np.sqrt(v_hat) + eps
    return x - a * decay * x - a * m_hat / root


def lion(x, g, s, t, a, b1=0.9, b2=0.99):
    m = s.get("m", 0)
    s["m"] = b2 * m + (1 - b2) * g
    return x - a * np.sign(b1 * m + (1 - b1) * g)


def amsgrad(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-8):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    s["largest"] = np.maximum(s.get("largest", 0), s["v"])
    root = np.sqrt(s["largest"] / (1 - b2**t))
    return x - a * s["m"] / (1 - b1**t) / (root + eps)


def nadam(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-8):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    m_hat = b1 * s["m"] / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
    return x - a * m_hat / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def radam(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-8):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    m_hat, longest = s["m"] / (1 - b1**t), 2 / (1 - b2) - 1
    rho = longest - 2 * t * b2**t / (1 - b2**t)
    if rho < 5:
        return x - a * m_hat
    r = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    return x - a * r * m_hat / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def lamb(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-6):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    r = s["m"] / (1 - b1**t) / (np.sqrt(s["v"] / (1 - b2**t)) + eps)
    norms = np.linalg.norm(np.ravel(x)), np.linalg.norm(np.ravel(r))
    return x - a * (norms[0] / norms[1] if min(norms) > 0 else 1.0) * r


def adabelief(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-16):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["s"] = b2 * s.get("s", 0) + (1 - b2) * (g - s["m"]) ** 2 + eps
    return x - a * s["m"] / (1 - b1**t) / (np.sqrt(s["s"] / (1 - b2**t)) + eps)


# optimizer, its arguments, reference, its arguments, learning rate (None: the problem's own)
METHODS = [
    ("sgd", {}, sgd, {}, None),
    ("sgd", {"weight_decay": 0.1}, lambda x, g, s, t, a: x - a * 0.1 * x - a * g, {}, None),
    ("sgd", {"l2": 0.1}, lambda x, g, s, t, a: x - a * (g + 0.1 * x), {}, None),
    ("momentum", {"rho": 0.7}, momentum, {"rho": 0.7}, None),
    ("nesterov", {"rho": 0.7}, nesterov, {"rho": 0.7}, None),
    ("adagrad", {}, adagrad, {}, 0.3),
    ("adagrad", {"initial_accumulator": 0.1}, adagrad, {"start": 0.1}, 0.3),
    ("full_matrix_adagrad", {"epsilon": 1e-3}, full_matrix_adagrad, {"eps": 1e-3}, 0.5),
    ("rmsprop", {}, rmsprop, {}, 0.001),
    ("adadelta", {}, adadelta, {}, 1.0),
    ("adam", {}, adam, {}, 0.05),
    ("adam", {"beta_1": 0.8, "beta_2": 0.95}, adam, {"b1": 0.8, "b2": 0.95}, 0.05),
    ("adam", {"epsilon_inside_root": True}, adam, {"inside": True}, 0.05),
    ("adam", {"l2": 0.1}, adam, {"l2": 0.1}, 0.05),
    ("adamw", {"weight_decay": 0.1}, adam, {"decay": 0.1}, 0.05),
    ("lion", {}, lion, {}, 0.001),
    ("amsgrad", {}, amsgrad, {}, 0.05),
    ("nadam", {}, nadam, {}, 0.05),
    ("radam", {"beta_2": 0.9}, radam, {"b2": 0.9}, 1e-3),
    ("lamb", {}, lamb, {}, 0.01),
    ("adabelief", {}, adabelief, {}, 0.01),
]  # fmt: skip


def _size(point):
    return max(np.abs(x).max() for x in point)


def _label(value):
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name, arguments, reference, settings, rate", METHODS, ids=_label)
def test_rule_follows_its_equations(
    name, arguments, reference, settings, rate, problem, trajectory, dtype
):
    rate = rate or problem.learning_rate
    optimizer = optimizers.get(name)(learning_rate=rate, **arguments)
    expected, states = problem.start, [{} for _ in problem.start]
    run = trajectory(optimizer, problem, STEPS, dtype)
    for step, variables in enumerate(run, start=1):
        gradients = problem.gradient(expected)
        expected = [
            reference(x, g, state, step, rate, **settings)
            for x, g, state in zip(expected, gradients, states, strict=True)
        ]
        # Relative to the point as a whole: one coordinate may well pass through zero.
        difference = [v.numpy() - x for v, x in zip(variables, expected, strict=True)]
        error = _size(difference) / _size(expected)
        assert error < TOLERANCE[dtype], f"step {step}: {error:.1e}"


def test_every_rule_is_in_the_table():
    tested = {optimizers.get(row[0]) for row in METHODS}
    public = {getattr(optimizers, name) for name in optimizers.__all__}
    rules = {c for c in public if isinstance(c, type) and issubclass(c, optimizers.RuleOptimizer)}
    assert rules - {optimizers.RuleOptimizer} == tested


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_nesterov_evaluates_at_the_point_its_textbook_calls_x(problem, trajectory, dtype):
    optimizer = optimizers.Nesterov(learning_rate=problem.learning_rate, rho=0.7)
    y, states = problem.start, [{} for _ in problem.start]
    run = trajectory(optimizer, problem, 10, dtype)
    for _ in range(10):
        variables = next(run)
        gradients = problem.gradient(y)
        y = [
            nesterov(*args, 0, problem.learning_rate, 0.7)
            for args in zip(y, gradients, states, strict=True)
        ]
    x = [state["x"] for state in states]
    ours = [np.asarray(optimizer.eval_param(variable)) for variable in variables]
    assert _size([a - b for a, b in zip(ours, x, strict=True)]) < TOLERANCE[dtype] * _size(x)
    # The two points are apart, so the line above says something.
    assert _size([a - b for a, b in zip(y, x, strict=True)]) > 5 * TOLERANCE[dtype] * _size(x)
