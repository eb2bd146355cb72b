"""How coarsely a model's products are rounded: what differs by so much is no evidence.

A stack's kernels and plain Keras's are not the same, and so one may round where the other does not:
an accelerator has several for a product of matrices, of which some round float32 to TF32, and a
compiler keeps in float32 what by the layers alone would be half precision.
"""

from tuner_app.population.backend import vectorize

FLOAT32 = 1e-6  # some units in the last place
_TF32, _FLOAT16, _BFLOAT16 = 2.0**-11, 2.0**-11, 2.0**-8


def rounding(model) -> float:
    """The relative error of a product, by the precision of the model's coarsest layer.

    >>> import keras
    >>> rounding(keras.Sequential([keras.layers.Dense(2, dtype="mixed_bfloat16")])) == 1 / 256
    True
    """
    kinds = {layer.compute_dtype for layer in model._flatten_layers()}
    if "bfloat16" in kinds:
        return _BFLOAT16
    if "float16" in kinds:
        return _FLOAT16
    return _TF32 if vectorize.on_accelerator() else FLOAT32
