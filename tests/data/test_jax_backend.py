"""The same features when Keras runs on JAX; in a process of its own, since Keras runs on one."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from tuner_app import data

CODE = """
import sys, numpy as np, keras
from tuner_app import data
assert keras.backend.backend() == "jax"
found = {}
for spec in sys.argv[2:]:
    for limit in (None, 100):
        dataset = data.load(spec, memory_limit=limit, cache_folder=sys.argv[1] + "/cache")
        batches = dataset.train.batches(50, shuffle_seed=1).as_numpy_iterator()
        found[f"{spec} {limit}"] = np.concatenate([x for x, _ in batches])
np.savez(sys.argv[1] + "/found.npz", **{str(i): v for i, v in enumerate(found.values())})
try:
    data.load(f"csv:{sys.argv[1]}/text.csv?target=y")
except data.UserError as error:
    print(error)
"""


def on_jax(code, *words):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "KERAS_BACKEND": "jax"}
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, *words],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def specs(tmp_path):
    images, digits = load_digits(return_X_y=True)
    np.savez(tmp_path / "arrays.npz", x=images.reshape(-1, 8, 8)[:99], y=digits[:99])
    rows = [f"{i},{i * i % 7},{i % 2}" for i in range(40)]
    (tmp_path / "numbers.csv").write_text("\n".join(["a,b,y", *rows, ",,0"]))
    (tmp_path / "text.csv").write_text(
        "\n".join(["a,y", *(f"t{i % 3},{i % 2}" for i in range(40))])
    )
    for i in range(20):
        folder = tmp_path / "images" / f"{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        image = images[i].reshape(8, 8, 1).astype("uint8") * 15
        (folder / f"{i}.png").write_bytes(tf.io.encode_png(image).numpy())
    return [
        "digits",
        "diabetes",
        f"npz:{tmp_path / 'arrays.npz'}",
        f"images:{tmp_path / 'images'}?size=6x5",
        f"csv:{tmp_path / 'numbers.csv'}?target=y",
    ]


def test_features_on_jax_equal_those_on_tensorflow(specs, tmp_path):
    done = on_jax(CODE, str(tmp_path), *specs)
    assert done.returncode == 0, done.stderr
    assert "Text columns (a) need Keras on TensorFlow, and it runs on jax" in done.stdout
    found = np.load(tmp_path / "found.npz")
    for i, spec in enumerate(specs):
        batches = data.load(spec, cache_folder=tmp_path / "cache").train.batches(50, 1)
        expected = np.concatenate([x for x, _ in batches.as_numpy_iterator()])
        for place in (2 * i, 2 * i + 1):  # in memory, and streamed where the source can
            np.testing.assert_allclose(found[str(place)], expected, atol=1e-6, err_msg=spec)


def test_digits_load_where_tensorflow_is_not_installed():
    """A finder that knows no TensorFlow stands in for an environment without it."""
    code = """
import sys
class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoTensorFlow())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name == "tensorflow" else real(name, package))
from tuner_app import data
x, y = data.load("digits").train.arrays()
print(x.shape, x.max(), "tensorflow" in sys.modules)
"""
    done = on_jax(code)
    assert done.stdout == "(1257, 8, 8, 1) 1.0 False\n", done.stderr
