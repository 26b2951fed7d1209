"""Gradients of activations beyond the sizes of samples."""

import numpy as np
import pytest

from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_activations  # noqa: F401 - declares the cards


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("name", ["ReluGrad", "Relu6Grad"])
def test_large_gradients_pass_where_the_activation_is_not_flat(name, dtype):
    random = np.random.default_rng(0)
    x = (random.standard_normal((31, 17)) * 4).astype(dtype)
    dy = random.standard_normal((31, 17)).astype(dtype)
    dy[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    passes = (x > 0) & (x < 6) if name == "Relu6Grad" else x > 0
    for order in (dy, np.asfortranarray(dy)):
        result = CARDS[name](order, x).numpy()
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, np.where(passes, dy, dtype(0)))
