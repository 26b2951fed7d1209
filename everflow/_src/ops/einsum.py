"""Einstein sums: products and sums over labelled axes."""

from __future__ import annotations

import functools
import math
from collections import Counter
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.linalg_products import compiled_product
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_SMALL_FLOATS = frozenset(d.numpy_dtype for d in (dtypes.float16, dtypes.bfloat16))
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


# ---- equations


def parse_equation(equation: str, count: int) -> tuple[list[str], str]:
    """The labels of every input and of the output.

    Raises:
      ValueError: the equation is no equation, or one for another number of inputs.
    """
    text = equation.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    for labels in [*inputs, output]:
        letters = labels.replace("...", "", 1)
        if not all(c.isalpha() for c in letters):
            raise ValueError(
                f"Indices have incorrect format: {equation!r}. Labels are letters, and '...' may stand "
                "once in each of the inputs and in the output"
            )
    if len(inputs) != count:
        raise ValueError(f'Got {count} inputs for equation "{equation}", expecting {len(inputs)}')
    if not arrow:
        counts = Counter(left.replace(",", "").replace("...", ""))
        output = "".join(sorted(c for c, n in counts.items() if n == 1))
        if "..." in left:
            output = "..." + output
    unknown = set(output.replace("...", "")) - set(left)
    if unknown:
        raise ValueError(
            f"Output subscripts contain the label {sorted(unknown)[0]!r} that no input has, in {equation!r}"
        )
    return inputs, output


def _split(labels: str, rank: int, equation: str) -> tuple[str, int, str]:
    """Labels before the ellipsis, the number of axes that it stands for, labels after."""
    before, dots, after = labels.partition("...")
    missing = rank - len(before) - len(after)
    if missing < 0 or missing and not dots:
        raise ValueError(
            f"Unexpected number of axes: {rank} for the labels {labels!r} of the equation {equation!r}"
        )
    return before, missing, after


# ---- kernels


def _named_output(inputs: list[str], output: str) -> tuple[str, list[tuple[str, str]]]:
    """An output in which every label stands once, and pairs of labels whose axes form a diagonal."""
    used = set("".join(inputs))
    free = (c for c in _LETTERS if c not in used)
    result, pairs = "", []
    for label in output:
        if label.isalpha() and label in result:
            other = next(free)
            pairs.append((label, other))
            label = other
        result += label
    return result, pairs


def _contract(xp: Any, equation: str, operands: list[Any]) -> Any:
    if xp is not np:
        return xp.einsum(equation, *operands)
    dtype = operands[0].dtype
    if dtype in _SMALL_FLOATS:
        return np.einsum(equation, *[x.astype(np.float32) for x in operands], optimize=True).astype(dtype)
    if len(operands) == 1:
        return np.einsum(equation, operands[0])
    return np.einsum(equation, *operands, optimize=True)


def _prepared(operands: list[Any], equation: str) -> tuple[list[str], str, list[Any]]:
    """Labels and operands for a contraction in which no label stands twice in the output."""
    inputs, output = parse_equation(equation, len(operands))
    sizes: dict[str, int] = {}
    for labels, operand in zip(inputs, operands):
        before, _, after = _split(labels, operand.ndim, equation)
        axes = [*enumerate(before), *((operand.ndim - len(after) + i, c) for i, c in enumerate(after))]
        for axis, label in axes:
            size = operand.shape[axis]
            if sizes.setdefault(label, size) != size:
                raise invalid(
                    f"Expected dimension {sizes[label]} at axis {axis} of the input shaped "
                    f"{list(operand.shape)} but got dimension {size}"
                )
    if len(set(output.replace("...", ""))) != len(output.replace("...", "")):
        output, pairs = _named_output(inputs, output)
        operands, inputs = list(operands), list(inputs)
        for label, other in pairs:
            operands.append(np.eye(sizes[label]).astype(operands[0].dtype))
            inputs.append(label + other)
    if "..." not in output:
        widths = [_split(labels, x.ndim, equation)[1] for labels, x in zip(inputs, operands) if "..." in labels]
        if any(widths):
            raise invalid(f"Output contains {max(widths)} broadcasting dimension(s) but no ellipsis (...)")
        inputs = [labels.replace("...", "") for labels in inputs]
    return inputs, output, operands


