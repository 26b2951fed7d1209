"""What this installation was made with: `tf.sysconfig`, `tf.test.is_built_with_*`."""

from __future__ import annotations

import collections
import importlib.metadata
import importlib.util
from typing import Any

from everflow._src.framework.export import export

# jax finds CUDA and ROCm through plug-ins, packages of their own, named after the version they are built for.
_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
_ROCM_PLUGINS = ("jax_rocm7_plugin", "jax_rocm60_plugin")


def _is_installed(modules: tuple[str, ...]) -> bool:
    return any(importlib.util.find_spec(module) is not None for module in modules)


@export("test.is_built_with_cuda")
def is_built_with_cuda() -> bool:
    """True when the CUDA plug-in of jax is installed (`pip install 'everflow[cuda]'`)."""
    return _is_installed(_CUDA_PLUGINS)


@export("test.is_built_with_rocm")
def is_built_with_rocm() -> bool:
    """True when the ROCm plug-in of jax is installed."""
    return _is_installed(_ROCM_PLUGINS)


@export("test.is_built_with_gpu_support")
def is_built_with_gpu_support() -> bool:
    """True when a plug-in of jax for GPUs is installed; whether there is a GPU is another question."""
    return is_built_with_cuda() or is_built_with_rocm()


@export("test.is_built_with_xla")
def is_built_with_xla() -> bool:
    """True: XLA compiles what runs often.

    >>> import everflow as tf
    >>> tf.test.is_built_with_xla()
    True
    """
    return True


@export("sysconfig.get_build_info")
def get_build_info() -> collections.OrderedDict[str, Any]:
    """What this installation can use, by TensorFlow's keys.

    Returns:
      A dictionary with `is_cuda_build`, `is_rocm_build` and `is_tensorrt_build`; with CUDA also with
      the versions of the libraries that are installed as Python packages.

    >>> import everflow as tf
    >>> tf.sysconfig.get_build_info()["is_tensorrt_build"]
    False
    """
    info: collections.OrderedDict[str, Any] = collections.OrderedDict(
        is_cuda_build=is_built_with_cuda(), is_rocm_build=is_built_with_rocm(), is_tensorrt_build=False
    )
    if info["is_cuda_build"]:
        for key, packages in (
            ("cuda_version", ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime")),
            ("cudnn_version", ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13")),
        ):
            for package in packages:
                try:
                    info[key] = importlib.metadata.version(package)
                    break
                except importlib.metadata.PackageNotFoundError:
                    continue
    return info
