"""Why a model can't be stacked, as its layers say it, through all that is put around an error."""

import keras
import numpy as np
import pytest

from tuner_app.population import CannotStack, Population
from tuner_app.population.backend.reason import reason
from tuner_app.population.compiled.seam import random


class Refusing(keras.layers.Layer):
    """Raises its error where it is traced for a stack."""

    def __init__(self, error):
        super().__init__()
        self.error, self.refuses = error, False

    def call(self, x):
        if self.refuses:
            raise self.error
        return x


class Drawing(Refusing):
    def call(self, x):
        if self.refuses:
            random.normal((keras.ops.cast(x[0, 0], "int32"),), seed=1)
        return x


def refused(layer, loss="mse") -> str:
    """The reason of a population that was given a model with this layer in a model in it."""
    x = np.ones((8, 3), "float32")
    inputs = keras.Input((3,))
    inner = keras.Model(inputs, layer(inputs))
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.compile("sgd", loss)
    population = Population((x, x[:, :1]), batch_size=4)
    population.admit(0, model, seed=0, epochs=1)
    layer.refuses = True
    assert population.run_epoch() == []
    return population.take_rejected()[0]


@pytest.mark.parametrize(
    "error, said",
    [
        (ValueError("the size is odd"), "Refusing: ValueError: the size is odd"),
        (ValueError("two\nlines: 1\n\n(File x)"), "Refusing: ValueError: two lines: 1 (File x)"),
        (
            NotImplementedError("For simplicity no"),
            "Refusing: NotImplementedError: For simplicity no",
        ),
        (KeyError("units"), "Refusing: KeyError: units"),
        (AssertionError(), "Refusing: AssertionError"),
        (CannotStack("it is a poem"), "Refusing: it is a poem"),
    ],
)
def test_a_layer_has_its_own_words(error, said):
    assert refused(Refusing(error)) == said


def test_a_draw_of_unknown_size_says_so():
    assert refused(Drawing(None)).startswith(
        "Drawing: ValueError: a random draw needs a static shape to be stacked, not "
    )


def test_a_loss_has_its_own_words():
    layer = Refusing(None)

    def loss(y, y_pred):
        if layer.refuses:
            raise ValueError("the loss wants\nwhole numbers")
        return keras.ops.mean((y - y_pred) ** 2)

    layer.call = lambda x: x
    assert refused(layer, loss) == "ValueError: the loss wants whole numbers"


class Traced(Exception):
    """As JAX's: it can't be made of a text, which Keras tries."""

    def __init__(self, array):
        super().__init__(f"traced {array._error_repr()} with object id 42 was met")


class Array:
    def _error_repr(self):
        return "float32[3]"


def test_an_error_that_keras_can_not_make_again_is_found():
    try:
        try:
            raise Traced(Array())
        except Traced:
            Traced("Exception encountered when calling Gate.call().")
    except AttributeError as error:
        assert reason(error) == "Traced: traced float32[3] was met"


def test_without_the_first_error_its_words_are_found_in_the_text():
    text = (
        "Exception encountered when calling Gate.call().\n\n\x1b[1mthe gate is shut\x1b[0m\n\n"
        "Arguments received by Gate.call():\n  • x=1"
    )
    assert reason(ValueError(text)) == "Gate: ValueError: the gate is shut"


def test_an_operation_without_a_vectorization_is_named():
    error = ValueError("No pfor vectorization defined for Bincount\n and more of it")
    assert reason(error) == "TensorFlow can't vectorize the operation Bincount"
