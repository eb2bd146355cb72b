"""In-memory examples, as Keras's own array adapter takes them, put on the device once."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import tree

from tuner_app.errors import UserError
from tuner_app.population.backend import vectorize
from tuner_app.population.data.order import stream


@dataclass(frozen=True)
class Examples:
    """Arrays of `size` examples.

    Args:
        leaves: device arrays, each with a first axis of length `size`.
        structure: nested (x, y, sample_weight) whose leaves are positions in `leaves`, or None.
        size: number of examples.
        shuffled: whether every pass through them has an order of its own.
        an_epoch: how many of them an epoch shows: `size`, which is a pass, or any other number.
    """

    leaves: list
    structure: tuple
    size: int
    shuffled: bool
    an_epoch: int

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """int32 of shape (an_epoch,): those that a trial of this seed sees, in their order."""
        return stream(self.size, seed if self.shuffled else None, epoch, self.an_epoch)

    def symbolic_batch(self, batch_size: int):
        """KerasTensors of the shapes and dtypes of one batch (x, y, sample_weight)."""

        def symbol(position):
            if position is None:
                return None
            leaf = self.leaves[position]
            shape = (batch_size, *leaf.shape[1:])
            return keras.KerasTensor(shape, keras.backend.standardize_dtype(leaf.dtype))

        return tree.map_structure(symbol, self.structure)


def examples(
    data,
    class_weight: dict | None = None,
    shuffled: bool = True,
    an_epoch: int | None = None,
) -> Examples:
    """`Examples` from (x, y) or (x, y, sample_weight), each an array or a nest of arrays.

    Args:
        class_weight: class (int) to weight, as in `fit`: turned into sample weights.
        shuffled, an_epoch: as in `Examples`; None: a pass.
    """
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise UserError("Expected (x, y) or (x, y, sample_weight) as arrays.")
    x, y, sample_weight = (*data, None)[:3]
    if class_weight:
        if sample_weight is not None:
            raise UserError("class_weight and sample_weight can't be given at the same time.")
        if tree.is_nested(y):
            raise UserError("class_weight needs a single output.")
        sample_weight = class_weight_to_sample_weights(y, class_weight)
    leaves = []

    def place(array):
        if array is None:
            return None
        leaves.append(standard(array))
        return len(leaves) - 1

    structure = tree.map_structure(place, (x, y, sample_weight))
    sizes = {len(leaf) for leaf in leaves}
    if len(sizes) != 1 or 0 in sizes:
        raise UserError(f"Expected arrays of one same length above 0, got {sorted(sizes)}.")
    size = sizes.pop()
    on_device = [vectorize.to_device(leaf) for leaf in leaves]
    return Examples(on_device, structure, size, shuffled, an_epoch or size)


def standard(array) -> np.ndarray:
    """The array with its floats as Keras has them."""
    array = np.asarray(array)
    if array.dtype.kind == "f" and array.dtype.itemsize > 4 or array.dtype == object:
        return array.astype(keras.backend.floatx())
    return array
