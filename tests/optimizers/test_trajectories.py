"""Every rule against its equations in float64 NumPy: 100 steps, six problems, two float types."""

import numpy as np
import pytest

from tuner_app import optimizers

STEPS = 100
PROBLEMS = ["quadratic", "rosenbrock", "beale", "logistic", "least_squares", "booth"]
# float32 holds 6e-8 of a number; over 100 steps, and on curved problems, errors add up.
TOLERANCE = {"float64": 1e-6, "float32": 1e-4}


# Each reference takes one tensor x, its gradient g, its state s and the step t, and returns x.


def whole(reference):
    """Marks a reference that takes all tensors at once, and one state."""
    reference.whole = True
    return reference


def _flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors])


def _like(tensors, flat):
    ends = np.cumsum([np.size(tensor) for tensor in tensors])[:-1]
    parts = np.split(flat, ends)
    return [np.reshape(p, np.shape(like)) for p, like in zip(parts, tensors, strict=True)]


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


def nadamw(x, g, s, t, a):
    return nadam(x, g, s, t, a) - a * 0.004 * x


def adabound(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-8, ratio=5.0, gamma=0.01):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    eta = a * np.sqrt(1 - b2**t) / (1 - b1**t) / (np.sqrt(s["v"]) + eps)
    final = ratio * a
    bounds = final - final / (gamma * t + 1), final + final / (gamma * t)
    return x - np.clip(eta, *bounds) * s["m"]


def yogi(x, g, s, t, a, b1=0.9, b2=0.999, eps=1e-3, start=1e-6):
    s["m"] = b1 * s.get("m", start) + (1 - b1) * g
    v = s.get("v", start)
    s["v"] = v - (1 - b2) * np.sign(v - g**2) * g**2
    return x - a * s["m"] / (1 - b1**t) / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def adan(x, g, s, t, a, beta=(0.02, 0.08, 0.01), eps=1e-8, decay=0.02):
    """In the paper's own terms: its betas are one minus the shares kept."""
    b1, b2, b3 = beta
    change = g - s.get("g", g)
    s["m"] = (1 - b1) * s.get("m", 0) + b1 * g
    s["v"] = (1 - b2) * s.get("v", 0) + b2 * change
    s["n"] = (1 - b3) * s.get("n", 0) + b3 * (g + (1 - b2) * change) ** 2
    s["g"] = g
    m, v, n = (s[k] / (1 - (1 - b) ** t) for k, b in zip("mvn", beta, strict=True))
    return (x - a / (np.sqrt(n) + eps) * (m + (1 - b2) * v)) / (1 + decay * a)


def lars(x, g, s, t, a, rho=0.9, trust=0.02, decay=0.1):
    lengths = np.linalg.norm(np.ravel(x)), np.linalg.norm(np.ravel(g))
    local = trust * lengths[0] / (lengths[1] + decay * lengths[0])
    s["v"] = rho * s.get("v", 0) + a * local * (g + decay * x)
    return x - s["v"]


def signsgd(x, g, s, t, a):
    return x - a * np.sign(g)


def signum(x, g, s, t, a, rho=0.9):
    s["m"] = rho * s.get("m", 0) + (1 - rho) * g
    return x - a * np.sign(s["m"])


def ademamix(x, g, s, t, a, b1=0.9, b2=0.999, b3=0.9999, alpha=5.0, eps=1e-8, decay=0.004):
    s["1"] = b1 * s.get("1", 0) + (1 - b1) * g
    s["2"] = b3 * s.get("2", 0) + (1 - b3) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    fast, v = s["1"] / (1 - b1**t), s["v"] / (1 - b2**t)
    return x - a * ((fast + alpha * s["2"]) / (np.sqrt(v) + eps) + decay * x)


def adopt(x, g, s, t, a, b1=0.9, b2=0.9999, eps=1e-6):
    if t == 1:
        s["v"], s["m"] = g**2, 0
        return x
    scaled = g / np.maximum(np.sqrt(s["v"]), eps)
    s["m"] = b1 * s["m"] + (1 - b1) * np.clip(scaled, -((t - 1) ** 0.25), (t - 1) ** 0.25)
    s["v"] = b2 * s["v"] + (1 - b2) * g**2
    return x - a * s["m"]


