"""Keras's own optimizers, as a search names them: their class, one line, and where to search.

They are named keras:NAME, since most have a namesake among our rules. The ranges are those of our
rule of the same name, where there is one.
"""

import inspect
from collections.abc import Mapping

import keras

from tuner_app.optimizers.rule import Range

OWN = {
    "keras:adadelta": ("Adadelta", "Keras's Adadelta: as adadelta, with a default rate of 0.001."),
    "keras:adafactor": (
        "Adafactor",
        "Keras's Adafactor: Adam's divisor from sums over rows and columns; little memory.",
    ),
    "keras:adagrad": ("Adagrad", "Keras's AdaGrad: as adagrad, with sums that start at 0.1."),
    "keras:adam": ("Adam", "Keras's Adam: as adam, with another, larger epsilon."),
    "keras:adamax": (
        "Adamax",
        "Keras's Adamax: Adam that divides by the largest of recent gradients.",
    ),
    "keras:adamw": ("AdamW", "Keras's AdamW: as adamw, with another, larger epsilon."),
    "keras:ftrl": (
        "Ftrl",
        "Keras's FTRL: follow the regularized leader; for very wide, sparse linear models.",
    ),
    "keras:lamb": ("Lamb", "Keras's LAMB: as lamb."),
    "keras:lion": ("Lion", "Keras's Lion: as lion."),
    "keras:muon": ("Muon", "Keras's Muon: as muon, with a decay that biases have too."),
    "keras:nadam": ("Nadam", "Keras's Nadam: as nadam, with a rising beta_1."),
    "keras:rmsprop": ("RMSprop", "Keras's RMSprop: as rmsprop, with momentum and centring."),
    "keras:schedule_free_adamw": (
        "ScheduleFreeAdamW",
        "Keras's schedule-free AdamW: as schedule_free_adamw, but left at its training point.",
    ),
    "keras:sgd": ("SGD", "Keras's SGD: gradient descent, with momentum or Nesterov's."),
}

_BETAS = {"beta_1": Range(0.8, 0.98, "linear"), "beta_2": (0.9, 0.95, 0.99, 0.999)}
_ADAM = {"learning_rate": Range(1e-4, 1e-1), **_BETAS, "epsilon": Range(1e-10, 1e-3)}
_DECAY = {"weight_decay": Range(1e-5, 1e-1)}
RANGES = {
    "keras:adadelta": {"learning_rate": Range(1e-3, 10.0), "rho": (0.9, 0.95, 0.99)},
    "keras:adafactor": {"learning_rate": Range(1e-4, 1e-1), "beta_2_decay": (-0.8, -0.5)},
    "keras:adagrad": {"learning_rate": Range(1e-3, 1.0)},
    "keras:adam": _ADAM,
    "keras:adamax": _ADAM,
    "keras:adamw": _ADAM | _DECAY,
    "keras:ftrl": {
        "learning_rate": Range(1e-3, 1.0),
        "l1_regularization_strength": Range(1e-8, 1e-2),
        "l2_regularization_strength": Range(1e-8, 1e-2),
    },
    "keras:lamb": _ADAM,
    "keras:lion": {
        "learning_rate": Range(1e-5, 1e-2),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.95, 0.98, 0.99, 0.999),
    },
    "keras:muon": {
        "learning_rate": Range(1e-4, 1e-1),
        "momentum": Range(0.8, 0.98, "linear"),
    },
    "keras:nadam": _ADAM,
    "keras:rmsprop": {
        "learning_rate": Range(1e-5, 1e-1),
        "rho": (0.9, 0.95, 0.99, 0.999),
        "momentum": Range(0.0, 0.95, "linear"),
    },
    "keras:schedule_free_adamw": {
        "learning_rate": Range(1e-4, 1e-1),
        "beta_1": Range(0.8, 0.98, "linear"),
    },
    "keras:sgd": {"learning_rate": Range(1e-4, 1.0), "momentum": Range(0.0, 0.99, "linear")},
}


def keras_class(name: str) -> type[keras.optimizers.Optimizer]:
    """The class of keras:NAME.

    >>> keras_class("keras:sgd").__name__
    'SGD'
    """
    return getattr(keras.optimizers, OWN[name][0])


def keras_defaults(name: str) -> Mapping[str, float]:
    """The numbers that its constructor takes, with their defaults.

    >>> keras_defaults("keras:sgd")["momentum"]
    0.0
    """
    parameters = inspect.signature(keras_class(name)).parameters
    return {k: p.default for k, p in parameters.items() if isinstance(p.default, float)}
