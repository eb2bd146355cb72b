"""A model for use, of Keras's own layers alone: it loads where this package is not installed."""

import keras

from tuner_app.regularization.augmentation import Augmentation
from tuner_app.regularization.dropout import Dropout
from tuner_app.regularization.mixup import MixUp


def as_plain_keras(model):
    """A copy of a model without this package's layers, with the same predictions and weights.

    Dropout and penalties become Keras's own, with the same numbers; augmentation and mix-up, which
    are inactive in use, become identities. Layers of others stay as they are. The copy is not
    compiled.

    Args:
        model: A functional or sequential Keras model; any other is given back as it is.

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(Dropout(0.5)(inputs)))
    >>> [type(layer).__module__.split(".")[0] for layer in as_plain_keras(model).layers]
    ['keras', 'keras', 'keras']
    """
    # A functional model knows the operations between its inputs and outputs.
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        return model
    copy = keras.models.clone_model(model, clone_function=plain_layer)
    # Of keras.Model itself, whatever the class was, and without what it was compiled with.
    if isinstance(model, keras.Sequential):
        ends = copy.inputs[0], copy.outputs[0]
    else:
        ends = copy.input, copy.output
    copy = keras.Model(*ends, name=model.name)
    copied = [layer for layer in copy.layers if not isinstance(layer, keras.layers.InputLayer)]
    originals = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for layer, original in zip(copied, originals, strict=True):
        if not isinstance(original, (Augmentation, MixUp)):
            layer.set_weights(original.get_weights())
    return copy


def plain_layer(layer):
    """A new layer of Keras's own that does in use what `layer` does."""
    config = layer.get_config()
    kept = {"name": config["name"], "dtype": config["dtype"]}
    if isinstance(layer, (Augmentation, MixUp)):
        return keras.layers.Identity(**kept)
    if isinstance(layer, Dropout):
        return keras.layers.Dropout(config["rate"], seed=config["seed"], **kept)
    return type(layer).from_config(with_plain_penalties(config))


def with_plain_penalties(config):
    """A layer's configuration with this package's penalties written as Keras's."""
    if isinstance(config, dict):
        if config.get("registered_name") == "tuner_app>L1L2":
            return keras.saving.serialize_keras_object(keras.regularizers.L1L2(**config["config"]))
        return {key: with_plain_penalties(value) for key, value in config.items()}
    if isinstance(config, list):
        return [with_plain_penalties(value) for value in config]
    return config
