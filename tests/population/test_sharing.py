"""Operations shared while a program is traced: fewer of them, and the same numbers."""

import numpy as np
import tensorflow as tf

from tuner_app.population.backend import sharing


def operations(function, *arguments) -> list[str]:
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    return [o.type for o in concrete.graph.get_operations() if o.type != "Placeholder"]


def corrected(x, step):
    """As two variables are updated by one rule."""
    return [(x + i) / (1.0 - 0.9**step) for i in (1.0, 2.0)]


def test_what_is_computed_twice_is_there_once():
    x, step = tf.constant([1.0, 2.0]), tf.constant(3.0)
    assert operations(corrected, x, step).count("Pow") == 2
    with sharing.shared():
        found = operations(corrected, x, step)
    assert (found.count("Pow"), found.count("Sub"), found.count("AddV2")) == (1, 1, 2)
    again = operations(corrected, x, step)
    assert again.count("Pow") == 2  # as it was, outside


def test_the_numbers_are_the_same():
    x, step = np.array([1.0, 2.0], "float32"), np.float32(3.0)
    with sharing.shared():
        got = tf.function(corrected, autograph=False)(x, step)
    for i, column in enumerate(got):
        np.testing.assert_allclose(column, (x.astype("float64") + 1 + i) / (1 - 0.9**3), rtol=1e-6)


def test_operations_differ_by_inputs_and_attributes():
    def different(x):
        return (
            tf.cast(x, "float64"),
            tf.cast(x, "int32"),
            tf.constant(1.0) + x,
            tf.constant(2.0) + x,
        )

    with sharing.shared():
        found = tf.function(different, autograph=False)(tf.constant([1.5]))
    assert [float(a[0]) for a in found] == [1.5, 1.0, 2.5, 3.5]


def test_what_has_a_state_or_is_set_apart_is_not_shared():
    def drawn(x):
        return tf.random.uniform([4]) - tf.random.uniform([4]) + x

    def apart(x):
        with sharing.apart():
            return [tf.square(x) for _ in range(2)]

    x = tf.zeros([4])
    with sharing.shared():
        assert np.any(tf.function(drawn, autograph=False)(x))
        assert operations(apart, x).count("Square") == 2


def test_graphs_within_a_graph_have_operations_of_their_own():
    def halved(x):
        root = tf.sqrt(x)
        _, inside = tf.while_loop(
            lambda i, _: i < 2, lambda i, s: (i + 1, s / tf.sqrt(x)), (tf.constant(0), x)
        )
        return root, inside

    with sharing.shared():
        root, inside = tf.function(halved, autograph=False)(tf.constant(16.0))
    assert (float(root), float(inside)) == (4.0, 1.0)


def test_a_long_constant_is_not_compared():
    def summed():
        return [tf.reduce_sum(tf.constant(np.arange(n, dtype="float32"))) for n in (1000, 1000)]

    with sharing.shared():
        assert operations(summed).count("Const") >= 2
