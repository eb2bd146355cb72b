"""Layers that take long to trace: stacked equals plain Keras. No part of the default test run.

python -m pytest tests/population/slow_conformance_rows.py
"""

import keras
import pytest

L = keras.layers
IMAGE = (8, 8, 3)
ROWS = [
    # It reads its factor as a plain float: each value has a stack of its own.
    (L.RandAugment, IMAGE, lambda rate: lambda x: L.Dropout(rate)(L.RandAugment((0, 1))(x))),
]


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # Keras's, of JAX
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].__name__)
def test_stacked_equals_plain_keras(row, rows_stack_as_plain):
    rows_stack_as_plain([row])