def _einsum(xp: Any, operands: list[Any], *, equation: str) -> Any:
    inputs, output, operands = _prepared(operands, equation)
    return _contract(xp, ",".join(inputs) + "->" + output, operands)


def _einsum_xla(jax: Any, operands: list[Any], *, equation: str) -> Any:
    inputs, output, operands = _prepared(operands, equation)
    if len(operands) == 2 and all(x.dtype == np.float32 and x.size for x in operands):
        result = _as_product(jax, inputs, output, operands)
        if result is not None:
            return result
    return _contract(jax.numpy, ",".join(inputs) + "->" + output, operands)


def _without_ellipsis(inputs: list[str], output: str, operands: list[Any]) -> tuple[list[str], str]:
    """The labels, with letters for the axes that an ellipsis stands for; the last ones are common to all."""
    used = set("".join(inputs))
    free = "".join(c for c in _LETTERS if c not in used)
    widths = [_split(labels, x.ndim, labels)[1] for labels, x in zip(inputs, operands)]
    letters = free[: max(widths)]
    named = [labels.replace("...", letters[len(letters) - width :]) for labels, width in zip(inputs, widths)]
    return named, output.replace("...", letters)


def _as_product(jax: Any, inputs: list[str], output: str, operands: list[Any]) -> Any:
    """A contraction of two operands as one product of (batches of) matrices; None where it is none.

    The product is that of `tf.matmul`, with all that makes it fast.
    """
    (left, right), output = _without_ellipsis(inputs, output, operands)
    a, b = operands
    if output and output[-1] in left and output[-1] not in right:
        # Products have the columns last: the other way round, the result need not be transposed.
        a, b, left, right = b, a, right, left
    sizes = dict(zip(left, a.shape))
    if len(set(left)) != len(left) or len(set(right)) != len(right):
        return None
    if any(sizes.setdefault(c, size) != size for c, size in zip(right, b.shape)):
        return None  # an axis is broadcast
    a, left = _summed(a, left, right + output)
    b, right = _summed(b, right, left + output)
    batch = "".join(c for c in left if c in right and c in output)
    inner = "".join(c for c in left if c in right and c not in output)
    rows = "".join(c for c in left if c not in right)
    columns = "".join(c for c in right if c not in left)
    if not inner or not rows or not columns:
        return None  # nothing but sums and element-wise products: loops that XLA makes well
    a, turned_a = _as_matrices(a, left, batch, rows, inner, sizes)
    b, turned_b = _as_matrices(b, right, batch, inner, columns, sizes)
    product = compiled_product(jax, a, b, turned_a, turned_b)
    product = product.reshape([sizes[c] for c in batch + rows + columns])
    return product.transpose([(batch + rows + columns).index(c) for c in output])


def _summed(x: Any, labels: str, needed: str) -> tuple[Any, str]:
    """`x` without the axes that nothing else has."""
    alone = tuple(i for i, c in enumerate(labels) if c not in needed)
    return (x.sum(alone) if alone else x), "".join(c for c in labels if c in needed)


def _as_matrices(
    x: Any, labels: str, batch: str, first: str, second: str, sizes: dict[str, int]
) -> tuple[Any, bool]:
    """`x` as matrices of the first by the second labels; True with those that lie there the other way round."""
    turned = labels == batch + second + first
    wanted = batch + (second + first if turned else first + second)
    if labels != wanted:
        x = x.transpose([labels.index(c) for c in wanted])
    shape = [math.prod(sizes[c] for c in group) for group in ((second, first) if turned else (first, second))]
    if batch:
        shape.insert(0, math.prod(sizes[c] for c in batch))
    return x.reshape(shape), turned


# ---- shape and gradient


def _einsum_shape(op: Any) -> TensorShape:
    inputs, output = parse_equation(op._attrs["equation"], len(op._inputs))
    sizes: dict[str, int | None] = {}
    middle: tuple[int | None, ...] | None = ()
    for labels, tensor in zip(inputs, op._inputs):
        dims = tensor._shape._dims
        if dims is None:
            if "..." in labels:
                middle = None
            continue
        before, missing, after = _split(labels, len(dims), op._attrs["equation"])
        for label, size in [*zip(before, dims), *zip(after, dims[len(dims) - len(after) :])]:
            known = sizes.get(label)
            if known is not None and size is not None and known != size:
                raise ValueError(f"Dimensions must be equal, but are {known} and {size}")
            sizes[label] = size if known is None else known
        if middle is not None:
            middle = _broadcast(middle, dims[len(before) : len(before) + missing])
    before, dots, after = output.partition("...")
    if dots and middle is None:
        return TensorShape(None)
    return TensorShape(
        (*(sizes.get(c) for c in before), *(middle if dots else ()), *(sizes.get(c) for c in after))
    )


