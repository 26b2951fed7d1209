"""`tf.config`: which devices there are, which of them are used, and how."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from everflow._src.framework.export import export
from everflow._src.runtime import devices, memory
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.jax_backend import jax_is_loaded, jax_modules


@export("config.PhysicalDevice", v1=["config.PhysicalDevice"])
class PhysicalDevice(NamedTuple):
    """A processor of this machine."""

    name: str
    device_type: str


@export("config.LogicalDevice", v1=["config.LogicalDevice"])
class LogicalDevice(NamedTuple):
    """What a device scope can name: a processor, or a part of one."""

    name: str
    device_type: str


@export("config.LogicalDeviceConfiguration", "config.experimental.VirtualDeviceConfiguration",
        v1=["config.LogicalDeviceConfiguration", "config.experimental.VirtualDeviceConfiguration"])
class LogicalDeviceConfiguration(NamedTuple):
    """How a part of a processor is set up.

    Attributes:
      memory_limit: MiB of memory, of a GPU.
      experimental_priority: accepted.
      experimental_device_ordinal: accepted.
    """

    memory_limit: int | None = None
    experimental_priority: int | None = None
    experimental_device_ordinal: int | None = None


class _Settings:
    """What programs have set in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.soft_placement = True
        self.threads = {"Intra": 0, "Inter": 0}
        self.device_policy = "silent"
        self.tensor_float_32 = True
        self.synchronous = True
        self.jit = ""
        self.optimizer: dict[str, bool] = {}
        self.logical: dict[PhysicalDevice, list[LogicalDeviceConfiguration]] = {}
        self.cpu_visible = True


_SETTINGS = _Settings()
_CPU = PhysicalDevice("/physical_device:CPU:0", "CPU")


def _gpus() -> list[PhysicalDevice]:
    # Finding accelerators loads jax, which takes a moment: not where no plugin of it could find any.
    if not jax_is_loaded() and not any(map(importlib.util.find_spec, ("jax_plugins", "libtpu"))):
        return []
    return [PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(len(devices.all_accelerators()))]


# ---- devices


@export("config.list_physical_devices", "config.experimental.list_physical_devices",
        v1=["config.list_physical_devices", "config.experimental.list_physical_devices"])
def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The processors of this machine that everflow can use.

    Args:
      device_type: "CPU" or "GPU", for those of one kind; None for all.

    >>> import everflow as tf
    >>> tf.config.list_physical_devices("CPU")
    [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]
    """
    found = [_CPU] if device_type in (None, "CPU") else []
    return found + _gpus() if device_type in (None, "GPU") else found


@export("config.get_visible_devices", "config.experimental.get_visible_devices",
        v1=["config.get_visible_devices", "config.experimental.get_visible_devices"])
def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The processors that operations may run on."""
    visible = []
    for device in list_physical_devices(device_type):
        index = int(device.name.rpartition(":")[2])
        if _SETTINGS.cpu_visible if device.device_type == "CPU" else index not in devices.HIDDEN:
            visible.append(device)
    return visible


@export("config.set_visible_devices", "config.experimental.set_visible_devices",
        v1=["config.set_visible_devices", "config.experimental.set_visible_devices"])
def set_visible_devices(devices_to_show: Any, device_type: str | None = None) -> None:
    """Chooses the processors that operations may run on.

    Args:
      devices_to_show: a PhysicalDevice or a list of them.
      device_type: the kind to which the choice applies; None for all.

    Raises:
      ValueError: there is no such device, or it is of another kind.
    """
    chosen = [devices_to_show] if isinstance(devices_to_show, PhysicalDevice) else list(devices_to_show or ())
    known = list_physical_devices()
    for device in chosen:
        if device not in known:
            raise ValueError(f"Unrecognized device: {device!r}. There are: {known}")
        if device_type is not None and device.device_type != device_type:
            raise ValueError(f"Unrecognized device: {device!r} is no {device_type}")
    if device_type in (None, "CPU"):
        _SETTINGS.cpu_visible = _CPU in chosen
    if device_type in (None, "GPU"):
        devices.HIDDEN.clear()
        devices.HIDDEN.update(i for i, device in enumerate(_gpus()) if device not in chosen)


