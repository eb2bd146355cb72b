"""TensorFlow seeded without losing what it has prepared.

`tf.random.set_seed` has TensorFlow forget every kernel, because those of its stateful random
operations hold where their sequence stands. All others are prepared anew when they are next
called: a traced function that XLA does not compile takes a quarter of a second, such as the last
batch of each stack that is being trained while a trial's model is built.
"""

import contextlib
import functools
import random

from tuner_app.population.backend.swapping import swapped


def kernels_kept() -> contextlib.AbstractContextManager:
    """A context in which seeding forgets the kernels only once a stateful random operation begins.

    The numbers drawn are the same ones.
    """
    return swapped(_replaced())


@functools.cache
def _replaced() -> list[tuple]:
    """(module or class, name, replacement)."""
    from tensorflow.python.eager.context import Context, context
    from tensorflow.python.framework import random_seed

    set_seed, get_seed, behind = Context._set_global_seed, random_seed.get_seed, []

    def set_seed_only(self, seed):
        self._seed, self._rng = seed, random.Random(seed)
        behind.append(seed)

    def get_seed_after_clearing(op_seed):
        if behind:
            set_seed(context(), behind[-1])
            behind.clear()
        return get_seed(op_seed)

    return [
        (Context, "_set_global_seed", set_seed_only),
        (random_seed, "get_seed", get_seed_after_clearing),
    ]
