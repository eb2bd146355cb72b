"""Files of weights for many models of one structure, as `model.save_weights` writes them.

Keras walks the whole model for each file, which takes as long as building it. Files of models of
one structure differ in the numbers alone, so Keras writes the first one, with marks in place of the
numbers, and the others are copies with their numbers put where the marks were.
"""

import os
import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np


class WeightsFile:
    """Writes weights that `load_weights` reads into any model of `model`'s structure.

    Args:
        model: A compiled model, built, and so is its optimizer. Its own values are lost.

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    >>> model.compile("sgd", "mse")
    >>> model.optimizer.build(model.trainable_variables)
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.weights.h5"
    >>> WeightsFile(model).write(path, [np.full((2, 3), 5.0), np.arange(3.0)], [np.int64(7), 0.5])
    >>> model.load_weights(path)
    >>> [weight.tolist() for weight in model.get_weights()]
    [[[5.0, 5.0, 5.0], [5.0, 5.0, 5.0]], [0.0, 1.0, 2.0]]
    >>> int(model.optimizer.iterations), float(model.optimizer.learning_rate)
    (7, 0.5)
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._marked, self._places = _marked(model)

    def write(self, path: str | Path, weights: list[np.ndarray], slots: list[np.ndarray]) -> None:
        """Writes beside `path` and renames, so that a killed process leaves no half file.

        Args:
            path: Its name ends in `.weights.h5`.
            weights: In the order of `model.get_weights()`.
            slots: In the order of `model.optimizer.variables`.
        """
        final = Path(path)
        partial = final.with_name(f"partial.{final.name}")  # Keras minds the end of the name
        if self._places is None:
            for variable, value in zip(_variables(self._model), [*weights, *slots], strict=True):
                variable.assign(value)
            self._model.save_weights(partial)
        else:
            content = bytearray(self._marked)
            for (start, dtype), value in zip(self._places, [*weights, *slots], strict=True):
                numbers = np.ascontiguousarray(value, dtype).tobytes()
                content[start : start + len(numbers)] = numbers
            partial.write_bytes(content)
        os.replace(partial, final)


def _marked(model) -> tuple[bytes, list[tuple[int, np.dtype]] | None]:
    """A file whose numbers are marks, and where each variable's are: (first byte, dtype).

    No places where a variable can't be found: then Keras has to write every file.
    """
    marks = []
    for i, variable in enumerate(_variables(model)):
        value = keras.ops.convert_to_numpy(variable)
        marks.append(np.full(value.shape, i + 1, value.dtype))
        variable.assign(marks[-1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "marked.weights.h5"
        model.save_weights(path)
        found: dict[int, list[tuple[int, np.dtype]]] = {}

        def note(name, entry):
            if isinstance(entry, h5py.Dataset) and entry.size and entry.dtype.kind in "fiu":
                values = np.unique(entry[()])
                start = entry.id.get_offset()
                if len(values) == 1 and start is not None:
                    found.setdefault(int(values[0]) - 1, []).append((start, entry.dtype))

        with h5py.File(path) as file:
            file.visititems(note)
        content = path.read_bytes()
    places = []
    for i, mark in enumerate(marks):
        same = [at for at in found.get(i, ()) if _holds(content, at, mark)]
        if len(same) != 1:
            return content, None
        places.append(same[0])
    return content, places


def _variables(model) -> list:
    return [*model.weights, *model.optimizer.variables]


def _holds(content: bytes, at: tuple[int, np.dtype], mark: np.ndarray) -> bool:
    start, dtype = at
    expected = mark.astype(dtype).tobytes()
    return content[start : start + len(expected)] == expected
