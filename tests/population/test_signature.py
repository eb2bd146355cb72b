"""Models that compute alike have one structure, and others never: described, not trained."""

import keras
import numpy as np
import pytest
from keras import ops

from tuner_app.population.signatures.lift import replaced
from tuner_app.population.signatures.signature import describe


def structure(layer):
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    return describe(model).body.structure


def inner_number(factor):
    if factor == 2.0:

        def call(x):
            return (lambda t: t * 2.0)(x)

        return keras.layers.Lambda(call)

    def call(x):
        return (lambda t: t * 3.0)(x)

    return keras.layers.Lambda(call)


def inner_name(factor):
    if factor == 2.0:

        def call(x):
            return (lambda t: ops.sin(t))(x)

        return keras.layers.Lambda(call)

    def call(x):
        return (lambda t: ops.cos(t))(x)

    return keras.layers.Lambda(call)


def class_attribute(number):
    class Scale(keras.layers.Layer):
        factor = number

        def call(self, x):
            return x * self.factor

    return Scale()


def static_method(number):
    class Scale(keras.layers.Layer):
        @staticmethod
        def factor():
            return number

        def call(self, x):
            return x * self.factor()

    return Scale()


def class_method(number):
    class Scale(keras.layers.Layer):
        @classmethod
        def factor(cls):
            return number

        def call(self, x):
            return x * self.factor()

    return Scale()


def property_of(number):
    class Scale(keras.layers.Layer):
        @property
        def factor(self):
            return number

        def call(self, x):
            return x * self.factor

    return Scale()


def local_base(number):
    class Base(keras.layers.Layer):
        def factor(self):
            return number

    class Scale(Base):
        def call(self, x):
            return super().call(x) if number is None else x * self.factor()

    return Scale()


def closure(number):
    return keras.layers.Lambda(lambda x: x * number)


@pytest.mark.parametrize(
    "make",
    [
        inner_number,
        inner_name,
        class_attribute,
        static_method,
        class_method,
        property_of,
        local_base,
        closure,
    ],
)
def test_what_is_made_in_build_is_told_apart_by_all_that_it_computes(make):
    assert structure(make(2.0)) == structure(make(2.0))
    assert structure(make(2.0)) != structure(make(3.0))


def two_outputs(shape, weights):
    """A model whose outputs' mean errors, for targets of zero, are 2 (z) and 3 (a)."""
    inputs = keras.Input((1,))
    ones = {"kernel_initializer": "ones", "use_bias": False}
    z, a = (
        keras.layers.Rescaling(factor, name=name)(keras.layers.Dense(1, **ones)(inputs))
        for factor, name in ((2.0, "z"), (3.0, "a"))
    )
    outputs, losses = {"z": z, "a": a}, {"z": "mae", "a": "mae"}
    if shape is list:
        outputs, losses, weights = [z, a], ["mae", "mae"], list(weights.values())
    if shape is float:
        outputs, losses, weights = z, "mae", float(weights["z"])
    model = keras.Model(inputs, outputs)
    model.compile("sgd", losses, loss_weights=weights, run_eagerly=True)
    return model


@pytest.mark.parametrize("shape", [dict, list, float])
def test_loss_weights_are_numbers_wherever_keras_has_put_them(shape):
    model = two_outputs(shape, {"z": 1, "a": 0.5})
    model.optimizer.build(model.trainable_variables)
    part = describe(model).body
    other = describe(two_outputs(shape, {"z": 0.25, "a": 0.125})).body
    assert part.structure == other.structure
    sites = [site for site in part.sites if site.label.startswith("loss_weights")]
    x, none = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    y = {dict: {"z": none, "a": none}, list: [none, none], float: none}[shape]
    before = model.evaluate(x, y, verbose=0)
    before = before if shape is float else before[0]
    assert before == pytest.approx(2 if shape is float else 2 + 1.5)
    numbers = {"loss_weights": 10.0, "loss_weights['z']": 10.0, "loss_weights[0]": 10.0}
    with replaced(sites, [numbers.get(site.label, 100.0) for site in sites]):
        within = model.evaluate(x, y, verbose=0)
    assert (within if shape is float else within[0]) == (20 if shape is float else 20 + 300)
