"""Evaluate and serve a model where its optimizer's rule says, not where it is being trained."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def evaluation_point(model: keras.Model) -> Iterator[None]:
    """While in the `with`, the model's variables hold the point to evaluate, export or serve.

    For most rules that is where they are anyway, and nothing is done. A checkpoint to train on from
    is saved outside the `with`, where the variables are the ones being trained.

    >>> from tuner_app.optimizers import Nesterov
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    >>> model.layers[0].kernel.assign([[4.0]]) is not None
    True
    >>> model.compile(Nesterov(learning_rate=0.1, rho=0.5), "mse")
    >>> model.optimizer.apply([model.layers[0].kernel * 2.0], [model.layers[0].kernel])
    >>> with evaluation_point(model):
    ...     print(f"{model.layers[0].kernel.numpy()[0, 0]:.2f}")  # 4 − 0.1 · 8
    3.20
    >>> print(f"{model.layers[0].kernel.numpy()[0, 0]:.2f}")  # and ρ m = −0.4 further
    2.80
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    rule = getattr(optimizer, "rule", None)
    if rule is None or rule.eval_param is None or not optimizer.built:
        yield
        return
    # Copies on the host: JAX gives the buffers of trained variables away at the next step.
    trained = [variable.numpy() for variable in model.trainable_variables]
    for variable in model.trainable_variables:
        variable.assign(optimizer.eval_param(variable))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, trained, strict=True):
            variable.assign(value)


class EvaluateAtPoint(keras.callbacks.Callback):
    """Makes `fit`'s validation and `evaluate` use `evaluation_point`."""

    def __init__(self):
        super().__init__()
        self._point = contextlib.ExitStack()

    def on_test_begin(self, logs=None):
        self._point.enter_context(evaluation_point(self.model))

    def on_test_end(self, logs=None):
        self._point.close()
