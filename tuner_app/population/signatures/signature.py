"""What two trials must have in common to share one compiled program.

`describe(model)` walks a compiled model, its layers, penalties, constraints, losses, optimizer
and schedules, and returns for the body and for the optimizer a *structure* (a hashable value
without the names that Keras numbers by itself) and *numbers* (every float found, in a fixed order,
with the place it was found in). Models of equal structure differ in numbers and variables only.
Trials of one body structure share forward and backward pass, whatever their optimizer. Whatever
the walk does not understand is part of the structure by type, so a difference makes another stack,
and the check of a new signature against plain Keras covers the rest.

>>> import keras
>>> def build(rate, units=3):
...     layers = [keras.layers.Input((4,)), keras.layers.Dense(units), keras.layers.Dropout(rate)]
...     model = keras.Sequential(layers)
...     model.compile("sgd", "mse")
...     return model
>>> a, b, c = (describe(build(*choice)) for choice in ((0.1,), (0.2,), (0.2, 5)))
>>> a.body.structure == b.body.structure, b.body.structure == c.body.structure
(True, False)
>>> numbers = zip(a.body.sites, a.body.numbers, b.body.numbers)
>>> [site.label for site, x, y in numbers if x != y]
['Dropout.rate']
"""

import keras

from tuner_app.population.errors import CannotStack
from tuner_app.population.signatures.description import Description
from tuner_app.population.signatures.loss_weights import LossWeightSite
from tuner_app.population.signatures.walk import Walk


def describe(model) -> Description:
    """The description of a compiled, built Keras model.

    Raises CannotStack where the model trains by code of its own.
    """
    refuse_custom_training(model)
    walk = Walk()
    variables = tuple((tuple(v.shape), v.dtype, v.trainable) for v in model.variables)
    losses = getattr(model, "_compile_loss", None)
    body = (
        variables,
        walk.visit(model),
        walk.visit(losses and losses._user_loss),
        walk.visit(
            losses and losses._user_loss_weights,
            LossWeightSite(losses, "_user_loss_weights"),
            integers=True,
        ),
        walk.fixed(_user_metrics(model)),
    )
    rule_walk = Walk()
    rule = rule_walk.visit(model.optimizer)
    return Description(walk.part(body), rule_walk.part(rule))


def refuse_custom_training(model) -> None:
    """Raises CannotStack if the model is not compiled and built, or trains by its own step."""
    if not isinstance(model, keras.Model):
        raise CannotStack(f"not a Keras model but {type(model).__name__}")
    if not model.compiled or model.optimizer is None:
        raise CannotStack("the model is not compiled")
    if not model.built or not model.variables and not model.layers:
        raise CannotStack("the model has no input shape yet, so it is not built")
    for name in ("train_step", "test_step", "fit", "make_train_function"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            raise CannotStack(f"{type(model).__name__} has its own {name}")


def _user_metrics(model):
    metrics = model._compile_metrics
    if metrics is None:
        return None
    return (metrics._user_metrics, metrics._user_weighted_metrics)
