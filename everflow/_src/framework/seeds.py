"""Random seeds: from the seed of the program and the seed of an operation to the two that the operation gets.

In eager mode operations without a seed of their own draw one from a sequence that the global seed starts; in a
graph they are numbered.  The pairs equal those of TensorFlow 2.15.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from typing import Any

from everflow._src.framework.context import current_graph
from everflow._src.framework.export import export

DEFAULT_GRAPH_SEED = 87654321
_LARGEST = 2**31 - 1


class GlobalSeed:
    """The seed of eager mode, and the sequence of operation seeds that it starts."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.sequence = random.Random()

    def set(self, seed: int | None) -> None:
        self.seed = None if seed is None else int(seed)
        self.sequence = random.Random(self.seed)


GLOBAL = GlobalSeed()
_drawn: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_resets: list[Callable[[], None]] = []


def install_reset(function: Callable[[], None]) -> None:
    """`function()` runs whenever the global seed is set: sequences of random numbers start anew."""
    _resets.append(function)


def global_seed() -> int | None:
    """The seed that functions built in eager mode inherit."""
    return GLOBAL.seed


def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds of a random operation that is made now.

    Args:
      op_seed: the operation's own seed, or None.

    Returns:
      (seed, seed2); (None, None) when neither the program nor the operation has a seed.
    """
    graph = current_graph()
    seed = GLOBAL.seed if graph is None else graph.seed
    if seed is None:
        if op_seed is None:
            return None, None
        seed = DEFAULT_GRAPH_SEED
    elif op_seed is None:
        if graph is None:
            op_seed = GLOBAL.sequence.randint(0, _LARGEST)
        else:
            op_seed = _drawn.get(graph, 0)
            _drawn[graph] = op_seed + 1
    pair = seed % _LARGEST, op_seed % _LARGEST
    # Both zero would mean a seed that differs from run to run.
    return (0, _LARGEST) if pair == (0, 0) else pair


def seed_attrs(op_seed: int | None) -> dict[str, int]:
    """The attrs `seed` and `seed2` of an operation; both 0 when its numbers differ from run to run."""
    seed, seed2 = get_seed(op_seed)
    return {"seed": seed or 0, "seed2": seed2 or 0}


@export("random.set_seed", v1=[])
def set_seed(seed: int) -> None:
    """Sets the global seed: what random operations draw follows from it and from their own seeds.

    In eager mode every sequence of random numbers starts anew, those of functions too.  While a graph is being
    built it sets the seed of that graph.

    Args:
      seed: an integer.

    >>> import everflow as tf
    >>> tf.random.set_seed(1)
    >>> first = tf.random.uniform([2])
    >>> tf.random.set_seed(1)
    >>> bool((tf.random.uniform([2]) == first).numpy().all())
    True
    """
    graph = current_graph()
    if graph is not None:
        graph.seed = seed
        return
    GLOBAL.set(seed)
    for reset in _resets:
        reset()


@export(v1=["set_random_seed", "random.set_random_seed"])
def set_random_seed(seed: int) -> None:
    """Sets the seed of the graph that is being built, or of the program in eager mode.

    Args:
      seed: an integer.
    """
    set_seed(seed)


@export(v1=["get_seed", "random.get_seed"])
def get_seed_v1(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds that a random operation made now would get.

    Args:
      op_seed: the operation's own seed, or None.

    Returns:
      The seed of the graph and the seed of the operation; (None, None) when there is neither.
    """
    return get_seed(op_seed)