def mars(x, g, s, t, a, b1=0.95, b2=0.99, eps=1e-8, gamma=0.3, decay=0.01):
    c = g + gamma * b1 / (1 - b1) * (g - s.get("g", g))
    s["g"] = g
    length = np.linalg.norm(np.ravel(c))
    return adam(x, c / length if length > 1 else c, s, t, a, b1, b2, eps, decay=decay)


@whole
def prodigy(xs, gs, s, t, a, b1=0.9, b2=0.999, eps=1e-8, d0=1e-2, decay=0.1):
    x, g = _flat(xs), _flat(gs)
    start, d = s.setdefault("start", x), s.get("d", d0)
    rate = a * np.sqrt(1 - b2**t) / (1 - b1**t)
    s["r"] = np.sqrt(b2) * s.get("r", 0) + rate * d**2 / d0 * (g @ (start - x))
    s["s"] = np.sqrt(b2) * s.get("s", 0) + rate * d**2 / d0 * g
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * d * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * (d * g) ** 2
    s["d"] = max(d, s["r"] / np.abs(s["s"]).sum())
    return _like(xs, x - rate * d * (decay * x + s["m"] / (np.sqrt(s["v"]) + d * eps)))


@whole
def d_adaptation(xs, gs, s, t, a, b1=0.9, b2=0.999, eps=1e-8, d0=1e-2):
    x, g = _flat(xs), _flat(gs)
    d, root = s.get("d", d0), np.sqrt(b2)
    rate = a * d * np.sqrt(1 - b2**t) / (1 - b1**t)
    ahead = g @ (s.get("s", 0 * g) / (np.sqrt(s.get("v", 0 * g)) + eps))
    s["r"] = root * s.get("r", 0) + (1 - root) * rate * ahead
    s["s"] = root * s.get("s", 0) + (1 - root) * rate * g
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * rate * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    s["d"] = max(d, s["r"] / ((1 - root) * np.abs(s["s"]).sum()))
    return _like(xs, x - s["m"] / (np.sqrt(s["v"]) + eps))


def schedule_free_sgd(y, g, s, t, a, beta=0.9, decay=0.1):
    """The paper's three sequences; with a constant rate c is 1/t."""
    z, x = s.get("z", y), s.get("x", y)
    s["z"] = z - a * (g + decay * y)
    s["x"] = (1 - 1 / t) * x + s["z"] / t
    return (1 - beta) * s["z"] + beta * s["x"]


def schedule_free_adamw(y, g, s, t, a, b2=0.999, eps=1e-8):
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    scaled = g / (np.sqrt(s["v"] / (1 - b2**t)) + eps)
    return schedule_free_sgd(y, scaled, s, t, a, decay=0.0)


def sophia(x, g, s, t, a, b1=0.965, b2=0.99, rho=0.5, eps=1e-15, decay=0.1, period=4):
    if t % period == 1:
        s["h"] = b2 * s.get("h", 0) + (1 - b2) * g**2
        return x
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    return x - a * decay * x - a * np.clip(s["m"] / np.maximum(rho * s["h"], eps), -1, 1)


def _root(M, eps, power):
    values, V = np.linalg.eigh(M + eps * np.eye(len(M)))
    return V @ np.diag(values**power) @ V.T


def shampoo(x, g, s, t, a, rho=0.9, eps=1e-2, period=3):
    G = g if np.ndim(g) == 2 else g[:, None]
    power = -1 / 4 if np.ndim(g) == 2 else -1 / 2
    s["L"], s["R"] = s.get("L", 0) + G @ G.T, s.get("R", 0) + G.T @ G
    if t % period == 1:
        s["roots"] = _root(s["L"], eps, power), _root(s["R"], eps, power)
    left, right = s["roots"]
    step = left @ G @ right if np.ndim(g) == 2 else left @ G
    s["v"] = rho * s.get("v", 0) + step.reshape(np.shape(x))
    return x - a * s["v"]


