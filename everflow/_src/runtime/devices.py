"""Devices: the CPU, and what jax finds besides."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from everflow._src.framework.registry import Card
from everflow._src.framework.tensor import CPU, DeviceTensor, EagerTensor, install_device_copier
from everflow._src.runtime.compiler import TraceFrame
from everflow._src.runtime.failures import explain
from everflow._src.runtime.frames import HOST_FRAME, EagerOp
from everflow._src.runtime.jax_backend import jax_modules

# Numbers of accelerators that the program does not want to use.
HIDDEN: set[int] = set()


def all_accelerators() -> list[Any]:
    """The jax devices that are no CPU."""
    jax = jax_modules().jax
    return [d for d in jax.devices() if d.platform != "cpu"]


def accelerators() -> list[Any]:
    """Those of them that may be used."""
    return [d for i, d in enumerate(all_accelerators()) if i not in HIDDEN]


def has_accelerator() -> bool:
    """True when jax finds a device besides the CPU."""
    return bool(accelerators())


class DeviceAttributes(NamedTuple):
    """What `Session.list_devices` tells of a device."""

    name: str
    device_type: str
    memory_limit_bytes: int
    incarnation: int


def describe_devices() -> list[DeviceAttributes]:
    """The CPU, and the accelerators that jax finds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    result = [DeviceAttributes(CPU, "CPU", memory, 1)]
    for index, device in enumerate(accelerators()):
        limit = (device.memory_stats() or {}).get("bytes_limit", 0)
        name = f"{CPU.rpartition('/')[0]}/device:GPU:{index}"
        result.append(DeviceAttributes(name, "GPU", limit, index + 2))
    return result


def run_on_accelerator(card: Card, flat: list[Any], attrs: dict[str, Any], name: str | None) -> Any:
    """Computes one eager operation where its operands lie."""
    modules = jax_modules()
    xla = card.xla is not None
    kernel = card.bind(attrs, EagerOp(card, attrs), xla=xla)
    wants = card.xla_wants if xla else card.kernel_wants
    first = modules.jax if xla else modules.numpy
    static = card.static_positions
    values = [t._array if i in static or card.shape_only else t._value for i, t in enumerate(flat)]
    arguments = card.group(values, attrs)
    try:
        with modules.x64():
            if "frame" in wants:
                return kernel(first, *arguments, frame=TraceFrame(HOST_FRAME, {}, modules))
            return kernel(first, *arguments)
    except Exception as error:
        raise explain(error, card, values, None, name).with_traceback(None) from None


def copy_to_device(tensor: EagerTensor, device: str) -> EagerTensor:
    """A copy of `tensor` on `device`, such as "/gpu:0".

    Raises:
      RuntimeError: there is no such device.
    """
    wanted = device.upper()
    index = int(device.rpartition(":")[2]) if device.rpartition(":")[2].isdigit() else 0
    if "CPU" in wanted:
        return EagerTensor(tensor._array)
    found = accelerators()
    if index >= len(found):
        raise RuntimeError(
            f"Error copying tensor to device: {device}. jax finds {len(found)} device(s) besides the CPU; "
            "`everflow doctor` says what is installed"
        )
    modules = jax_modules()
    with modules.x64():
        return DeviceTensor(modules.jax.device_put(tensor._value, found[index]))


install_device_copier(copy_to_device)
