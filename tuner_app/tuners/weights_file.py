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

    Of an optimizer nothing is in it: a model that goes on from these weights keeps its own learning
    rate.

    Args:
        model: A built model, whose own weights are lost.

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.weights.h5"
    >>> WeightsFile(model).write(path, [np.full((2, 3), 5.0), np.arange(3.0)])
    >>> model.load_weights(path)
    >>> [weight.tolist() for weight in model.get_weights()]
    [[[5.0, 5.0, 5.0], [5.0, 5.0, 5.0]], [0.0, 1.0, 2.0]]
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._marked, self._places = _marked(model)

    def write(self, path: str | Path, weights: list[np.ndarray]) -> None:
        """Writes beside `path` and renames, so that a killed process leaves no half file.

        Args:
            path: Its name ends in `.weights.h5`.
            weights: In the order of `model.get_weights()`.
        """
        final = Path(path)
        partial = final.with_name(f"partial.{final.name}")  # Keras minds the end of the name
        if self._places is None:
            self._model.set_weights(weights)
            self._model.save_weights(partial)
            with h5py.File(partial, "r+") as file:
                _drop_optimizer(file)
        else:
            content = bytearray(self._marked)
            for (start, dtype), weight in zip(self._places, weights, strict=True):
                numbers = np.ascontiguousarray(weight, dtype).tobytes()
                content[start : start + len(numbers)] = numbers
            partial.write_bytes(content)
        os.replace(partial, final)


def _marked(model) -> tuple[bytes, list[tuple[int, np.dtype]] | None]:
    """A file whose numbers are marks, and where each weight's are: (first byte, dtype).

    No places where a weight can't be found: then Keras has to write every file.
    """
    marks = [np.full(w.shape, i + 1, w.dtype) for i, w in enumerate(model.get_weights())]
    model.set_weights(marks)
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

        with h5py.File(path, "r+") as file:
            _drop_optimizer(file)
            file.visititems(note)
        content = path.read_bytes()
    places = []
    for i, mark in enumerate(marks):
        same = [at for at in found.get(i, ()) if _holds(content, at, mark)]
        if len(same) != 1:
            return content, None
        places.append(same[0])
    return content, places


def _drop_optimizer(file) -> None:
    if "optimizer" in file:
        del file["optimizer"]


def _holds(content: bytes, at: tuple[int, np.dtype], mark: np.ndarray) -> bool:
    start, dtype = at
    expected = mark.astype(dtype).tobytes()
    return content[start : start + len(expected)] == expected