def soap(x, g, s, t, a, b1=0.95, b2=0.95, eps=1e-3, period=3):
    if np.ndim(g) < 2:
        return adam(x, g, s, t, a, b1, b2, eps)
    if t > 1:
        left, right = s["bases"]
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0) + (1 - b2) * (left.T @ g @ right) ** 2
        v = s["v"] / (1 - b2 ** (t - 1))
        scaled = (left.T @ s["m"] @ right) / (1 - b1 ** (t - 1)) / (np.sqrt(v) + eps)
        x = x - a * left @ scaled @ right.T
    s["L"] = b2 * s.get("L", 0) + (1 - b2) * g @ g.T
    s["R"] = b2 * s.get("R", 0) + (1 - b2) * g.T @ g
    if t == 1:
        s["bases"] = [np.linalg.eigh(s[side])[1] for side in "LR"]
    elif t % period == 1:
        for axis, side in enumerate("LR"):
            Q = s["bases"][axis]
            order = np.argsort(-np.diag(Q.T @ s[side] @ Q))
            s["bases"][axis] = np.linalg.qr(s[side] @ Q[:, order])[0]
            s["v"] = np.take(s["v"], order, axis)
    return x


def muon(x, g, s, t, a, mu=0.95, decay=0.01):
    if np.ndim(g) < 2:
        return adam(x, g, s, t, a, decay=decay)
    s["m"] = mu * s.get("m", 0) + g
    U, sigma, V = np.linalg.svd(g + mu * s["m"], full_matrices=False)
    sigma = sigma / np.sqrt((sigma**2).sum())  # the iteration acts on singular values alone
    for _ in range(5):
        sigma = 3.4445 * sigma - 4.775 * sigma**3 + 2.0315 * sigma**5
    return x - a * decay * x - a * 0.2 * np.sqrt(max(np.shape(x))) * (U * sigma) @ V


def cautious(x, g, s, t, a):
    u = x - momentum(x, g, s, t, a)
    mask = u * g > 0
    return x - u * mask * np.size(x) / (mask.sum() + 1)


def lookahead(x, g, s, t, a, slow_step=0.5, period=4):
    slow = s.setdefault("slow", x)
    x = momentum(x, g, s, t, a)
    if t % period == 0:
        x = s["slow"] = slow + slow_step * (x - slow)
    return x


@whole
def sam(xs, gs, s, t, a, radius=0.05, floor=None):
    """With momentum inside. `xs` is where the gradient was taken; the odd steps climb."""
    x, g = _flat(xs), _flat(gs)
    if t % 2 == 1:
        T = 1.0 if floor is None else np.abs(x) + floor
        s["base"] = x
        return _like(xs, x + radius * T**2 * g / np.linalg.norm(T * g))
    return _like(xs, momentum(s["base"], g, s, t, a))


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
    ("nadamw", {}, nadamw, {}, 0.05),
    ("adabound", {"final_ratio": 5.0, "gamma": 0.01}, adabound, {}, 0.05),
    ("yogi", {}, yogi, {}, 0.05),
    ("adan", {}, adan, {}, 0.05),
    ("lars", {"trust": 0.02, "weight_decay": 0.1}, lars, {}, 1.0),
    ("signsgd", {}, signsgd, {}, 0.001),
    ("signum", {}, signum, {}, 0.001),
    ("ademamix", {}, ademamix, {}, 0.05),
    ("adopt", {}, adopt, {}, 0.05),
    ("mars", {"gamma": 0.3}, mars, {}, 0.05),
    ("prodigy", {"initial_d": 1e-2, "weight_decay": 0.1}, prodigy, {}, 1.0),
    ("d_adaptation", {"initial_d": 1e-2}, d_adaptation, {}, 1.0),
    ("schedule_free_sgd", {"weight_decay": 0.1}, schedule_free_sgd, {}, 0.3),
    ("schedule_free_adamw", {}, schedule_free_adamw, {}, 0.05),
    ("sophia", {"rho": 0.5, "period": 4}, sophia, {}, 0.01),
    ("shampoo", {"epsilon": 1e-2, "period": 3}, shampoo, {}, 0.02),
    ("soap", {"epsilon": 1e-3, "period": 3, "weight_decay": 0.0}, soap, {}, 0.05),
    ("muon", {}, muon, {}, 0.05),
    ("cautious", {"inner": "momentum"}, cautious, {}, 0.05),
    ("lookahead", {"inner": "momentum", "period": 4}, lookahead, {}, 0.05),
    ("sam", {"inner": "momentum"}, sam, {}, 0.05),
    ("asam", {"inner": "momentum"}, sam, {"radius": 0.5, "floor": 0.01}, 0.05),
    ("swa", {"start": 10, "period": 3}, momentum, {}, 0.05),
]  # fmt: skip

