"""Checks of a model of the space, with its default hyperparameters, on a part of the data."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from tuner_app import gradients
from tuner_app.answers.checking import baselines, rate_test
from tuner_app.answers.checking.data_checks import Split
from tuner_app.answers.checking.finding import Finding, graded
from tuner_app.answers.checking.scores import accuracy, compiled_loss, data_loss

BATCH = 256  # examples for the loss at initialization
TINY = 16  # examples that a model must be able to learn by heart
TINY_STEPS = 500
GRADIENT_EXAMPLES = 6


def model_findings(
    build: Callable[[], keras.Model],
    train: Split,
    validation: Split,
    spec: Any,
    *,
    epochs: int = 5,
    batch_size: int = 32,
    seed: int = 0,
) -> Iterator[Finding | rate_test.RateTest]:
    """Every check of the model; among the findings, the learning-rate range test's curve.

    Args:
        build: Makes a new compiled model with the space's defaults.
        epochs: How long the model is trained to be compared with the baselines.
    """

    def fresh() -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = build()
        if not model.built:
            model.build((None, *spec.input_shape))
        # A few hundred steps each: XLA would compile for longer than they take.
        model.jit_compile = False
        return model

    yield attempted("loss at initialization", lambda: initial_loss(fresh(), train, spec))
    yield attempted("gradient check", lambda: gradient_of(fresh(), train, seed))
    yield attempted("tiny subset learnt by heart", lambda: tiny_subset(fresh(), train, spec))
    tested = attempted(
        "learning-rate range test", lambda: rate_test.rate_test(fresh(), train, batch_size, seed)
    )
    yield tested
    if isinstance(tested, rate_test.RateTest):
        yield rate_finding(tested)

    def compared() -> Finding:
        linear = baselines.linear_baseline(train, validation, spec)
        random = baselines.random_weights(fresh(), train, validation, spec, seed)
        given = (train, validation, spec, linear, random, epochs, batch_size)
        return baselines.against_baselines(fresh(), *given)

    yield attempted("baselines", compared)


def attempted(check: str, action: Callable[[], Any]) -> Any:
    """What a check gives, or a failure where the model can't be built, run or trained."""
    try:
        return action()
    except Exception as error:  # whatever a user's model raises
        said = (str(error).strip().splitlines() or ["no message"])[0]
        return Finding(
            check,
            "fail",
            f"{type(error).__name__}: {said}",
            "The model can't do this: mend it first.",
        )


def initial_loss(model: keras.Model, train: Split, spec: Any) -> Finding:
    """The loss before training is that of a guess: ln of the classes, or the targets' variance."""
    x, y = (part[:BATCH] for part in train)
    loss = data_loss(model, x, y)
    if spec.task == "classification":
        expected, theory = math.log(spec.num_classes), f"ln {spec.num_classes}"
    else:
        expected, theory = float(np.mean(y.astype("float64") ** 2)), "the targets' mean square"
    penalty = float(sum(keras.ops.convert_to_numpy(p) for p in model.losses))
    found = f"{loss:.3f}, where {theory} = {expected:.3f} is expected"
    found += f"; penalties add {penalty:.3g}" if penalty else ""
    far = not math.isfinite(loss) or loss > 3 * expected
    return graded(
        "loss at initialization",
        found,
        fail="The first predictions are far off: look at the scale of the features and of the "
        "initial weights, and whether the loss takes logits."
        if far
        else "",
        warn="The first predictions are surer than a guess: look at the scale of the last layer's "
        "initial weights."
        if loss > 1.5 * expected
        else "The first predictions are better than a guess: do the features hold the answer, or "
        "is the loss not the one you think?"
        if loss < 0.5 * expected
        else "",
    )


