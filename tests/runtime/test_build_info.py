"""What the installation says of itself."""

import everflow as tf
from everflow._src.runtime import build_info


def test_follows_the_plugins_that_are_installed(monkeypatch):
    monkeypatch.setattr(build_info, "_CUDA_PLUGINS", ("no_such_plugin",))
    assert not tf.test.is_built_with_cuda()
    monkeypatch.setattr(build_info, "_CUDA_PLUGINS", ("no_such_plugin", "numpy"))
    assert tf.test.is_built_with_cuda() and tf.test.is_built_with_gpu_support()
    assert tf.sysconfig.get_build_info()["is_cuda_build"]


def test_the_keys_are_those_of_tensorflow():
    assert {"is_cuda_build", "is_rocm_build", "is_tensorrt_build"} <= set(tf.sysconfig.get_build_info())
