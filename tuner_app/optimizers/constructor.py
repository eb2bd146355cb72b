"""The constructor of an optimizer made of a rule: its signature, and its arguments, sorted."""

import dataclasses
import inspect
import numbers

import keras

from tuner_app.errors import UserError, unknown
from tuner_app.optimizers.variable_options import VariableOptions

# What `keras.optimizers.Optimizer` itself takes, and we hand on as it is.
KERAS_ARGUMENTS = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)


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


def sorted_arguments(cls, arguments):
    """What a constructor was given, but for the learning rate, by what it is for.

    Returns:
        The rule with its static options, the variable options, the hyperparameters' values (numbers
        or schedules, None where there is no decay or penalty), and what is left for Keras.

    Raises:
        UserError: an argument has no meaning for this rule, or its value can't be right.
    """
    arguments, rule = dict(arguments), cls.rule
    names = [field.name for field in dataclasses.fields(rule)]
    static = {name: arguments.pop(name) for name in names if name in arguments}
    rule = dataclasses.replace(rule, **static)
    options = VariableOptions.taken_from(arguments)
    values = {"weight_decay": None, "l2": None} | dict(rule.defaults)
    values.update({name: arguments.pop(name) for name in set(values) & set(arguments)})
    values.pop("learning_rate")
    for name in arguments:
        if name not in KERAS_ARGUMENTS:
            others = [field.name for field in dataclasses.fields(VariableOptions)]
            known = [*rule.defaults, "weight_decay", "l2", *names, *others, *KERAS_ARGUMENTS]
            raise unknown(f"argument of {cls.__name__}:", name, known)
    for name, value in values.items():
        values[name] = _checked(rule, name, value)
    return rule, options, values, arguments


def _checked(rule, name, value):
    if value is None and name in ("weight_decay", "l2"):
        return None
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return value
    if isinstance(value, dict):  # a schedule, as `get_config` wrote it
        return keras.optimizers.schedules.deserialize(value)
    if not isinstance(value, numbers.Real):
        raise UserError(f"{name} must be a number or a schedule; got {value!r}.")
    rule.check(name, value)
    return value