@export("config.get_logical_device_configuration", "config.experimental.get_virtual_device_configuration",
        v1=["config.get_logical_device_configuration", "config.experimental.get_virtual_device_configuration"])
def get_logical_device_configuration(device: PhysicalDevice) -> list[LogicalDeviceConfiguration] | None:
    """The parts into which a processor was divided, or None.

    Raises:
      ValueError: there is no such device.
    """
    _check_device(device)
    return _SETTINGS.logical.get(device)


@export("config.set_logical_device_configuration", "config.experimental.set_virtual_device_configuration",
        v1=["config.set_logical_device_configuration", "config.experimental.set_virtual_device_configuration"])
def set_logical_device_configuration(device: PhysicalDevice, logical_devices: Sequence[LogicalDeviceConfiguration]
                                     ) -> None:
    """Divides a processor into several logical devices.

    Args:
      device: the processor.
      logical_devices: one configuration per part. Parts share the processor; limits of memory are not enforced.

    Raises:
      ValueError: there is no such device, or a part of the CPU has a limit of memory.
    """
    _check_device(device)
    for configuration in logical_devices:
        if device.device_type == "CPU" and configuration.memory_limit is not None:
            raise ValueError("Setting memory limit on CPU virtual devices is currently not supported")
    _SETTINGS.logical[device] = list(logical_devices)


def _check_device(device: Any) -> None:
    if device not in list_physical_devices():
        raise ValueError(f"Unrecognized device: {device!r}")


@export("config.list_logical_devices", "config.experimental.list_logical_devices",
        v1=["config.list_logical_devices", "config.experimental.list_logical_devices"])