def _broadcast(left: tuple[int | None, ...], right: tuple[int | None, ...]) -> tuple[int | None, ...]:
    rank = max(len(left), len(right))
    left, right = (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right
    result: list[int | None] = []
    for a, b in zip(left, right):
        if a == 1 or b == 1:
            result.append(b if a == 1 else a)
        elif a is not None and b is not None and a != b:
            raise ValueError(f"Dimensions must be equal, but are {a} and {b}")
        else:
            result.append(b if a is None else a)
    return tuple(result)


class _ShapeOf:
    """The shape of a tensor, as gradient rules receive shapes."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor
        self.static = tensor.shape

    def tensor(self, dtype: Any = dtypes.int32) -> Any:
        return cards.Shape(self._tensor, out_type=dtype)


def _operand_gradient(doutput: Any, output: str, x: Any, labels: str, other: Any, other_labels: str) -> Any:
    """The gradient of one operand: the output's gradient, contracted with the other operand."""
    available = set(output) | set(other_labels)
    for label in sorted(set(labels) - available - {"."}):
        if labels.count(label) > 1:  # a diagonal was summed: only there is the gradient not zero
            ones = _ones_along(x, labels, label)
            doutput = Einsum([doutput, ones], equation=f"{output},{label}->{output}{label}")
            output += label
            available.add(label)
    # Labels that only this operand has were summed: its gradient is the same along them.
    kept = "".join(c for c in labels if c in available or c == ".")
    needs_dots = "..." in output or "..." in other_labels
    extra = "..." if needs_dots and "..." not in kept else ""
    left = output + ("," + other_labels if other is not None else "")
    operands = [doutput] if other is None else [doutput, conjugated(other)]
    if "..." in kept and not needs_dots:
        kept = kept.replace("...", "")
    gradient = Einsum(operands, equation=f"{left}->{extra}{kept}")
    shape = _ShapeOf(x)
    if kept.replace("...", "") != labels.replace("...", "") or "..." in labels and "..." not in kept:
        return _spread(gradient, kept, labels, shape, x)
    return sum_to_shape(gradient, shape)


def _ones_along(x: Any, labels: str, label: str) -> Any:
    """A vector of ones, as long as the axis of `x` that has the label."""
    before, _, after = labels.partition("...")
    if x._rank is None:
        raise NotImplementedError("The gradient of an einsum that sums a diagonal needs the rank of its input")
    axis = before.index(label) if label in before else x._rank - len(after) + after.index(label)
    size = x.shape[axis]
    dtype = x.dtype.base_dtype.as_numpy_dtype
    if size is not None:
        return np.ones([size], dtype)
    length = cards.GatherV2(cards.Shape(x), np.array([axis], np.int32), np.int32(0))
    return cards.Fill(length, np.ones((), dtype))


def _spread(gradient: Any, kept: str, labels: str, shape: Any, x: Any) -> Any:
    """`gradient` repeated along the axes whose labels it lacks."""
    rank = x._rank
    if rank is None:
        raise NotImplementedError("The gradient of an einsum that sums an axis of one input needs its rank")
    before, missing, after = _split(labels, rank, labels)
    middle = ["."] * missing
    position = 0
    for axis, label in enumerate([*before, *middle, *after]):
        present = "..." in kept if label == "." else label in kept
        if present:
            position += 1
        else:
            gradient = cards.ExpandDims(gradient, np.int32(axis))
    dims = shape.static._dims
    target = np.array(dims, np.int32) if None not in dims else shape.tensor()
    # An ellipsis of the other operand may have broadcast this one: what it added is summed first.
    return cards.BroadcastTo(gradient, target)


def _einsum_gradient(doutput: Any, *, inputs: Any, equation: str) -> Any:
    labels, output = parse_equation(equation, len(inputs))
    if len(inputs) == 1:
        return [_operand_gradient(doutput, output, inputs[0], labels[0], None, "")]
    if len(inputs) > 2:
        raise NotImplementedError(
            f"The gradient of an Einsum operation of {len(inputs)} inputs: tf.einsum makes "
            "operations of at most two"
        )
    x, y = inputs
    return [
        _operand_gradient(doutput, output, x, labels[0], y, labels[1]),
        _operand_gradient(doutput, output, y, labels[1], x, labels[0]),
    ]


Einsum = op(
    "Einsum",
    "inputs: N*T -> output: T",
    T=dtypes.REAL + dtypes.COMPLEX,
    equation="",
    kernel=_einsum,
    xla=_einsum_xla,
    shape=_einsum_shape,
    gradient=_einsum_gradient,
    sample=lambda: (
        [[np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((3, 4), np.float32)]],
        {"equation": "ij,jk->ik"},
    ),
    doc="Products of tensors, summed over labelled axes.",
)


# ---- public function


@functools.lru_cache(maxsize=512)
def _steps(equation: str, shapes: tuple[tuple[int, ...], ...], optimize: Any) -> tuple[tuple[Any, str], ...]:
    """Which operands to contract together, in order, so that the work is small."""
    import opt_einsum

    _, plan = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=optimize, einsum_call=True)
    return tuple((tuple(entry[0]), entry[2] if isinstance(entry[2], str) else entry[1]) for entry in plan)


