"""What a model must beat: a constant answer, random weights, and a linear model."""

import warnings
from typing import Any

import keras
import numpy as np

from tuner_app.answers.checking.data_checks import Split
from tuner_app.answers.checking.finding import Finding, graded
from tuner_app.answers.checking.scores import compiled_loss, score
from tuner_app.random_weights import random_search_model

BATCH = 256  # examples for the random weights
TRIES = 50  # of random weights


def linear_baseline(train: Split, validation: Split, spec: Any) -> float:
    """The validation score of a linear model on the features: accuracy, or mean squared error."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    x, y = train[0].reshape(len(train[0]), -1)[:5000], np.ravel(train[1])[:5000]
    other, truth = validation[0].reshape(len(validation[0]), -1), np.ravel(validation[1])
    if spec.task == "classification":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline need not be exact
            model = LogisticRegression(max_iter=200).fit(x, y)
        return float((model.predict(other) == truth).mean())
    return float(np.mean((Ridge().fit(x, y).predict(other) - truth) ** 2))


def random_weights(
    model: keras.Model, train: Split, validation: Split, spec: Any, seed: int
) -> float:
    """The validation score of the best of many random weights: what no training reaches."""
    x, y = (part[:BATCH] for part in train)
    scale = float(np.mean([v.numpy().std() for v in model.trainable_variables])) or 0.1
    random_search_model(model, compiled_loss(model), x, y, tries=TRIES, scale=scale, seed=seed)
    return score(model, validation, spec)


def against_baselines(
    model: keras.Model,
    train: Split,
    validation: Split,
    spec: Any,
    linear: float,
    random: float,
    epochs: int,
    batch_size: int,
) -> Finding:
    """A short training beats random weights, a constant answer and a linear model."""
    model.fit(*train, batch_size=batch_size, epochs=epochs, verbose=0)
    reached = score(model, validation, spec)
    classes = spec.task == "classification"
    if classes:
        constant = float(np.bincount(validation[1]).max() / len(validation[1]))
    else:
        constant = float(np.mean(validation[1].astype("float64") ** 2))
    name = "accuracy" if classes else "mean squared error"

    def better(other):
        return reached > other if classes else reached < other

    found = (
        f"validation {name} after {epochs} epochs {reached:.4f}; a linear model {linear:.4f}, the "
        f"best of {TRIES} random weights {random:.4f}, a constant answer {constant:.4f}"
    )
    return graded(
        "baselines",
        found,
        fail="It has learnt nothing that a constant does not know: see the checks above."
        if not better(constant)
        else "",
        warn="A linear model does better so far: search, or take the linear one."
        if not better(linear) and reached != linear
        else "",
    )
