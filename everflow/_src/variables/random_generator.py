"""`tf.random.Generator`: random numbers whose state is a variable, seen by functions and checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import init_scope
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_creation import zeros_like
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_functions import shape_operand
from everflow._src.ops.random_stateless import algorithm_number
from everflow._src.ops.random_stateless_ops import AUTO_SELECT, PHILOX, THREEFRY
from everflow._src.variables.creation import create
from everflow._src.variables.trackable import Trackable

_STATE_SIZES = {PHILOX: 3, THREEFRY: 2, AUTO_SELECT: 3}
_COUNTER_SIZES = {PHILOX: 2, THREEFRY: 1, AUTO_SELECT: 2}
_WORD = 2**64


def _size_of(sizes: dict[int, int], algorithm: int) -> int:
    if algorithm not in sizes:
        raise ValueError(f"Argument `alg` got unsupported value {algorithm}. Supported values are {PHILOX} for the "
                         f"Philox algorithm, {THREEFRY} for the ThreeFry algorithm, and {AUTO_SELECT} for "
                         "auto-selection.")
    return sizes[algorithm]


def _signed(value: int) -> int:
    value %= _WORD
    return value - _WORD if value >= _WORD // 2 else value


def _as_words(value: Any) -> Any:
    """`value` as int64 words; those of unsigned integers keep their bits."""
    if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
        tensor = convert(value)
        if tensor.dtype.base_dtype == dtypes.uint64:
            return cards.Bitcast(tensor, type=dtypes.int64)
        return tensor if tensor.dtype.base_dtype == dtypes.int64 else cards.Cast(tensor, DstT=dtypes.int64)
    if isinstance(value, (list, tuple)):
        value = np.array([_signed(int(v)) if isinstance(v, int) else v for v in value])
    array = np.asarray(value)
    if array.dtype == np.uint64:
        return array.view(np.int64)
    return array.astype(np.int64)


@export("random.create_rng_state", "random.experimental.create_rng_state")
def create_rng_state(seed: Any, alg: Any) -> Tensor:
    """The state of a generator that starts with `seed`.

    Args:
      seed: an integer of any size, which fills the state from its lowest 64 bits on; or a vector of integers, the
        last of which is the key.
      alg: the algorithm: "philox", "threefry", a `tf.random.Algorithm` or its number.

    Returns:
      A vector of int64: counter and key.

    >>> import everflow as tf
    >>> tf.random.create_rng_state(1, "philox").numpy()
    array([1, 0, 0])
    """
    size = _size_of(_STATE_SIZES, algorithm_number(alg))
    if isinstance(seed, int):
        return convert(np.array([_signed(seed >> 64 * word) for word in range(size)], np.int64))
    words = convert(_as_words(seed))
    words = cards.Reshape(words, np.array([-1], np.int32))
    known = words.shape.as_list()[0]
    if known is None:
        raise ValueError(f"A seed has a known number of elements, received {seed!r}")
    if known >= size:
        return cards.Slice(words, np.array([0], np.int32), np.array([size], np.int32))
    return cards.ConcatV2([np.zeros(size - known, np.int64), words], np.array(0, np.int32))


@export("random.Generator", "random.experimental.Generator")
class Generator(Trackable):
    """A sequence of random numbers, whose place is kept in a variable.

    Args:
      copy_from: another generator, whose state and algorithm are taken.
      state: int64 words: the counter and the key.
      alg: the algorithm: "philox", "auto_select", a `tf.random.Algorithm` or its number.

    Raises:
      ValueError: the state does not fit the algorithm, or there is no such algorithm.

    >>> import everflow as tf
    >>> g = tf.random.Generator.from_seed(1234)
    >>> g.normal(shape=(2, 3)).shape
    TensorShape([2, 3])
    >>> g.state.numpy()
    array([2770,    0,    0])
    """

    def __init__(self, copy_from: Generator | None = None, state: Any = None, alg: Any = None) -> None:
        if copy_from is not None:
            if state is not None or alg is not None:
                raise ValueError("A generator is made of another, or of a state and an algorithm: received "
                                 "`copy_from` together with `state` or `alg`")
            self._alg: int = copy_from.algorithm
            words: Any = convert(copy_from.state)
        else:
            if state is None or alg is None:
                raise ValueError(f"A generator needs a state and an algorithm, received state={state}, alg={alg}")
            self._alg = algorithm_number(alg)
            words = _as_words(state)
            _check_shape(words.shape, _size_of(_STATE_SIZES, self._alg))
        self._state_var = create(
            initial_value=words, trainable=False, validate_shape=True, caching_device=None, name="StateVar",
            dtype=dtypes.int64, use_resource=True,
        )

    @classmethod
    def from_state(cls, state: Any, alg: Any) -> Generator:
        """A generator of a given state."""
        return cls(state=state, alg=alg)

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """A generator that starts with `seed`; see `tf.random.create_rng_state`."""
        alg = PHILOX if alg is None else alg
        return cls(state=create_rng_state(seed, alg), alg=alg)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """A generator that starts with random bits of the operating system."""
        alg = PHILOX if alg is None else algorithm_number(alg)
        with init_scope():
            state = cards.NonDeterministicInts(np.array([_size_of(_STATE_SIZES, alg)], np.int64), dtype=dtypes.int64)
            return cls(state=state, alg=alg)

    @classmethod
    def from_key_counter(cls, key: Any, counter: Any, alg: Any) -> Generator:
        """A generator of a given key and counter."""
        alg = algorithm_number(alg)
        return cls(state=_joined(key, counter, alg), alg=alg)

    # ---- state

    @property
    def algorithm(self) -> int:
        """The number of the algorithm."""
        return self._alg

    @property
    def state(self) -> Any:
        """The variable that holds the counter and the key."""
        return self._state_var

    @property
    def key(self) -> Any:
        """The key, a vector."""
        size = _COUNTER_SIZES[self._alg]
        return self._state_var[size:size + 1] if self._alg == THREEFRY else self._state_var[size]

    def reset(self, state: Any) -> None:
        """Sets the state.

        Args:
          state: the counter and the key, int64 words.
        """
        words = convert(_as_words(state))
        _check_shape(words.shape, _size_of(_STATE_SIZES, self._alg))
        self._state_var.assign(words)

    def reset_from_seed(self, seed: Any) -> None:
        """Sets the state to that of a generator that starts with `seed`."""
        self._state_var.assign(create_rng_state(seed, self._alg))

    def reset_from_key_counter(self, key: Any, counter: Any) -> None:
        """Sets the state to a key and a counter."""
        self._state_var.assign(_joined(key, counter, self._alg))

    def skip(self, delta: Any) -> Tensor:
        """Advances the generator as if `delta` numbers had been drawn.

        Returns:
          The state before.
        """
        delta = convert(delta, hint=dtypes.int64)
        if delta.dtype.base_dtype != dtypes.uint64:
            delta = cards.Cast(delta, DstT=dtypes.uint64)
        before = cards.RngReadAndSkip(self._state_var, self._alg, delta)
        before.set_shape([_STATE_SIZES[self._alg]])
        return before

    def _key_and_counter(self, shape: Any) -> tuple[Any, Any]:
        """Key and counter for as many numbers as `shape` holds; they are not drawn again."""
        before = self.skip(cards.Prod(cards.Cast(shape, DstT=dtypes.uint64), np.array([0], np.int32)))
        size = _COUNTER_SIZES[self._alg]
        bits = cards.Bitcast(before, type=dtypes.uint64)
        return bits[size:size + 1], bits[:size]

    # ---- numbers

    def _scaled(self, card: Any, default_name: str, shape: Any, mean: Any, stddev: Any, dtype: Any, name: str | None
                ) -> Tensor:
        dtype = as_dtype(dtype)
        with name_scope(name, default_name) as scope:
            shape = shape_operand(shape)
            mean, stddev = convert(mean, dtype, "mean"), convert(stddev, dtype, "stddev")
            key, counter = self._key_and_counter(shape)
            numbers = card(shape, key, counter, self._alg, dtype=dtype)
            return cards.AddV2(cards.Mul(numbers, stddev, name="mul"), mean, name=scope or None)

    def normal(self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32,
               name: str | None = None) -> Tensor:
        """Numbers of a normal distribution.

        Args:
          shape: the shape of the result.
          mean, stddev: parameters that broadcast against `shape`.
          dtype: float16, bfloat16, float32 or float64.
          name: name of the operation.
        """
        return self._scaled(cards.StatelessRandomNormalV2, "stateful_normal", shape, mean, stddev, dtype, name)

    def truncated_normal(self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32,
                         name: str | None = None) -> Tensor:
        """Numbers of a normal distribution, without those beyond two standard deviations.

        Args:
          shape: the shape of the result.
          mean, stddev: parameters before truncation, which broadcast against `shape`.
          dtype: float16, bfloat16, float32 or float64.
          name: name of the operation.
        """
        return self._scaled(cards.StatelessTruncatedNormalV2, "truncated_normal", shape, mean, stddev, dtype, name)

    def uniform(self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32,
                name: str | None = None) -> Tensor:
        """Numbers that are uniformly distributed in [minval, maxval).

        Args:
          shape: the shape of the result.
          minval, maxval: bounds; `maxval` is 1 for floats when None.
          dtype: float16, bfloat16, float32, float64, int32 or int64.
          name: name of the operation.

        Raises:
          ValueError: `dtype` is an integer and one of the bounds is None.
        """
        dtype = as_dtype(dtype)
        if dtype.is_integer:
            if (minval is None) != (maxval is None):
                raise ValueError(f"For integer dtype {dtype!r}, minval and maxval must be both `None` or both "
                                 f"non-`None`; got minval={minval} and maxval={maxval}")
        elif maxval is None:
            maxval = 1
        with name_scope(name, "stateful_uniform") as scope:
            shape = shape_operand(shape)
            if dtype.is_integer and minval is None:
                return self.uniform_full_int(shape, dtype, scope or None)
            minval, maxval = convert(minval, dtype, "min"), convert(maxval, dtype, "max")
            key, counter = self._key_and_counter(shape)
            if dtype.is_integer:
                return cards.StatelessRandomUniformIntV2(shape, key, counter, self._alg, minval, maxval,
                                                         name=scope or None)
            numbers = cards.StatelessRandomUniformV2(shape, key, counter, self._alg, dtype=dtype)
            return cards.AddV2(cards.Mul(numbers, cards.Sub(maxval, minval, name="sub"), name="mul"), minval,
                               name=scope or None)

    def uniform_full_int(self, shape: Any, dtype: Any = dtypes.uint64, name: str | None = None) -> Tensor:
        """Integers, each of the dtype as likely as the others.

        Args:
          shape: the shape of the result.
          dtype: int32, int64, uint32 or uint64.
          name: name of the operation.
        """
        with name_scope(name, "stateful_uniform_full_int") as scope:
            shape = shape_operand(shape)
            key, counter = self._key_and_counter(shape)
            return cards.StatelessRandomUniformFullIntV2(shape, key, counter, self._alg, dtype=dtype,
                                                         name=scope or None)

    def binomial(self, shape: Any, counts: Any, probs: Any, dtype: Any = dtypes.int32, name: str | None = None
                 ) -> Tensor:
        """Numbers of binomial distributions.

        Args:
          shape: the shape of the result, which ends with that to which the parameters broadcast.
          counts: numbers of trials.
          probs: probabilities of success.
          dtype: float16, float32, float64, int32 or int64.
          name: name of the operation.
        """
        with name_scope(name, "binomial"):
            shape = shape_operand(shape)
            counts = convert(counts, name="counts")
            probs = convert(probs, counts.dtype.base_dtype if counts.dtype.is_floating else None, "probs")
            if counts.dtype.base_dtype != probs.dtype.base_dtype:
                counts = cards.Cast(counts, DstT=probs.dtype.base_dtype)
            return cards.StatefulRandomBinomial(self._state_var, self._alg, shape, counts, probs, dtype=as_dtype(dtype))

    # ---- other generators

    def make_seeds(self, count: int = 1) -> Tensor:
        """Seeds for stateless operations, [2, count]: each column is one."""
        keys = self.uniform_full_int([count], dtypes.int64)
        return cards.Pack([keys, zeros_like(keys)])

    def split(self, count: int = 1) -> list[Generator]:
        """Generators that are independent of this one and of each other, for work that goes on side by side."""
        keys = self.uniform_full_int([count], dtypes.int64)
        zeros = np.zeros(_COUNTER_SIZES[self._alg], np.int64)
        return [
            Generator(state=cards.ConcatV2([zeros, keys[index:index + 1]], np.array(0, np.int32)), alg=self._alg)
            for index in range(count)
        ]

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        return {"_state_var": self._state_var}


def _check_shape(shape: Any, size: int) -> None:
    if tuple(shape) != (size,):
        given = TensorShape(shape)
        raise ValueError(f"Shapes {given} and [{size}] are incompatible")


def _joined(key: Any, counter: Any, algorithm: int) -> Tensor:
    """The state made of a counter and a key."""
    counter = convert(_as_words(counter))
    _check_shape(counter.shape, _size_of(_COUNTER_SIZES, algorithm))
    key = cards.Reshape(convert(_as_words(key)), np.array([1], np.int32))
    return cards.ConcatV2([counter, key], np.array(0, np.int32))


_global_generator: Generator | None = None


@export("random.get_global_generator", "random.experimental.get_global_generator")
def get_global_generator() -> Generator:
    """The generator of the program; made of random bits of the system when none was set."""
    global _global_generator
    if _global_generator is None:
        with init_scope():
            _global_generator = Generator.from_non_deterministic_state()
    return _global_generator


@export("random.set_global_generator", "random.experimental.set_global_generator")
def set_global_generator(generator: Generator) -> None:
    """Makes `generator` the generator of the program.

    Functions that were traced before go on to use the one that was set then.
    """
    global _global_generator
    _global_generator = generator
