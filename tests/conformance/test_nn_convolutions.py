"""Convolutions and pooling in one, two and three dimensions, against plain NumPy loops."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank, static

F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError)


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def paddings(size, kernel, stride, dilation, padding):
    """Zeros before and after one dimension, and the number of output positions."""
    extent = (kernel - 1) * dilation + 1
    if padding == "SAME":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + extent - size, 0)
        return (total // 2, total - total // 2), outputs
    before_after = (0, 0) if padding == "VALID" else tuple(padding)
    return before_after, max(0, (size + sum(before_after) - extent) // stride + 1)


def windows(x, kernel, strides, padding, dilations, fill=0.0):
    """Pairs of (kernel position, the input values that it meets at each output position)."""
    pads, counts = [], []
    for d, k in enumerate(kernel):
        chosen = padding if isinstance(padding, str) else padding[d + 1]
        pad, count = paddings(x.shape[d + 1], k, strides[d], dilations[d], chosen)
        pads.append(pad)
        counts.append(count)
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    for position in itertools.product(*map(range, kernel)):
        index = tuple(
            slice(p * dilation, p * dilation + (count - 1) * stride + 1, stride)
            for p, dilation, count, stride in zip(position, dilations, counts, strides, strict=True)
        )
        yield position, x[(slice(None), *index)]


def convolve(x, filters, strides, padding, dilations=None):
    rank = x.ndim - 2
    dilations = dilations or [1] * rank
    channels = filters.shape[-2]
    groups = x.shape[-1] // channels
    results = []
    for part, kernel in zip(np.split(x, groups, -1), np.split(filters, groups, -1), strict=True):
        found = windows(part, filters.shape[:rank], strides, padding, dilations)
        results.append(sum(values @ kernel[position] for position, values in found))
    return np.concatenate(results, -1)


def depthwise(x, filters, strides, padding, dilations=(1, 1)):
    found = windows(x, filters.shape[:2], strides, padding, dilations)
    total = sum(values[..., None] * filters[position] for position, values in found)
    return total.reshape(*total.shape[:3], -1)


def pool(x, kind, kernel, strides, padding):
    if kind == "MAX":
        found = windows(x, kernel, strides, padding, [1] * len(kernel), -np.inf)
        return np.max([values for _, values in found], 0)
    values = sum(v for _, v in windows(x, kernel, strides, padding, [1] * len(kernel)))
    counts = sum(v for _, v in windows(np.ones_like(x), kernel, strides, padding, [1] * len(kernel)))
    return values / counts


# convolution in two dimensions

EXPLICIT = [[0, 0], [1, 2], [0, 1], [0, 0]]


@pytest.mark.parametrize("padding", ["SAME", "VALID", EXPLICIT], ids=["same", "valid", "explicit"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3)])
def test_conv2d(padding, stride, kernel):
    x, w = normal(2, 6, 7, 3, dtype=F32), normal(*kernel, 3, 4, dtype=F32)
    expected = convolve(x.astype(np.float64), w, [stride] * 2, padding).astype(F32)
    check(lambda x, w: tf.nn.conv2d(x, w, stride, padding), [x, w], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID", EXPLICIT], ids=["same", "valid", "explicit"])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv2d_gradient(padding, stride):
    x, w = normal(1, 4, 5, 2), normal(3, 2, 2, 2)
    check_gradient(lambda x, w: tf.nn.conv2d(x, w, stride, padding), [x, w], ways=("eager", "session"))


def test_conv2d_second_gradient():
    x, w = normal(1, 3, 3, 1), normal(2, 2, 1, 2)
    check_gradient(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), [x, w], order=2, ways=("eager",))
    check_gradient(lambda x, w: tf.nn.conv2d(x, w, 2, "VALID"), [x, w], order=2, ways=("eager",))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("dilations", [2, [1, 2], [1, 3, 1, 1]], ids=str)
def test_conv2d_dilated(padding, dilations):
    x, w = normal(1, 8, 9, 2), normal(3, 2, 2, 3)
    spatial = {2: [2, 2], (1, 2): [1, 2]}.get(
        dilations if isinstance(dilations, int) else tuple(dilations), [3, 1]
    )
    expected = convolve(x, w, [1, 1], padding, spatial)
    check(lambda x, w: tf.nn.conv2d(x, w, 1, padding, dilations=dilations), [x, w], expected)


def test_conv2d_forms():
    x, w = normal(2, 5, 5, 2), normal(3, 3, 2, 3)
    expected = convolve(x, w, [2, 1], "SAME")
    v1 = tf.compat.v1
    for strides in ([2, 1], [1, 2, 1, 1], (2, 1)):
        check(
            lambda x, w, s=strides: tf.nn.conv2d(x, w, strides=s, padding="SAME"),
            [x, w],
            expected,
            ways=("eager",),
        )
    check(lambda x, w: v1.nn.conv2d(x, w, [1, 2, 1, 1], "SAME"), [x, w], expected)
    check(
        lambda x, w: v1.nn.conv2d(input=x, filter=w, strides=[1, 2, 1, 1], padding="SAME"), [x, w], expected
    )
    check(lambda x, w: v1.nn.conv2d(x, filters=w, strides=[1, 2, 1, 1], padding="SAME"), [x, w], expected)
    check(
        lambda x, w: tf.nn.convolution(x, w, padding="SAME", strides=[2, 1]),
        [x, w],
        expected,
        session_shapes=known_rank(x, w),
    )
    half = x.astype(np.float16), w.astype(np.float16)
    check(
        lambda x, w: tf.nn.conv2d(x, w, [2, 1], "SAME"),
        half,
        expected.astype(np.float16),
        ways=("eager",),
        rtol=2e-2,
        atol=2e-2,
    )
    check(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), [np.zeros((0, 5, 5, 2)), w], np.zeros((0, 5, 5, 3)))
    leading = x.reshape(1, 2, 5, 5, 2)
    check(lambda x, w: tf.nn.conv2d(x, w, [2, 1], "SAME"), [leading, w], expected[None], ways=("eager",))


def test_conv2d_groups():
    x, w = normal(1, 4, 4, 6), normal(3, 3, 2, 9)
    check(
        lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"),
        [x, w],
        convolve(x, w, [1, 1], "SAME"),
        function_shapes=static(x, w),
        session_shapes=static(x, w),
    )


def test_conv2d_errors():
    x, w = tf.zeros([1, 4, 4, 3]), tf.zeros([3, 3, 3, 2])
    with pytest.raises(INVALID):
        tf.nn.conv2d(x, tf.zeros([3, 3, 2, 2]), 1, "SAME")
    with pytest.raises(INVALID):
        tf.nn.conv2d(x, w, 1, "FULL")
    with pytest.raises(INVALID):
        tf.nn.conv2d(x, w, [1, 1, 1], "SAME")
    with pytest.raises(INVALID):
        tf.nn.conv2d(x, w, 0, "SAME")
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.nn.conv2d(tf.zeros([1, 4, 4, 3]), tf.zeros([3, 3, 2, 2]), 1, "SAME")
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.nn.conv2d(tf.zeros([4, 4, 3]), tf.zeros([3, 3, 3, 2]), 1, "SAME")


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv2d_backprop(padding, stride):
    x, w = normal(1, 5, 6, 2), normal(3, 2, 2, 3)
    dy = np.cos(np.arange(convolve(x, w, [stride] * 2, padding).size)).reshape(
        convolve(x, w, [stride] * 2, padding).shape
    )
    for_x = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        impulse = np.zeros_like(x)
        impulse[index] = 1
        for_x[index] = (convolve(impulse, w, [stride] * 2, padding) * dy).sum()
    for_w = np.zeros_like(w)
    for index in np.ndindex(w.shape):
        impulse = np.zeros_like(w)
        impulse[index] = 1
        for_w[index] = (convolve(x, impulse, [stride] * 2, padding) * dy).sum()
    v1, strides = tf.compat.v1, [1, stride, stride, 1]
    check(lambda w, dy: v1.nn.conv2d_backprop_input(x.shape, w, dy, strides, padding), [w, dy], for_x)
    check(lambda x, dy: v1.nn.conv2d_backprop_filter(x, w.shape, dy, strides, padding), [x, dy], for_w)
    check(lambda w, dy: tf.nn.conv2d_transpose(dy, w, x.shape, stride, padding), [w, dy], for_x)
    check(lambda w, dy: v1.nn.conv2d_transpose(dy, w, x.shape, strides, padding), [w, dy], for_x)
    check_gradient(
        lambda w, dy: tf.nn.conv2d_transpose(dy, w, x.shape, stride, padding), [w, dy], ways=("eager",)
    )


def test_conv2d_transpose_shapes():
    x, w = normal(2, 3, 4, 2, dtype=F32), normal(3, 3, 5, 2, dtype=F32)
    same = tf.nn.conv2d_transpose(x, w, [2, 6, 8, 5], 2)
    assert same.shape == [2, 6, 8, 5]

    def dynamic(x, w):
        return tf.nn.conv2d_transpose(x, w, tf.stack([tf.shape(x)[0], 6, 8, 5]), strides=[1, 2, 2, 1])

    check(dynamic, [x, w], same.numpy())
    with pytest.raises((tf.errors.OpError, ValueError)):
        tf.nn.conv2d_transpose(x, w, [2, 9, 9, 5], 2)


# other convolutions


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (1, 2)])
def test_conv1d(padding, stride, dilation):
    x, w = normal(2, 7, 3), normal(3, 3, 4)
    expected = convolve(x, w, [stride], padding, [dilation])
    check(
        lambda x, w: tf.nn.conv1d(x, w, stride, padding, dilations=dilation),
        [x, w],
        expected,
        session_shapes=known_rank(x, w),
    )
    if dilation == 1:  # TensorFlow has no gradient kernel for dilated convolutions on processors
        check_gradient(lambda x, w: tf.nn.conv1d(x, w, stride, padding), [x[:1, :5], w], ways=("eager",))


def test_conv1d_forms():
    x, w = normal(2, 6, 3), normal(3, 3, 4)
    expected = convolve(x, w, [2], "SAME")
    check(
        lambda x, w: tf.compat.v1.nn.conv1d(x, w, 2, "SAME"),
        [x, w],
        expected,
        session_shapes=known_rank(x, w),
    )
    check(
        lambda x, w: tf.compat.v1.nn.conv1d(value=x, filters=w, stride=2, padding="SAME"),
        [x, w],
        expected,
        ways=("eager",),
    )
    check(
        lambda x, w: tf.nn.convolution(x, w, [2], "SAME"), [x, w], expected, session_shapes=known_rank(x, w)
    )
    dy = normal(2, 3, 4)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        impulse = np.zeros_like(x)
        impulse[index] = 1
        gradient[index] = (convolve(impulse, w, [2], "SAME") * dy).sum()
    check(
        lambda w, dy: tf.nn.conv1d_transpose(dy, w, x.shape, 2),
        [w, dy],
        gradient,
        session_shapes=known_rank(w, dy),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv3d(padding, stride):
    x, w = normal(1, 4, 5, 3, 2), normal(2, 3, 2, 2, 3)
    expected = convolve(x, w, [stride] * 3, padding)
    check(lambda x, w: tf.nn.conv3d(x, w, [1, stride, stride, stride, 1], padding), [x, w], expected)
    check_gradient(
        lambda x, w: tf.nn.conv3d(x, w, [1, stride, stride, stride, 1], padding),
        [normal(1, 3, 3, 2, 1), normal(2, 2, 2, 1, 2)],
        ways=("eager",),
    )
    dy = np.sin(np.arange(expected.size)).reshape(expected.shape)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        impulse = np.zeros_like(x)
        impulse[index] = 1
        gradient[index] = (convolve(impulse, w, [stride] * 3, padding) * dy).sum()
    check(
        lambda w, dy: tf.nn.conv3d_transpose(dy, w, x.shape, stride, padding),
        [w, dy],
        gradient,
        ways=("eager", "session"),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID", EXPLICIT], ids=["same", "valid", "explicit"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_conv2d(padding, stride, multiplier):
    x, w = normal(2, 5, 6, 3), normal(3, 2, 3, multiplier)
    expected = depthwise(x, w, [stride] * 2, padding)
    strides = [1, stride, stride, 1]
    check(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, strides, padding),
        [x, w],
        expected,
        session_shapes=known_rank(x, w),
    )
    check_gradient(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, strides, padding), [x[:1, :4, :4], w], ways=("eager",)
    )


def test_depthwise_conv2d_forms():
    x, w = normal(1, 6, 6, 2), normal(3, 3, 2, 2)
    dilated = depthwise(x, w, [1, 1], "VALID", [2, 2])
    ones = [1, 1, 1, 1]
    shapes = known_rank(x, w)
    check(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, ones, "VALID", dilations=[2, 2]),
        [x, w],
        dilated,
        session_shapes=shapes,
    )
    check(
        lambda x, w: tf.compat.v1.nn.depthwise_conv2d(x, w, ones, "VALID", rate=[2, 2]),
        [x, w],
        dilated,
        session_shapes=shapes,
    )
    check(
        lambda x, w: tf.compat.v1.nn.depthwise_conv2d_native(x, w, [1, 2, 2, 1], "SAME"),
        [x, w],
        depthwise(x, w, [2, 2], "SAME"),
    )
    check_gradient(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, ones, "SAME", dilations=[2, 2]), [x, w], ways=("eager",)
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_separable_conv2d(padding):
    x, d, p = normal(1, 5, 6, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 4)
    expected = depthwise(x, d, [2, 2], padding) @ p[0, 0]
    for function in (tf.nn.separable_conv2d, tf.compat.v1.nn.separable_conv2d):
        check(
            lambda x, d, p, f=function: f(x, d, p, [1, 2, 2, 1], padding),
            [x, d, p],
            expected,
            session_shapes=known_rank(x, d, p),
        )
    check_gradient(
        lambda x, d, p: tf.nn.separable_conv2d(x, d, p, [1, 1, 1, 1], padding),
        [x[:, :3, :3], d, p],
        ways=("eager",),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_atrous_conv2d(padding):
    x, w = normal(1, 8, 8, 2), normal(3, 3, 2, 2)
    expected = convolve(x, w, [1, 1], padding, [2, 2])
    shapes = [[1, None, None, 2], [3, 3, 2, 2]]
    check(
        lambda x, w: tf.nn.atrous_conv2d(x, w, 2, padding),
        [x, w],
        expected,
        session_shapes=shapes,
        function_shapes=shapes,
    )
    check(
        lambda x, w: tf.nn.convolution(x, w, padding=padding, dilations=[2, 2]),
        [x, w],
        expected,
        session_shapes=shapes,
        function_shapes=shapes,
    )
    check(
        lambda x, w: tf.compat.v1.nn.convolution(x, w, padding, dilation_rate=[2, 2]),
        [x, w],
        expected,
        session_shapes=shapes,
        function_shapes=shapes,
    )


def test_dilation2d():
    x, w = normal(1, 4, 4, 2), normal(2, 2, 2)
    found = windows(x, (2, 2), [1, 1], "VALID", [1, 1])
    expected = np.max([values + w[position] for position, values in found], 0)
    ones = [1, 1, 1, 1]
    check(lambda x, w: tf.nn.dilation2d(x, w, ones, "VALID", "NHWC", ones), [x, w], expected)
    check(lambda x, w: tf.compat.v1.nn.dilation2d(x, w, ones, ones, "VALID"), [x, w], expected)
    check_gradient(lambda x, w: tf.nn.dilation2d(x, w, ones, "SAME", "NHWC", ones), [x, w], ways=("eager",))
    found = windows(x, (2, 2), [1, 1], "VALID", [1, 1])
    flipped = w[::-1, ::-1]
    expected = np.min([values - flipped[position] for position, values in found], 0)
    check(lambda x, w: tf.nn.erosion2d(x, w, ones, "VALID", "NHWC", ones), [x, w], expected)


# pooling

POOLS = [("MAX", "SAME"), ("MAX", "VALID"), ("AVG", "SAME"), ("AVG", "VALID")]


@pytest.mark.parametrize("kind, padding", POOLS)
@pytest.mark.parametrize(
    "kernel, stride", [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 3), (1, 2)), ((1, 1), (2, 2))]
)
@pytest.mark.parametrize("dtype", [F32, np.float64])
def test_pool2d(kind, padding, kernel, stride, dtype):
    x = normal(2, 5, 6, 3, dtype=dtype)
    expected = pool(x, kind, kernel, stride, padding).astype(dtype)
    function = tf.nn.max_pool2d if kind == "MAX" else tf.nn.avg_pool2d
    check(lambda x: function(x, kernel, stride, padding), [x], expected)
    if dtype is np.float64:
        check_gradient(
            lambda x: function(x, kernel, stride, padding), [x[:1, :, :, :1]], ways=("eager", "session")
        )


@pytest.mark.parametrize("kind, padding", POOLS)
def test_pool_forms(kind, padding):
    x = normal(2, 4, 5, 2)
    expected = pool(x, kind, (2, 2), (2, 2), padding)
    new, old = (
        (tf.nn.max_pool, tf.compat.v1.nn.max_pool)
        if kind == "MAX"
        else (tf.nn.avg_pool, tf.compat.v1.nn.avg_pool)
    )
    check(lambda x: new(x, 2, 2, padding), [x], expected, session_shapes=known_rank(x))
    check(
        lambda x: new(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding=padding),
        [x],
        expected,
        session_shapes=known_rank(x),
    )
    check(lambda x: old(x, [1, 2, 2, 1], [1, 2, 2, 1], padding), [x], expected)
    check(lambda x: old(value=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding=padding), [x], expected)
    check(lambda x: tf.nn.pool(x, [2, 2], kind, [2, 2], padding), [x], expected, session_shapes=known_rank(x))
    check(
        lambda x: tf.compat.v1.nn.pool(x, [2, 2], kind, padding, strides=[2, 2]),
        [x],
        expected,
        session_shapes=known_rank(x),
    )
    if kind == "MAX":
        check_gradient(
            lambda x: new(x, 2, 1, padding), [x[:1, :3, :3, :1]], order=2, ways=("eager",), atol=1e-4
        )


@pytest.mark.parametrize("kind, padding", POOLS)
def test_pool1d_and_pool3d(kind, padding):
    line, volume = normal(2, 7, 3), normal(1, 4, 5, 3, 2, dtype=F32)
    one, three = (
        (tf.nn.max_pool1d, tf.nn.max_pool3d) if kind == "MAX" else (tf.nn.avg_pool1d, tf.nn.avg_pool3d)
    )
    check(
        lambda x: one(x, 3, 2, padding),
        [line],
        pool(line, kind, (3,), (2,), padding),
        session_shapes=known_rank(line),
    )
    ksize, strides = [1, 2, 3, 2, 1], [1, 2, 2, 1, 1]
    check(
        lambda x: three(x, ksize, strides, padding),
        [volume],
        pool(volume, kind, (2, 3, 2), (2, 2, 1), padding),
    )
    check_gradient(lambda x: one(x, 3, 2, padding), [line[:1, :, :1]], ways=("eager",))
    check_gradient(
        lambda x: tf.cast(three(tf.cast(x, tf.float32), ksize, strides, padding), tf.float64),
        [volume[..., :1].astype(np.float64)],
        ways=("eager",),
        step=1e-3,
        rtol=1e-2,
        atol=2e-3,
    )


def test_max_pool_explicit_padding():
    x = normal(1, 4, 4, 1, dtype=F32)
    explicit = [[0, 0], [1, 0], [0, 1], [0, 0]]
    expected = pool(x, "MAX", (2, 2), (2, 2), explicit)
    check(lambda x: tf.nn.max_pool2d(x, 2, 2, explicit), [x], expected, ways=("eager", "session"))


def test_max_pool_ties_send_gradient_to_the_first():
    x = tf.ones([1, 2, 2, 1])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.max_pool2d(x, 2, 2, "VALID")
    np.testing.assert_array_equal(tape.gradient(y, x)[0, :, :, 0], [[1, 0], [0, 0]])


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("with_batch", [False, True])
def test_max_pool_with_argmax(padding, with_batch):
    x = normal(2, 3, 4, 2, dtype=F32)
    expected = pool(x, "MAX", (2, 2), (2, 2), padding)
    flat = {value: i for i, value in enumerate(x.ravel())}
    index = np.vectorize(flat.get)(expected)
    if not with_batch:
        index = index % x[0].size
    check(
        lambda x: tuple(tf.nn.max_pool_with_argmax(x, 2, 2, padding, include_batch_in_index=with_batch)),
        [x],
        (expected, index.astype(np.int64)),
    )


def test_pool_errors():
    x = tf.zeros([1, 4, 4, 1])
    with pytest.raises(INVALID):
        tf.nn.max_pool2d(x, 2, 2, "FULL")
    with pytest.raises(INVALID):
        tf.nn.pool(x, [2, 2], "MEDIAN")
    with tf.Graph().as_default():
        x = tf.zeros([1, 4, 4, 1])
        with pytest.raises(ValueError):
            tf.nn.max_pool2d(x, 5, 1, "VALID")
        with pytest.raises(ValueError):
            tf.nn.avg_pool2d(x[0], 2, 2, "SAME")


def test_pool_static_shapes():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 28, None, 3])
        assert tf.nn.max_pool2d(x, 2, 2, "SAME").shape.as_list() == [None, 14, None, 3]
        assert tf.nn.avg_pool2d(x, 3, 2, "VALID").shape.as_list() == [None, 13, None, 3]
        w = tf.compat.v1.placeholder(tf.float32, [3, 3, 3, 8])
        assert tf.nn.conv2d(x, w, 2, "SAME").shape.as_list() == [None, 14, None, 8]
        assert tf.nn.conv2d(x, w, 1, "VALID").shape.as_list() == [None, 26, None, 8]
        assert tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME").shape.as_list() == [None, 28, None, 24]
        unknown = tf.compat.v1.placeholder(tf.float32)
        assert tf.nn.conv2d(unknown, w, 1, "SAME").shape.as_list() == [None, None, None, 8]
        up = tf.nn.conv2d_transpose(tf.nn.conv2d(x, w, 2, "SAME"), w, [7, 28, 28, 3], 2)
        assert up.shape.as_list()[1:] == [28, 28, 3]
