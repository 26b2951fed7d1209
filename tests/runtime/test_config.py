"""`tf.config` on a machine with a CPU (what it says of GPUs is checked where there is one)."""

import os
import subprocess
import sys

import pytest

import everflow as tf
from everflow._src.runtime import config as implementation
from everflow._src.runtime.background import BACKGROUND

config = tf.config
CPU = config.list_physical_devices("CPU")[0]


@pytest.fixture
def settings(monkeypatch):
    """Settings that the test may change."""
    fresh = implementation._Settings()
    monkeypatch.setattr(implementation, "_SETTINGS", fresh)
    return fresh


def test_devices():
    assert tuple(CPU) == ("/physical_device:CPU:0", "CPU")
    assert config.list_physical_devices()[0] == CPU and config.list_physical_devices("cpu") == []
    assert config.get_visible_devices("CPU") == [CPU]
    assert config.list_logical_devices("CPU") == [config.LogicalDevice("/device:CPU:0", "CPU")]
    assert config.experimental.get_device_details(CPU) == {}
    assert tf.test.is_gpu_available() == bool(config.list_physical_devices("GPU"))
    assert tf.test.gpu_device_name() == ("/device:GPU:0" if tf.test.is_gpu_available() else "")


def test_visible_devices(settings):
    config.set_visible_devices([], "GPU")
    assert config.get_visible_devices() == [CPU] and not tf.test.is_gpu_available()
    config.set_visible_devices(CPU)
    assert config.get_visible_devices() == [CPU]
    with pytest.raises(ValueError, match="Unrecognized"):
        config.set_visible_devices([config.PhysicalDevice("a", "CPU")])
    with pytest.raises(ValueError, match="is no GPU"):
        config.set_visible_devices([CPU], "GPU")
    config.set_visible_devices(config.list_physical_devices())


def test_logical_devices(settings):
    assert config.get_logical_device_configuration(CPU) is None
    parts = [config.LogicalDeviceConfiguration()] * 2
    config.set_logical_device_configuration(CPU, parts)
    assert config.get_logical_device_configuration(CPU) == parts
    assert [d.name for d in config.list_logical_devices("CPU")] == ["/device:CPU:0", "/device:CPU:1"]
    with pytest.raises(ValueError, match="memory limit"):
        config.set_logical_device_configuration(CPU, [config.experimental.VirtualDeviceConfiguration(3)])
    with pytest.raises(ValueError, match="Unrecognized"):
        config.get_logical_device_configuration("cpu")


def test_memory():
    info = config.experimental.get_memory_info("CPU:0")
    assert 2**20 < info["current"] <= info["peak"]
    assert config.experimental.get_memory_usage("CPU:0") <= config.experimental.get_memory_info("/device:CPU:0")["peak"]
    config.experimental.reset_memory_stats("CPU:0")
    assert config.experimental.get_memory_info("CPU:0")["peak"] <= info["peak"]
    with pytest.raises(ValueError, match="GPU:99"):
        config.experimental.reset_memory_stats("GPU:99")
    with pytest.raises(ValueError, match="No matching devices"):
        config.experimental.get_memory_info("GPU:99")
    with pytest.raises(ValueError, match="no GPU"):
        config.experimental.set_memory_growth(CPU, True)
    with pytest.raises(KeyError):
        config.experimental.get_memory_growth(CPU)


def test_what_is_recorded(settings, monkeypatch):
    assert config.get_soft_device_placement() is True
    config.set_soft_device_placement(False)
    assert config.get_soft_device_placement() is False
    config.optimizer.set_jit(True)
    assert config.optimizer.get_jit() == "autoclustering"
    config.optimizer.set_jit("anything else")
    assert config.optimizer.get_jit() == ""
    config.optimizer.set_experimental_options({"constant_folding": True})
    assert config.optimizer.get_experimental_options() == {
        "constant_folding": True, "disable_model_pruning": False, "disable_meta_optimizer": False,
    }  # fmt: skip
    config.experimental.set_device_policy("warn")
    assert config.experimental.get_device_policy() == "warn"
    with pytest.raises(ValueError, match="device_policy"):
        config.experimental.set_device_policy("zzz")
    config.experimental.set_synchronous_execution(False)
    assert config.experimental.get_synchronous_execution() is False
    monkeypatch.setattr(BACKGROUND, "deterministic", False)  # restored afterwards, for the other tests
    config.experimental.enable_op_determinism()
    assert BACKGROUND.deterministic


SCRIPT = """
import os, sys
import everflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.experimental.enable_tensor_float_32_execution(False)
assert tf.config.threading.get_intra_op_parallelism_threads() == 1 and os.environ["NPROC"] == "1"
assert not tf.config.experimental.tensor_float_32_execution_enabled()
tf.config.threading.set_inter_op_parallelism_threads(0)
assert "jax" not in sys.modules
assert tf.function(lambda x: x + 1., jit_compile=True)(1.).numpy() == 2.
try:
    tf.config.threading.set_inter_op_parallelism_threads(2)
except RuntimeError:
    print("too late")
"""


def test_threads_are_set_before_anything_compiles():
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.stdout == "too late\n", done.stderr
