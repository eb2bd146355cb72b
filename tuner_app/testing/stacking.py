"""A small model trained with an optimizer: step by step, stacked with others, or by `fit`."""

import keras
import numpy as np

_RNG = np.random.default_rng(1)
X = _RNG.normal(size=(24, 3)).astype("float32")
Y = _RNG.normal(size=(24, 2)).astype("float32")
BATCH, SEED = 4, 5
STACKING = ("tensorflow", "jax")  # the backends on which trials are stacked


def compiled_model(optimizer, policy: str = "float32"):
    """A model of five weights' shapes, always with the same start."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, "tanh", dtype=policy),
            keras.layers.Dense(2, dtype=policy),
        ]
    )
    rng = np.random.default_rng(2)
    model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(optimizer, "mse", run_eagerly=keras.backend.backend() == "tensorflow")
    return model


def trained(model, steps: int, first: int = 0, policy: str = "float32"):
    """The model (or a new one, given an optimizer) after some steps more."""
    if isinstance(model, keras.optimizers.Optimizer):
        model = compiled_model(model, policy)
    for i in range(first, first + steps):
        rows = (np.arange(8) + 8 * i) % len(X)
        model.train_on_batch(X[rows], Y[rows])
    return model


def stacked(makers) -> tuple[list, str]:
    """Trials with these makers' optimizers, trained together.

    Returns:
        Each trial's weights before and after, and why one was refused, or "".
    """
    from tuner_app.population import CannotStack, Population

    try:
        population = Population(
            (X, Y), None, batch_size=BATCH, lanes=len(makers), jit_compile=False
        )
    except CannotStack as reason:
        return [], str(reason)
    starts = []
    for key, maker in enumerate(makers):
        model = compiled_model(maker())
        starts.append(model.get_weights())
        try:
            population.admit(key, model, seed=SEED, epochs=1)
        except CannotStack as reason:
            return [], str(reason)
    population.run_epoch()
    for reason in population.take_rejected().values():
        return [], reason
    after = [population.lane(key).get_weights() for key in range(len(makers))]
    return list(zip(starts, after, strict=True)), ""


def alone(maker) -> list[np.ndarray]:
    """The weights of the same trial after `fit`."""
    from tuner_app.population.data.order import permutation

    model, order = compiled_model(maker()), permutation(len(X), SEED, 0)
    model.fit(X[order], Y[order], batch_size=BATCH, shuffle=False, verbose=0)
    return model.get_weights()