def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The devices that a device scope can name.

    >>> import everflow as tf
    >>> tf.config.list_logical_devices("CPU")
    [LogicalDevice(name='/device:CPU:0', device_type='CPU')]
    """
    counts: dict[str, int] = {}
    result = []
    for device in get_visible_devices(device_type):
        for _ in _SETTINGS.logical.get(device) or (None,):
            index = counts.get(device.device_type, 0)
            counts[device.device_type] = index + 1
            result.append(LogicalDevice(f"/device:{device.device_type}:{index}", device.device_type))
    return result


@export("config.experimental.get_device_details", v1=["config.experimental.get_device_details"])
def get_device_details(device: PhysicalDevice) -> dict[str, Any]:
    """What is known of a processor; empty for the CPU.

    Raises:
      ValueError: `device` is no PhysicalDevice.
    """
    if not isinstance(device, PhysicalDevice):
        raise ValueError(f"device must be a tf.config.PhysicalDevice, but got: {device!r}")
    if device.device_type == "CPU":
        return {}
    found = devices.all_accelerators()[int(device.name.rpartition(":")[2])]
    details: dict[str, Any] = {"device_name": found.device_kind}
    capability = getattr(found, "compute_capability", None)
    if capability:
        details["compute_capability"] = tuple(int(part) for part in str(capability).split("."))
    return details


# ---- memory


@export("config.experimental.get_memory_growth", v1=["config.experimental.get_memory_growth"])
def get_memory_growth(device: PhysicalDevice) -> bool:
    """Whether a GPU's memory is taken as it is needed; it is unless a program says otherwise.

    Raises:
      KeyError: `device` is no GPU.
    """
    if device not in _gpus():
        raise KeyError(device)
    return os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false").lower() in ("0", "false")


@export("config.experimental.set_memory_growth", v1=["config.experimental.set_memory_growth"])
def set_memory_growth(device: PhysicalDevice, enable: bool) -> None:
    """Chooses whether a GPU's memory is taken as it is needed, or at once.

    Raises:
      ValueError: `device` is no GPU.
      RuntimeError: something was computed already, so that memory was taken.
    """
    if device not in _gpus():
        raise ValueError(f"Cannot set memory growth on {device!r}: it is no GPU")
    if enable == get_memory_growth(device):
        return
    if jax_is_loaded():
        raise RuntimeError("Physical devices cannot be modified after being initialized")
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false" if enable else "true"


def _is_cpu(device: str) -> bool:
    return _short_name(device) in ("CPU", "CPU:0")


def _short_name(device: str) -> str:
    return str(device).rpartition("/")[2].removeprefix("device:").upper()


def _statistics(device: str) -> dict[str, Any]:
    if _is_cpu(device):
        # NumPy and XLA share the memory of the process, and so does everything else in it.
        return {"bytes_in_use": memory.resident(), "peak_bytes_in_use": memory.peak()}
    kind, _, index = _short_name(device).partition(":")
    found = devices.accelerators() if kind == "GPU" and _gpus() else []
    if not (index or "0").isdigit() or int(index or 0) >= len(found):
        raise ValueError(f"No matching devices found for '{device}'")
    return found[int(index or 0)].memory_stats() or {}


@export("config.experimental.get_memory_info", v1=["config.experimental.get_memory_info"])
def get_memory_info(device: str) -> dict[str, int]:
    """Bytes in use on a device, now ("current") and at most so far ("peak").

    For the CPU it is the resident memory of the process, where TensorFlow raises an error.

    Raises:
      ValueError: there is no such device.
    """
    found = _statistics(device)
    return {"current": found.get("bytes_in_use", 0), "peak": found.get("peak_bytes_in_use", 0)}


@export("config.experimental.get_memory_usage", v1=["config.experimental.get_memory_usage"])
def get_memory_usage(device: str) -> int:
    """Bytes in use on a device now; the former `get_memory_info(device)["current"]`."""
    return get_memory_info(device)["current"]


@export("config.experimental.reset_memory_stats", v1=["config.experimental.reset_memory_stats"])
def reset_memory_stats(device: str) -> None:
    """Starts `get_memory_info(device)["peak"]` anew, from what is in use now.

    Raises:
      ValueError: there is no such device, or its peak cannot be reset.
    """
    _statistics(device)
    if not _is_cpu(device) or not memory.forget_peak():
        raise ValueError(f"Cannot reset memory stats for device '{device}'")


# ---- threads


def _set_threads(kind: str, count: int) -> None:
    if count == _SETTINGS.threads[kind]:
        return
    if jax_is_loaded():
        raise RuntimeError(f"{kind} op parallelism cannot be modified after initialization.")
    _SETTINGS.threads[kind] = count
    if kind == "Intra" and count:
        os.environ["NPROC"] = str(count)  # the size of XLA's pool of threads


@export("config.threading.get_intra_op_parallelism_threads", v1=["config.threading.get_intra_op_parallelism_threads"])
def get_intra_op_parallelism_threads() -> int:
    """Number of threads inside of one operation; 0 says that everflow chooses."""
    return _SETTINGS.threads["Intra"]


@export("config.threading.set_intra_op_parallelism_threads", v1=["config.threading.set_intra_op_parallelism_threads"])
def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Chooses the number of threads inside of one compiled operation.

    Raises:
      RuntimeError: something was compiled already.
    """
    _set_threads("Intra", num_threads)


@export("config.threading.get_inter_op_parallelism_threads", v1=["config.threading.get_inter_op_parallelism_threads"])
def get_inter_op_parallelism_threads() -> int:
    """Number of operations that run at once; 0 says that everflow chooses."""
    return _SETTINGS.threads["Inter"]


@export("config.threading.set_inter_op_parallelism_threads", v1=["config.threading.set_inter_op_parallelism_threads"])
def set_inter_op_parallelism_threads(num_threads: int) -> None:
    """Accepted: the operations of a compiled program share one pool of threads.

    Raises:
      RuntimeError: something was compiled already.
    """
    _set_threads("Inter", num_threads)


# ---- how operations run


@export("config.get_soft_device_placement", v1=["config.get_soft_device_placement"])
def get_soft_device_placement() -> bool:
    """Whether operations run elsewhere when the device they ask for is missing."""
    return _SETTINGS.soft_placement


@export("config.set_soft_device_placement", v1=["config.set_soft_device_placement"])
def set_soft_device_placement(enabled: bool) -> None:
    """Recorded: operations always run elsewhere when the device they ask for is missing."""
    _SETTINGS.soft_placement = enabled


@export("config.experimental.get_device_policy", v1=["config.experimental.get_device_policy"])
def get_device_policy() -> str:
    """What happens when operands lie on another device than the operation; "silent" moves them."""
    return _SETTINGS.device_policy


