"""What is trained: one model, one space and one set of data for all systems.

The data are scikit-learn's digits, 1,797 images of 8 by 8 pixels, and enlargements of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SEED, BATCH = 1, 32


@dataclass(frozen=True)
class Work:
    """One benchmark.

    Args:
        title: for the table.
        layers: function of `hp` that returns a Keras model, not compiled.
        optimizer: function of `hp` that returns a Keras optimizer.
        shape: of one example.
        trials: how many the stacked engine is given.
        train: how many examples to train on; the last 397 are for validation.
    """

    title: str
    layers: Callable
    optimizer: Callable
    shape: tuple[int, ...]
    trials: int
    epochs: int = 10
    train: int = 1400

    def build(self, hp):
        """A compiled Keras model; `hp` is KerasTuner's, or anything with its Float and Choice."""
        import keras

        model = self.layers(hp)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(self.optimizer(hp), loss, metrics=["accuracy"])
        return model

    def data(self):
        """((x, y), (x, y)): float32 in [0, 1] to train on, the labels int32; and to validate."""
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        x, y = (x[order] / 16).astype("float32"), y[order].astype("int32")
        if len(self.shape) == 3 and self.shape[0] > 8:  # enlarged, and in three colours
            times = self.shape[0] // 8
            images = np.kron(x.reshape(-1, 8, 8), np.ones((1, times, times), "float32"))
            x = images[..., None] * np.array([1.0, 0.8, 0.6], "float32")
        x = np.ascontiguousarray(x.reshape(-1, *self.shape))
        return (x[: self.train], y[: self.train]), (x[1400:], y[1400:])


def _mlp(hp, penalty=None):
    from keras import Sequential
    from keras import layers as L

    rate = hp.Float("rate", 0.01, 0.5)
    layers = [L.Input((64,))]
    for _ in range(2):
        layers += [L.Dense(128, "relu", kernel_regularizer=penalty), L.Dropout(rate)]
    return Sequential([*layers, L.Dense(10)])


def _penalized_mlp(hp):
    from keras import regularizers

    return _mlp(hp, regularizers.L2(hp.Float("penalty", 1e-6, 1e-2, sampling="log")))


def _cnn(shape, filters):
    def layers(hp):
        from keras import Sequential
        from keras import layers as L

        found = [L.Input(shape)]
        for width in filters:
            found += [L.Conv2D(width, 3, padding="same", activation="relu"), L.MaxPooling2D(2)]
        dropout = L.Dropout(hp.Float("rate", 0.01, 0.5))
        return Sequential([*found, L.Flatten(), dropout, L.Dense(10)])

    return layers


def _lstm(hp):
    from keras import Sequential
    from keras import layers as L

    return Sequential(
        [L.Input((8, 8)), L.LSTM(32), L.Dropout(hp.Float("rate", 0.01, 0.5)), L.Dense(10)]
    )


def _resnet_20(hp):
    """He, Zhang, Ren, Sun, 2016, for CIFAR-10, with projections where the shape changes."""
    from keras import Model
    from keras import layers as L

    def convolved(x, filters, size=3, strides=1):
        x = L.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return L.BatchNormalization()(x)

    inputs = L.Input((16, 16, 3))
    x = L.ReLU()(convolved(inputs, 16))
    for filters in (16, 32, 64):
        for _ in range(3):
            strides = 1 if x.shape[-1] == filters else 2
            y = L.ReLU()(convolved(x, filters, strides=strides))
            y = convolved(y, filters)
            if strides == 2:
                x = convolved(x, filters, 1, strides)
            x = L.ReLU()(L.Add()([x, y]))
    return Model(inputs, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


def _adamw(hp):
    from keras import optimizers

    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return optimizers.AdamW(rate, weight_decay=hp.Float("decay", 1e-6, 1e-2, sampling="log"))


def _six_types(hp):
    """One of six optimizers, whose rate falls as a cosine, how far being searched."""
    from keras import optimizers as O

    first = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    rate = O.schedules.CosineDecay(first, 10 * 44, alpha=hp.Float("falls_to", 0.0, 1.0))
    kinds = {
        "sgd": lambda: O.SGD(rate),
        "momentum": lambda: O.SGD(rate, momentum=0.9, nesterov=True),
        "rmsprop": lambda: O.RMSprop(rate),
        "adam": lambda: O.Adam(rate),
        "adagrad": lambda: O.Adagrad(rate),
        "adamw": lambda: O.AdamW(rate),
    }
    return kinds[hp.Choice("optimizer", list(kinds))]()


WORKS = {
    "mlp": Work("MLP", _mlp, _adamw, (64,), trials=200),
    "types": Work("MLP, six optimizers, a schedule", _penalized_mlp, _six_types, (64,), trials=200),
    "cnn8": Work("CNN, 8 × 8", _cnn((8, 8, 1), (16, 32)), _adamw, (8, 8, 1), trials=100),
    "lstm": Work("LSTM, 8 steps", _lstm, _adamw, (8, 8), trials=100),
    "cnn32": Work(
        "CNN, 32 × 32",
        _cnn((32, 32, 3), (32, 64, 64)),
        _adamw,
        (32, 32, 3),
        trials=20,
        epochs=2,
        train=704,
    ),
    "resnet": Work(
        "ResNet-20, 16 × 16", _resnet_20, _adamw, (16, 16, 3), trials=20, epochs=2, train=704
    ),
}
