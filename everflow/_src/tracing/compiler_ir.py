"""What XLA is given of a function, and what it makes of it, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.runtime.compiler import CompiledStep, cut
from everflow._src.runtime.frames import HOST_FRAME, program_of
from everflow._src.runtime.jax_backend import jax_modules

STAGES = ("hlo", "hlo_serialized", "optimized_hlo", "optimized_hlo_serialized")


def compiler_ir(concrete: Any, arguments: Sequence[Any]) -> Callable[..., str | bytes]:
    """The function that returns XLA's intermediate representation of a trace.

    Args:
      concrete: the trace.
      arguments: a tensor or `tf.TensorSpec` per tensor argument.

    Raises:
      ValueError: a shape is unknown, or an operation of it runs on the host.
    """
    values = []
    for argument in arguments:
        if isinstance(argument, TensorSpec):
            if not argument.shape.is_fully_defined():
                raise ValueError(f"Only support static input shape but got inputs = {list(arguments)}")
            values.append(np.zeros(argument.shape.as_list(), argument.dtype.as_numpy_dtype))
        else:
            values.append(argument._value if isinstance(argument, Tensor) else np.asarray(argument))
    program = program_of(concrete.function)
    env = program.environment([*values, *(t._value for t in concrete.captured_inputs)])
    steps = cut(program, program.instructions)
    if len(steps) != 1 or not isinstance(steps[0], CompiledStep):
        reasons = {f"{i.card.name} {i.op.name!r}: {i.host_reason}" for i in program.instructions if i.host}
        raise ValueError(f"{concrete.function.name} is not one compiled program: {'; '.join(sorted(reasons))}")
    step = steps[0]

    def lowered() -> Any:
        with jax_modules().x64():
            return step.executable(env, HOST_FRAME).lowered([env[slot] for slot in step.input_slots])

    def stage_of(stage: str = "hlo", device_name: str | None = None, platform_name: str | None = None) -> str | bytes:
        """The representation at one of STAGES, of the device that jax compiles for."""
        if stage not in STAGES:
            raise ValueError(f"Invalid stage selected: {stage!r}. Valid values are: {', '.join(map(repr, STAGES))}")
        with jax_modules().x64():
            form = lowered()
            if stage == "hlo":
                return form.compiler_ir("hlo").as_hlo_text()
            if stage == "hlo_serialized":
                return form.compiler_ir("hlo").as_serialized_hlo_module_proto()
            (module,) = jax_modules().compile_for_cpu(form).runtime_executable().hlo_modules()
            return module.to_string() if stage == "optimized_hlo" else module.as_serialized_hlo_module_proto()

    return stage_of