def gradient_of(model: keras.Model, train: Split, seed: int) -> Finding:
    """The gradient of the loss, penalties included, agrees with differences for every variable."""
    x, y = (part[:GRADIENT_EXAMPLES] for part in train)
    sharp, why = in_float64(model)
    checked = model if sharp is None else sharp
    reports = gradients.check_model_gradient(
        checked, compiled_loss(model), x, y, numbers_per_variable=8, seed=seed
    )
    worst = max(reports, key=lambda report: report.relative_error)
    found = (
        f"{len(reports)} variables; the largest relative error, of {worst.name}, is "
        f"{worst.relative_error:.1e} in {'float64' if sharp is not None else f'float32 ({why})'}"
    )
    wrong = [report.name for report in reports if not report.ok]
    clearly = [report.name for report in reports if report.relative_error > 1e-2 and not report.ok]
    return graded(
        "gradient check",
        found,
        fail=f"The gradient of {', '.join(clearly[:3])} is wrong: look at custom layers and losses."
        if clearly
        else "",
        warn="Small disagreements come from kinks (ReLU, hinge) near a weight; larger ones from a "
        "wrong gradient."
        if wrong
        else "",
    )


def in_float64(model: keras.Model) -> tuple[keras.Model | None, str]:
    """A copy of a model that computes in float64; None, and why, where there can't be one."""

    def layer_in_float64(layer):
        config = layer.get_config()
        if "dtype" in config and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = "float64"
        return type(layer).from_config(config)

    try:
        # One tensor, not a list or a dictionary of one: examples are given so.
        plain = keras.Model(*(p[0] if len(p) == 1 else p for p in (model.inputs, model.outputs)))
        copy = keras.models.clone_model(plain, clone_function=layer_in_float64)
        copy.set_weights(model.get_weights())
        return copy, ""
    except Exception as error:  # whatever a custom layer makes of it
        return None, f"no float64 copy: {type(error).__name__}"


def tiny_subset(model: keras.Model, train: Split, spec: Any) -> Finding:
    """A few examples can be learnt by heart, as any model that trains at all should."""
    x, y = _spread(train, spec, TINY)
    repeated = 50
    loss = score = math.inf
    for _ in range(TINY_STEPS // repeated):
        model.fit(
            np.concatenate([x] * repeated),
            np.concatenate([y] * repeated),
            batch_size=len(y),
            shuffle=False,
            verbose=0,
        )
        loss = data_loss(model, x, y)
        outputs = keras.ops.convert_to_numpy(model(x, training=False))
        right = accuracy(model, outputs, y) if spec.task == "classification" else None
        score = loss if right is None else 1 - right
        if (right == 1.0 and loss < 0.1) or (right is None and loss < 0.02):
            break
    learnt = score == 0.0 if spec.task == "classification" else loss < 0.1
    found = f"{len(y)} examples in at most {TINY_STEPS} steps: loss {loss:.3g}"
    found += f", {1 - score:.0%} right" if spec.task == "classification" else ""
    nowhere = not math.isfinite(loss)
    return graded(
        "tiny subset learnt by heart",
        found,
        fail="The loss is no number: lower the learning rate, look at the loss." if nowhere else "",
        warn="With the default hyperparameters it can't: the model is too small for it, the "
        "rate too low, the penalties too strong, or the labels do not go with the examples."
        if not learnt
        else "",
    )


def rate_finding(tested: rate_test.RateTest) -> Finding:
    """What the learning-rate range test says, in words."""
    if tested.suggested is None:
        return Finding(
            "learning-rate range test",
            "warn",
            f"none from {rate_test.LOWEST:.0e} to {rate_test.HIGHEST:.0e} lowers the loss",
            "Look at the other checks first; then try a longer range.",
        )
    found = f"the loss falls fastest at {tested.steepest:.1e}"
    if tested.diverges is not None:
        found += f" and diverges from {tested.diverges:.1e}"
    return graded(
        "learning-rate range test", f"{found}; try about {tested.suggested:.1e}, and around it"
    )


def _spread(train: Split, spec: Any, count: int) -> Split:
    """A few examples, of as many classes as there can be."""
    x, y = train
    if spec.task != "classification":
        return x[:count], y[:count]
    order = np.argsort(y, kind="stable")
    place = np.empty(len(y), int)  # each example's place within its class
    starts = np.searchsorted(y[order], np.arange(spec.num_classes))
    place[order] = np.arange(len(y)) - starts[y[order]]
    chosen = np.argsort(place, kind="stable")[:count]
    return x[chosen], y[chosen]
