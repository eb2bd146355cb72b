"""Points of a search space, drawn at random, for whoever wants to see what it holds."""

import keras_tuner


def drawn_values(space: keras_tuner.HyperParameters, seed: int) -> keras_tuner.HyperParameters:
    """The space with a random value for each hyperparameter that is active at this point.

    >>> space = keras_tuner.HyperParameters()
    >>> kind = space.Choice("kind", ["a", "b"])
    >>> with space.conditional_scope("kind", ["b"]):
    ...     number = space.Int("number", 1, 9)
    >>> {tuple(drawn_values(space, seed).values) for seed in range(9)} == {
    ...     ("kind",), ("kind", "number")}
    True
    """
    point = keras_tuner.HyperParameters()
    for place, one in enumerate(space.space):
        point.merge([one])
        if point.is_active(one):
            point.values[one.name] = one.random_sample(1000 * seed + place)
    return point