# The rules above "nadamw" are those of the source notes: each is tried on every problem in both
# float types, by its first row. The other rows and rules are, to save time, tried on the problem
# that has a matrix and a vector; other tests compare them in float32.
# SOAP's steps depend on the eigenvectors that it is given where eigenvalues are equal, as those
# of a gradient without full rank are: 0.
ELSEWHERE = {"soap": ["matrix"]}
NAMES = [row[0] for row in METHODS]
FIRST = NAMES.index("nadamw")
CASES = [
    (*row, problems, dtype)
    for i, row in enumerate(METHODS)
    for everywhere in [i < FIRST and i == NAMES.index(row[0])]
    for problems in [PROBLEMS if everywhere else ELSEWHERE.get(row[0], ["logistic"])]
    for dtype in (TOLERANCE if everywhere else ["float64"])
]


def _size(point):
    return max(np.abs(x).max() for x in point)


def _label(value):
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(
    "name, arguments, reference, settings, rate, tried, dtype", CASES, ids=_label
)
def test_rule_follows_its_equations(
    name, arguments, reference, settings, rate, tried, dtype, problems, trajectories
):
    tried = [problems[name] for name in tried]
    rates = {problem.name: rate or problem.learning_rate for problem in tried}
    # A bias too is decayed by the references. The rate of each problem's variables is its own.
    optimizer = optimizers.get(name)(
        learning_rate=1.0, no_decay=(), learning_rate_multipliers=rates, **arguments
    )
    together = getattr(reference, "whole", False)
    expected = [problem.start for problem in tried]
    states = [[{} for _ in problem.start] for problem in tried]
    run = trajectories(optimizer, tried, STEPS, dtype)
    for step, points in enumerate(run, start=1):
        for i, problem in enumerate(tried):
            rate, gradients = rates[problem.name], problem.gradient(expected[i])
            if together:
                expected[i] = reference(
                    expected[i], gradients, states[i][0], step, rate, **settings
                )
            else:
                trio = zip(expected[i], gradients, states[i], strict=True)
                expected[i] = [reference(x, g, s, step, rate, **settings) for x, g, s in trio]
            # Relative to the point as a whole: one coordinate may well pass through zero.
            difference = [v - x for v, x in zip(points[i], expected[i], strict=True)]
            error = _size(difference) / _size(expected[i])
            assert error < TOLERANCE[dtype], f"{problem.name}, step {step}: {error:.1e}"


def test_every_rule_is_in_the_table():
    tested = {optimizers.get(row[0]) for row in METHODS}
    public = {getattr(optimizers, name) for name in optimizers.__all__}
    rules = {c for c in public if isinstance(c, type) and issubclass(c, optimizers.RuleOptimizer)}
    assert rules - {optimizers.RuleOptimizer} == tested


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_nesterov_evaluates_at_the_point_its_textbook_calls_x(problems, trajectories, dtype):
    tried = [problems[name] for name in PROBLEMS]
    rates = {problem.name: problem.learning_rate for problem in tried}
    optimizer = optimizers.Nesterov(1.0, rho=0.7, learning_rate_multipliers=rates)
    y, states = [p.start for p in tried], [[{} for _ in p.start] for p in tried]
    run = trajectories(optimizer, tried, 10, dtype, evaluated=True)
    for _ in range(10):
        points = next(run)
        for i, problem in enumerate(tried):
            trio = zip(y[i], problem.gradient(y[i]), states[i], strict=True)
            y[i] = [nesterov(*args, 0, rates[problem.name], 0.7) for args in trio]
    for i in range(len(tried)):
        x = [state["x"] for state in states[i]]
        off = _size([a - b for a, b in zip(points[i], x, strict=True)])
        assert off < TOLERANCE[dtype] * _size(x)
        # The two points are apart, so the line above says something.
        apart = _size([a - b for a, b in zip(y[i], x, strict=True)])
        assert apart > 5 * TOLERANCE[dtype] * _size(x)