@export("config.experimental.set_device_policy", v1=["config.experimental.set_device_policy"])
def set_device_policy(device_policy: str | None) -> None:
    """Recorded: operands always move silently.

    Raises:
      ValueError: there is no such policy.
    """
    policies = ("explicit", "warn", "silent", "silent_for_int32")
    if device_policy is not None and device_policy not in policies:
        raise ValueError(f"Invalid argument `device_policy`: {device_policy!r}; expected one of {policies}, or None")
    _SETTINGS.device_policy = "silent" if device_policy is None else device_policy


@export("config.experimental.get_synchronous_execution", v1=["config.experimental.get_synchronous_execution"])
def get_synchronous_execution() -> bool:
    """Whether eager operations are done when their call returns."""
    return _SETTINGS.synchronous


@export("config.experimental.set_synchronous_execution", v1=["config.experimental.set_synchronous_execution"])
def set_synchronous_execution(enable: bool) -> None:
    """Recorded: eager operations on the CPU are always done when their call returns."""
    _SETTINGS.synchronous = enable


@export("config.experimental.enable_op_determinism", v1=[])
def enable_op_determinism() -> None:
    """Has every run of a program give the same results: which calls run compiled does not depend on time.

    A function is then compiled at its second call, which waits for it.  NumPy and XLA agree in the last digits
    only as far as rounding lets them, so otherwise it shows there when a program changed over.
    """
    BACKGROUND.deterministic = True


@export("config.experimental.tensor_float_32_execution_enabled",
        v1=["config.experimental.tensor_float_32_execution_enabled"])
def tensor_float_32_execution_enabled() -> bool:
    """Whether GPUs may compute float32 products in TensorFloat-32."""
    return _SETTINGS.tensor_float_32


@export("config.experimental.enable_tensor_float_32_execution",
        v1=["config.experimental.enable_tensor_float_32_execution"])
def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Chooses whether GPUs may compute float32 products in TensorFloat-32, which is quicker and less exact."""
    _SETTINGS.tensor_float_32 = enabled
    precision = None if enabled else "highest"
    if jax_is_loaded():
        jax_modules().jax.config.update("jax_default_matmul_precision", precision)
    elif precision is None:
        os.environ.pop("JAX_DEFAULT_MATMUL_PRECISION", None)
    else:
        os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = precision


@export("config.optimizer.get_jit", v1=["config.optimizer.get_jit"])
def get_jit() -> str:
    """What `set_jit` was told: "autoclustering" or ""."""
    return _SETTINGS.jit


@export("config.optimizer.set_jit", v1=["config.optimizer.set_jit"])
def set_jit(enabled: bool | str) -> None:
    """Recorded: programs that run often are compiled in any case.

    Args:
      enabled: True or "autoclustering"; False or "".
    """
    _SETTINGS.jit = "autoclustering" if enabled in (True, "autoclustering") else ""


@export("config.optimizer.get_experimental_options", v1=["config.optimizer.get_experimental_options"])
def get_experimental_options() -> dict[str, bool]:
    """What `set_experimental_options` was told."""
    return {**_SETTINGS.optimizer, "disable_model_pruning": _SETTINGS.optimizer.get("disable_model_pruning", False),
            "disable_meta_optimizer": _SETTINGS.optimizer.get("disable_meta_optimizer", False)}


@export("config.optimizer.set_experimental_options", v1=["config.optimizer.set_experimental_options"])
def set_experimental_options(options: dict[str, bool]) -> None:
    """Recorded: XLA chooses its own optimizations."""
    _SETTINGS.optimizer = dict(options)


# ---- tests


@export("test.is_gpu_available", v1=["test.is_gpu_available"])
def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: tuple[int, int] | None = None) -> bool:
    """Whether there is a GPU that operations may run on.

    Args:
      cuda_only: accepted; GPUs are those that jax finds.
      min_cuda_compute_capability: the least compute capability that counts, (major, minor).
    """
    for device in get_visible_devices("GPU"):
        capability = get_device_details(device).get("compute_capability", (0, 0))
        if min_cuda_compute_capability is None or capability >= tuple(min_cuda_compute_capability):
            return True
    return False


@export("test.gpu_device_name", v1=["test.gpu_device_name"])
def gpu_device_name() -> str:
    """The name of the first GPU, or ""."""
    return "/device:GPU:0" if is_gpu_available() else ""
