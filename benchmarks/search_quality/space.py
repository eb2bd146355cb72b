"""The model whose tuning is tabulated: four numbers decide how well it learns."""

import keras
import keras_tuner


class Space(keras_tuner.HyperModel):
    """One hidden layer: its width, its dropout, the learning rate and the weight decay."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def build(self, hp):
        declare(hp)
        inputs = keras.Input(self.spec.input_shape)
        x = keras.layers.Flatten()(inputs)
        x = keras.layers.Dense(hp.get("units"), activation="relu")(x)
        x = keras.layers.Dropout(hp.get("dropout"))(x)
        outputs = keras.layers.Dense(self.spec.num_classes or 1)(x)
        model = keras.Model(inputs, outputs)
        if self.spec.num_classes:
            loss, metrics = (
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                ["accuracy"],
            )
        else:
            loss, metrics = keras.losses.MeanSquaredError(), []
        rate, decay = hp.get("learning_rate"), hp.get("weight_decay")
        model.compile(keras.optimizers.AdamW(rate, weight_decay=decay), loss, metrics=metrics)
        return model


def declare(hp):
    """The space, also for those who only look its results up. Eight widths: a stack for each."""
    hp.Int("units", 1, 128, step=2, sampling="log")
    hp.Float("dropout", 0.01, 0.8)
    hp.Float("learning_rate", 1e-5, 1.0, sampling="log")
    hp.Float("weight_decay", 1e-5, 1.0, sampling="log")
