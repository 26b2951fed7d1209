"""Traced runs: how long each operation of one `Session.run` took, as a RunMetadata message.

Format: tensorflow/core/framework/step_stats.proto, which the timeline of tf.compat.v1 programs reads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from everflow._src.framework.tensor import CPU
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.program import Instruction, Program, interpret, on_host
from everflow._src.runtime.quiet import be_loud, be_quiet


def wants_trace(options: Any, run_metadata: Any) -> bool:
    """True when a RunOptions message asks for times and there is a message to put them into."""
    return run_metadata is not None and options is not None and options.trace_level != options.NO_TRACE


def run_traced(program: Program, arguments: Sequence[Any], frame: Any, run_metadata: Any) -> list[Any]:
    """Runs the program with NumPy, one operation after the other, and notes the times in `run_metadata`."""
    stats = run_metadata.step_stats.dev_stats.add(device=CPU)
    env = program.environment([on_host(a) for a in arguments])
    token = be_quiet()
    try:
        for instruction in program.instructions:
            started = time.time_ns()
            interpret([instruction], env, frame)
            _note(stats, instruction, env, started, time.time_ns() - started)
        return program.results(env, frame)
    finally:
        be_loud(token)


def _note(stats: Any, instruction: Instruction, env: Sequence[Any], started: int, duration: int) -> None:
    op = instruction.op
    inputs = ", ".join(tensor.op.name for tensor in op.inputs)
    node = stats.node_stats.add(
        node_name=op.name,
        all_start_micros=started // 1000,
        op_end_rel_micros=duration // 1000,
        all_end_rel_micros=duration // 1000,
        scheduled_micros=started // 1000,
        all_start_nanos=started,
        op_end_rel_nanos=duration,
        all_end_rel_nanos=duration,
        scheduled_nanos=started,
        timeline_label=f"{op.name} = {op.type}({inputs})",
    )
    for index, (tensor, slot) in enumerate(zip(op.outputs, instruction.outputs)):
        value = env[slot]
        if not hasattr(value, "nbytes"):
            continue
        output = node.output.add(slot=index).tensor_description
        output.dtype = tensor.dtype.base_dtype.as_datatype_enum
        output.shape.CopyFrom(TensorShape(value.shape).as_proto())
        output.allocation_description.requested_bytes = value.nbytes
        output.allocation_description.allocator_name = "cpu"
