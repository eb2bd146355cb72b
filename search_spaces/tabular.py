"""A residual network for tables, of classes or of numbers.

    tuner-app search --dataset=diabetes --space=tabular --max_trials=20 --epochs=30

Expected on a laptop with 2 cores, one trial after another: about a minute, validation loss 0.48 to
0.50 (the target's variance is 1).

The residual blocks follow Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting deep learning
models for tabular data", 2021, where they are the strong baseline; a linear path beside them
follows Cheng et al., "Wide & deep learning for recommender systems", 2016.
"""

import keras

from search_spaces import hyperparameters
from search_spaces._space import SearchSpace


class Space(SearchSpace):
    """Residual blocks beside a linear path; `blocks` and `units` are the model's shape."""

    kinds = ("tabular",)
    builds_anew = True  # see `PopulationTuner`

    def outputs(self, hp, inputs):
        regularization = hyperparameters.regularization(hp)
        blocks = hp.Int("blocks", 1, 2)
        units = hp.Choice("units", [32, 64, 128], default=64)
        features = keras.layers.Flatten()(inputs)
        x = self.dense(units, regularization)(features)
        for _ in range(blocks):
            residual = keras.layers.BatchNormalization()(x)
            residual = self.dense(2 * units, regularization, activation="relu")(residual)
            residual = regularization.dropout()(residual)
            residual = self.dense(units, regularization)(residual)
            residual = regularization.dropout()(residual)
            x = keras.layers.Add()([x, residual])
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("relu")(x)
        x = keras.layers.Concatenate()([x, features])
        return self.head(regularization.penalty())(x)

    def dense(self, units, regularization, activation=None):
        return keras.layers.Dense(
            units, activation=activation, kernel_regularizer=regularization.penalty()
        )
