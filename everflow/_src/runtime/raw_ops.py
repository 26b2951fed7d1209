"""`tf.raw_ops`: every operation card as a plain function, made when it is asked for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from everflow._src.framework.registry import CARDS, REQUIRED, Card
from everflow._src.runtime import dispatch

_WORD_START = re.compile(r"(?<=[A-Z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")

_functions: dict[tuple[str, bool], Callable[..., Any]] = {}


def snake_case(op_type: str) -> str:
    """The name of the Python function of an operation type: "AvgPool3DGrad" is "avg_pool3d_grad".

    >>> snake_case("MatMul"), snake_case("AvgPool3DGrad"), snake_case("LRNGrad")
    ('mat_mul', 'avg_pool3d_grad', 'lrn_grad')
    """
    return _WORD_START.sub("_", op_type).lower()


def signature(card: Card) -> inspect.Signature:
    """Parameters of the raw operation: inputs, attrs that no input determines, and the name."""
    inferred = {key for a in card.inputs for key in (a.type_attr, a.number_attr, a.type_list_attr) if key}
    attrs = [(key, attr.default) for key, attr in card.attrs.items() if key not in inferred]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(a.name, kind) for a in card.inputs]
    parameters += [inspect.Parameter(key, kind) for key, default in attrs if default is REQUIRED]
    parameters += [inspect.Parameter(k, kind, default=d) for k, d in attrs if d is not REQUIRED]
    return inspect.Signature([*parameters, inspect.Parameter("name", kind, default=None)])


def raw_op(op_type: str, keyword_only: bool = True) -> Callable[..., Any]:
    """The function that applies the operation `op_type`, whose card is registered.

    Args:
      op_type: for example "MatMul".
      keyword_only: `tf.raw_ops` refuses positional arguments; the `gen_*_ops` modules of
        TensorFlow's internals take them.
    """
    function = _functions.get((op_type, keyword_only))
    if function is None:
        function = _functions[op_type, keyword_only] = _make(CARDS[op_type], keyword_only)
    return function


def _make(card: Card, keyword_only: bool) -> Callable[..., Any]:
    expected = signature(card)
    inputs = tuple(a.name for a in card.inputs)
    function_name = snake_case(card.name)

    def function(*args: Any, **kwargs: Any) -> Any:
        if args and keyword_only:
            raise TypeError(
                f"{function_name} only takes keyword args (possible keys: {list(expected.parameters)}), "
                f"received {len(args)} positional: pass them by name"
            )
        try:
            given = expected.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{function_name}(): {error} (tf.raw_ops.{card.name}{expected})") from None
        name = given.pop("name", None)
        return dispatch.apply(card, *[given.pop(key) for key in inputs], name=name, **given)

    function.__name__ = function_name
    function.__qualname__ = f"raw_ops.{card.name}"
    function.__doc__ = f"{card.doc or 'The operation ' + card.name}\n\nOperation: {card.signature}"
    function.__signature__ = expected  # type: ignore[attr-defined]
    return function
