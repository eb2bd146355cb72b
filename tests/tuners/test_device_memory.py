"""How much memory a GPU has to give, by fakes of NVIDIA's driver, TensorFlow and JAX."""

import types

import jax
import keras
import pytest
import tensorflow as tf

from tuner_app.tuners.stacked import lane_budget

GIB = 2**30
SMI = """#!/bin/sh
case "$*" in
*--id=1*) echo "30720, 40960" ;;
*--id=*) echo "No devices were found"; exit 6 ;;
*) printf '10240, 40960\\n30720, 40960\\n' ;;
esac
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def on_tensorflow(monkeypatch, growing: bool, used: int = 0) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    own = tf.config.experimental
    monkeypatch.setattr(own, "get_memory_growth", lambda device: growing)
    monkeypatch.setattr(own, "get_memory_info", lambda device: {"current": used})


def on_jax(monkeypatch, **stats: int) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    device = types.SimpleNamespace(memory_stats=lambda: stats or None)
    monkeypatch.setattr(jax, "devices", lambda: [device])


@pytest.mark.parametrize(("seen", "free"), [(None, 10), ("1", 30), ("1,0", 30)])
def test_what_grows_has_what_is_free_on_its_own_gpu(seen, free, driver, monkeypatch):
    on_tensorflow(monkeypatch, growing=True)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    assert lane_budget.free_memory() == free * GIB


def test_what_tensorflow_has_taken_for_itself_is_its_to_give(driver, monkeypatch):
    on_tensorflow(monkeypatch, growing=False, used=6 * GIB)
    assert lane_budget.free_memory() == pytest.approx(30 * GIB)


def test_a_gpu_that_the_driver_does_not_know_gives_little(driver, monkeypatch):
    on_tensorflow(monkeypatch, growing=True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    assert lane_budget.free_memory() == 2 * GIB


@pytest.mark.parametrize(
    ("stats", "free"),
    [
        # It may have 30 GiB, and others have left 10.
        ({"bytes_limit": 30 * GIB, "bytes_in_use": 0}, 10),
        # It has taken 20 already, 18 of which are not in use.
        ({"bytes_limit": 30 * GIB, "bytes_in_use": 2 * GIB, "pool_bytes": 20 * GIB}, 28),
        ({"bytes_limit": 8 * GIB, "bytes_in_use": 2 * GIB}, 6),
    ],
)
def test_jax_has_what_its_limit_and_others_leave(stats, free, driver, monkeypatch):
    on_jax(monkeypatch, **stats)
    assert lane_budget.free_memory() == free * GIB


def test_jax_without_a_gpu_has_the_hosts_memory(monkeypatch):
    on_jax(monkeypatch)
    monkeypatch.setattr(lane_budget, "_free_on_host", lambda: 5.0)
    assert lane_budget.free_memory() == 5.0
