"""Models that compute alike have one structure, and others never: described, not trained."""

import keras
import pytest
from keras import ops

from tuner_app.population.signature import describe


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
