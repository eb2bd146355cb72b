"""Every loss with numbers: stacked equals plain Keras, its parameters differing by lane.

One model with an output for each loss, so that one program shows them all.
"""

import keras
import numpy as np

from tuner_app import losses

# For each loss, its output's shape, and the numbers of two lanes.
LOSSES = [
    (losses.Huber, (3,), {"delta": (0.3, 1.2)}),
    (losses.Quantile, (3,), {"level": (0.2, 0.9)}),
    (losses.MulticlassHinge, (3,), {"margin": (0.5, 2.0)}),
    (losses.CategoricalCrossEntropy, (3,), {"label_smoothing": (0.0, 0.2)}),
    (losses.SparseCategoricalCrossEntropy, (3,), {"label_smoothing": (0.0, 0.2)}),
    (losses.BinaryCrossEntropy, (3,), {"label_smoothing": (0.0, 0.2)}),
    (losses.CategoricalFocal, (3,), {"alpha": (1.0, 0.5), "gamma": (0.0, 2.0)}),
    (losses.BinaryFocal, (3,), {"alpha": (0.2, 0.5), "gamma": (0.0, 2.0)}),
    (losses.CategoricalPoly, (3,), {"epsilon": (-0.5, 2.0), "gamma": (0.0, 1.0)}),
    (losses.GeneralizedCrossEntropy, (3,), {"q": (0.0, 0.7)}),
    (losses.SymmetricCrossEntropy, (3,), {"alpha": (0.1, 1.0), "beta": (1.0, 0.5)}),
    (losses.Dice, (3,), {"smooth": (0.0, 1.0)}),
    (losses.Tversky, (3,), {"alpha": (0.3, 0.5), "beta": (0.7, 1.0), "smooth": (1.0, 2.0)}),
    (losses.Contrastive, (2, 2), {"margin": (0.5, 3.0)}),
    (losses.Triplet, (3, 2), {"margin": (0.2, 3.0)}),
]
OF_CLASSES = (losses.SparseCategoricalCrossEntropy, losses.MulticlassHinge)


def test_every_loss_with_a_number_is_here():
    public = [getattr(losses, name) for name in losses.__all__]
    numeric = {
        kind
        for kind in public
        if isinstance(kind, type)
        and issubclass(kind, losses.ExampleLoss)
        and kind is not losses.ExampleLoss
        and any(isinstance(value, float) for value in kind().get_config().values())
    }
    assert numeric == {kind for kind, _, _ in LOSSES}


def test_stacked_equals_plain_keras(stacked_equals_plain):
    def build(lane):
        inputs = keras.Input((4,))
        outputs, given = [], []
        for i, (kind, shape, numbers) in enumerate(LOSSES):
            x = keras.layers.Dense(int(np.prod(shape)), name=f"dense_{i}")(inputs)
            outputs.append(keras.layers.Reshape(shape, name=f"out_{i}")(x))
            arguments = {name: values[lane] for name, values in numbers.items()}
            if "from_logits" in kind().get_config():
                arguments["from_logits"] = True
            given.append(kind(**arguments))
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(0.1), given)
        return model

    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 4)).astype("float32")
    labels = rng.integers(0, 3, 8)
    truths = []
    for kind, shape, _ in LOSSES:
        if kind in OF_CLASSES:
            truths.append(labels)
        elif shape == (3,):
            truths.append(np.eye(3, dtype="float32")[labels])
        else:
            truths.append((labels > 0).astype("float32"))
    # Without XLA: a third of the time, and the same arithmetic.
    choices = [{"lane": 0}, {"lane": 1}]
    stacked_equals_plain(build, choices, (x, truths), epochs=1, jit_compile=False)
