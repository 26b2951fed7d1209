"""The random tensors that initializers ask for."""

from __future__ import annotations

from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.export import V2_EXPORTS


def _function(name: str) -> Any:
    import importlib

    found = V2_EXPORTS.get(name)
    if found is None:
        raise NotImplementedError(f"tf.{name}, which this initializer needs, is not in everflow yet")
    return getattr(importlib.import_module(found.module), found.attribute)


def random_uniform(shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32, seed: Any = None
                   ) -> Any:
    """Numbers that are uniformly distributed."""
    return _function("random.uniform")(shape, minval, maxval, dtype, seed)


def random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, seed: Any = None
                  ) -> Any:
    """Numbers that are normally distributed."""
    return _function("random.normal")(shape, mean, stddev, dtype, seed)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, seed: Any = None
                     ) -> Any:
    """Numbers of a normal distribution without those beyond two standard deviations."""
    return _function("random.truncated_normal")(shape, mean, stddev, dtype, seed)
