"""Recurrent layers and cells by the native kernels, on NumPy arrays and inside of compiled programs.

XLA's loop over time calls several small kernels in every step, whose threads wait for each other; the native ones cut
the batch into parts that go through all steps by themselves. Sequences are [time, batch, size].

`eager` and `compiled` return None where the kernels are missing or do not take the operands; the caller then goes on
with NumPy or XLA.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from everflow._src.runtime.native.convolution import with_vmap
from everflow._src.runtime.native.library import compiled_library, library
from everflow._src.runtime.native.product import is_left_to_xla

LSTM, LSTM_GRADIENT, LSTM_CELL, LSTM_CELL_GRADIENT, GRU_CELL, GRU_CELL_GRADIENT = range(6)
# Kinds whose first operand is the number of steps that count.
_WITH_LENGTH = (LSTM, LSTM_GRADIENT)
_LARGEST = 2 ** 29
_FLOAT = np.dtype(np.float32)
# Fewer multiplications than this are done in a cell before a call has crossed over: in a program by XLA, and by NumPy,
# to which calls cost more; and the gradient of an LSTM's cell, which has no product, of fewer elements.
_LEAST_CELL_WORK = 1000
_LEAST_EAGER_CELL_WORK = 100_000
_LEAST_EAGER_ELEMENTS = 8192


class Form(NamedTuple):
    """What a layer is, besides its operands.

    kind: one of the above. is_keras_order: gates in the order input, forget, candidate, output; otherwise input,
    candidate, forget, output. by_sums: LSTM_GRADIENT gives the gradient by the sums that go into the gates in place of
    the one by x. The operands and results of each kind are listed in kernels/recurrent.h.
    """

    kind: int
    steps: int
    batch: int
    size: int
    cells: int
    is_keras_order: bool = False
    use_peephole: bool = False
    forget_bias: float = 0.0
    cell_clip: float = 0.0
    by_sums: bool = False

    def numbers(self) -> np.ndarray | None:
        """The description that `RecurrentShape` in kernels/recurrent.h reads; None for what it does not take."""
        if not all(0 < n < _LARGEST for n in self[1:5]):
            return None
        bits = np.array([self.forget_bias, self.cell_clip], np.float32).view(np.uint32)
        return np.array([self.kind, self.is_keras_order, *self[1:5], self.use_peephole, self.by_sums, *bits], np.int64)

    def result_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the results."""
        _, steps, batch, size, cells, *_ = self
        state, columns = (batch, cells), 4 * cells
        first = (steps, batch, columns if self.by_sums else size)
        peepholes = [(cells,)] * 3
        shapes: dict[int, list[tuple[int, ...]]] = {
            LSTM: [(steps, *state)] * 7,
            LSTM_GRADIENT: [first, state, state, (size + cells, columns), *peepholes, (columns,)],
            LSTM_CELL: [state] * 7,
            LSTM_CELL_GRADIENT: [state, (batch, columns), *peepholes],
            GRU_CELL: [state] * 4,
            GRU_CELL_GRADIENT: [(batch, size), state, state, (batch, 2 * cells)],
        }
        return shapes[self.kind]


def _are_taken(form: Form, operands: Sequence[Any]) -> bool:
    return all(v.dtype == _FLOAT for v in operands[form.kind in _WITH_LENGTH:])


@functools.lru_cache(maxsize=1024)
def _described(form: Form) -> tuple[np.ndarray | None, list[tuple[int, ...]]]:
    return form.numbers(), form.result_shapes()


def eager(form: Form, *operands: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """The results for NumPy arrays, whose shapes have been checked."""
    if not _is_faster_than_numpy(form) or not _are_taken(form, operands):
        return None
    found = library()
    if found is None:
        return None
    numbers, shapes = _described(form)
    if numbers is None:
        return None
    given = [np.ascontiguousarray(v) for v in operands]
    if form.kind in _WITH_LENGTH:
        given[0] = given[0].astype(np.int64, copy=False)
    results = tuple([np.empty(shape, np.float32) for shape in shapes])
    found.call_with_table("everflow_recurrent", numbers, *given, *results)
    return results


def compiled(jax: Any, form: Form, otherwise: Callable[..., Any], *operands: Any) -> tuple[Any, ...] | None:
    """The same of tracers, as a call inside of the program that is being compiled.

    Args:
      jax: the module.
      form: what is computed.
      otherwise: computes the same of the operands by XLA; it stands in under `vmap`.
      operands: as kernels/recurrent.h lists them, behind the number of steps that count where the kind has one.
    """
    numbers = form.numbers()
    if numbers is None or not _are_taken(form, operands) or not _is_faster_than_xla(form):
        return None
    if compiled_library(jax) is None:
        return None
    target = jax.ffi.ffi_call(
        "everflow_recurrent", tuple(jax.ShapeDtypeStruct(shape, np.float32) for shape in form.result_shapes()))
    given = list(operands)
    if form.kind in _WITH_LENGTH:
        given[0] = given[0].astype(np.int64)
    return tuple(with_vmap(jax, lambda *given: tuple(target(*given, numbers=numbers)), otherwise)(*given))


def _cell_work(form: Form) -> int:
    return form.batch * form.cells * (form.size + form.cells)


def _is_faster_than_numpy(form: Form) -> bool:
    """A layer always is."""
    if form.kind == LSTM_CELL_GRADIENT:
        return form.batch * form.cells >= _LEAST_EAGER_ELEMENTS
    return form.kind in _WITH_LENGTH or _cell_work(form) >= _LEAST_EAGER_CELL_WORK


def _is_faster_than_xla(form: Form) -> bool:
    """A layer always is. In a loop over steps of a cell, products of the inputs leave the loop if they are XLA's."""
    return form.kind in _WITH_LENGTH or not is_left_to_xla() and _cell_work(form) >= _LEAST_CELL_WORK