@export("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """Products of tensors, summed over the axes whose labels the output lacks.

    Args:
      equation: labels of the axes of every input, separated by commas, then "->" and the labels of the
        output: "ij,jk->ik" is a matrix product. Without "->", the output has the labels that stand once, in
        alphabetical order. "..." stands for any further axes, which are broadcast.
      *inputs: the tensors.
      **kwargs: `optimize`, how the order of several contractions is chosen ("greedy", "optimal", "branch-2",
        "branch-all", "auto"), and `name`.

    Raises:
      ValueError: the equation is none, or does not fit the inputs.
      TypeError: a keyword argument is unknown.

    >>> import everflow as tf
    >>> tf.einsum("ij,j->i", tf.constant([[1., 2.], [3., 4.]]), tf.constant([1., 1.]))
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([3., 7.], dtype=float32)>
    """
    optimize = kwargs.pop("optimize", "greedy")
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(
            f"Invalid keyword arguments for einsum: {', '.join(sorted(kwargs))}. Valid names: name, optimize."
        )
    labels, output = parse_equation(equation, len(inputs))
    with name_scope(name, "einsum"):
        first = next((x for x in inputs if hasattr(x, "dtype")), None)
        hint = dtypes.as_dtype(first.dtype) if first is not None else None
        tensors = [convert(x, hint=hint) for x in inputs]
        if len(tensors) <= 2:
            return Einsum(tensors, equation=",".join(labels) + "->" + output)
        return _contract_pairwise(tensors, labels, output, equation, optimize)


def _contract_pairwise(
    tensors: list[Any], labels: list[str], output: str, equation: str, optimize: Any
) -> Any:
    used = set("".join(labels))
    free = [c for c in _LETTERS if c not in used]
    widest = 0
    named = []
    for text, tensor in zip(labels, tensors):
        if tensor._rank is None:
            raise ValueError(f"einsum of more than two tensors needs their ranks, in {equation!r}")
        _, missing, _ = _split(text, tensor._rank, equation)
        widest = max(widest, missing)
    for text, tensor in zip(labels, tensors):
        _, missing, _ = _split(text, tensor._rank, equation)
        if "..." in text and missing != widest:
            raise NotImplementedError(
                f"einsum of more than two tensors whose ellipses differ in rank: {equation!r}"
            )
        named.append(text.replace("...", "".join(free[:widest])))
    output = output.replace("...", "".join(free[:widest]))
    # Sizes that are not known yet count as small ones: they only steer the order.
    shapes = tuple(tuple(d if d is not None else 8 for d in t.shape.as_list()) for t in tensors)
    operands = list(tensors)
    for positions, step in _steps(",".join(named) + "->" + output, shapes, optimize):
        chosen = [operands.pop(i) for i in positions]
        operands.append(Einsum(chosen, equation=step))
    return operands[0]
