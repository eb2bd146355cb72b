"""The signature of an optimizer made of a rule."""

import dataclasses
import inspect

from tuner_app.optimizers.variable_options import VariableOptions


def signature(rule):
    """What `help` shows of an optimizer's constructor."""
    static = {field.name: field.default for field in dataclasses.fields(rule)}
    options = {field.name: field.default for field in dataclasses.fields(VariableOptions)}
    named = {"weight_decay": None, "l2": None} | dict(rule.defaults) | static | options
    rate = inspect.Parameter(
        "learning_rate",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=named.pop("learning_rate"),
    )
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in named.items()
    ]
    rest = inspect.Parameter("keras_arguments", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([rate, *keywords, rest])
