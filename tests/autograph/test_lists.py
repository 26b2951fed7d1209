"""Lists that loops and branches of the graph make longer or shorter: TensorFlow 2.15 refuses all of these."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.autograph import lists

X = [1.0, -2.0, 3.0]


def converted(function, *arguments):
    made = tf.function(function, experimental_autograph_options=tf.autograph.experimental.Feature.LISTS)
    return tf.nest.map_structure(lambda v: np.asarray(v).tolist(), made(*map(tf.constant, arguments)))


def both(function, *arguments):
    """What the function returns, after checking that Python agrees."""
    eager = tf.nest.map_structure(lambda v: np.asarray(v).tolist(), function(*map(tf.constant, arguments)))
    found = converted(function, *arguments)
    assert found == eager
    return found


def test_append():
    def f(x):
        kept = []
        for v in x:
            kept.append(v * 2)
        kept.append(tf.constant(9.0))
        return tf.stack(kept), len(kept)

    assert both(f, X) == ([2.0, -4.0, 6.0, 9.0], 4)


def test_append_in_a_branch():
    def f(x):
        kept = [tf.constant(0.0)]
        for v in x:
            if v > 0:
                kept.append(v)
            elif v < -1:
                kept.append(-v)
                kept.append(v)
        return tf.stack(kept), kept[1], kept[-1], tf.stack(kept[1:3])

    assert both(f, X) == ([0.0, 1.0, 2.0, -2.0, 3.0], 1.0, 3.0, [1.0, 2.0])


def test_branches_that_append_alike_keep_a_python_list():
    def f(x):
        kept = []
        if x > 0:
            kept.append(x)
        else:
            kept.append(-x)
        return kept

    assert both(f, -3) == [3]


def test_a_stack():
    def f(n):
        stack, total = [n], 0
        while len(stack) > 0:
            k = stack.pop()
            total += k
            if k > 1:
                stack.append(k // 2)
                stack.append(k - 1 - k // 2)
        return total

    assert both(f, 10) == 29


def test_pop_of_what_python_filled():
    def f(x):
        rest, total = [x[0], x[1], x[2]], 0.0
        while len(rest) > 0:
            total = total * 2 + rest.pop()
        return total, len(rest)

    assert both(f, X) == (9.0, 0)


def test_a_list_as_a_condition_and_to_iterate_over():
    def f(n):
        kept = []
        while len(kept) < n:
            kept.append(n)
        total = 0
        for v in kept:
            total += v
        while kept:
            total += kept.pop() * 10
        return total

    assert both(f, 3) == 99


def test_loops_nest():
    def f(x):
        kept = []
        for v in x:
            for w in x:
                kept.append(v * w)
        return tf.stack(kept)

    assert both(f, [1, 2]) == [1, 2, 2, 4]


def test_rows_of_unknown_length():
    @tf.function(input_signature=[tf.TensorSpec([None])],
                 experimental_autograph_options=tf.autograph.experimental.Feature.LISTS)
    def f(x):
        kept = []
        for _ in tf.range(2):
            kept.append(x)
        return tf.stack(kept)

    assert f([1.0, 2.0]).numpy().tolist() == [[1.0, 2.0]] * 2
    assert f.get_concrete_function().output_shapes.as_list() == [None, None]


def test_break():
    def f(x):
        kept = []
        for v in x:
            if v < 0:
                break
            kept.append(v)
        return tf.stack(kept)

    assert both(f, X) == [1.0]


def test_set_items():
    def f(x):
        kept = []
        for v in x:
            kept.append(v)
        kept[0] = x[1]
        kept[1] += 10.0
        return tf.stack(kept)

    assert both(f, X) == [-2.0, 8.0, 3.0]


def test_gradients():
    @tf.function(experimental_autograph_options=tf.autograph.experimental.Feature.LISTS)
    def f(x):
        kept = []
        for v in x:
            kept.append(v * v)
        return tf.reduce_sum(tf.stack(kept))

    x = tf.constant(X)
    for _ in range(4):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        assert float(y) == 14.0 and tape.gradient(y, x).numpy().tolist() == [2.0, -4.0, 6.0]


def test_attributes_and_items_of_dicts():
    class Log:
        def __init__(self):
            self.kept = []

        def fill(self, x):
            named = {"a": []}
            for v in x:
                self.kept.append(v)
                named["a"].append(v + 1)
            return tf.stack(self.kept), tf.stack(named["a"])

    assert converted(Log().fill, X) == (X, [2.0, -1.0, 4.0])


def test_lists_of_elsewhere_are_changed_in_place():
    seen = []

    def f(x):
        seen.append(1)
        return x + len(seen)

    assert converted(f, 1) == 2 and seen == [1]


def test_other_objects_keep_their_methods():
    def f(x):
        named, numbers = {"k": x}, [1, 2, 3]
        named["k"] += 1.0
        first = named.pop("k")
        last = numbers.pop() + numbers.pop(0) * 10
        return first, named.pop("z", 3), last, numbers

    assert both(f, X) == ([2.0, -1.0, 4.0], 3, 13, [2])


def test_tensor_arrays():
    def f(x):
        array = tf.TensorArray(tf.float32, 0, dynamic_size=True)
        for v in x:
            array.append(v)
        array[0] = 5.0
        return array.stack(), len(array), array[1]

    assert converted(f, X) == ([5.0, -2.0, 3.0], 3, -2.0)
    with pytest.raises(NotImplementedError, match="TensorArray"):
        converted(lambda x: lists.list_pop(tf.TensorArray(tf.float32, 1)), 1)


def test_slices_of_tensors_are_assigned():
    def f():
        m = tf.zeros([2, 3])
        m[0, 1] = 5.0
        m[:, 2] = tf.constant([7.0, 8.0])
        m[1, :2] = 1.0
        m[..., 0] += 1.0
        return m

    with pytest.raises(TypeError):
        tf.function(f)()

    def g():
        m = tf.zeros([2, 3])
        m[0, 1] = 5.0
        m[:, 2] = tf.constant([7.0, 8.0])
        m[1, :2] = 1.0
        return m

    assert converted(g) == [[0.0, 5.0, 7.0], [1.0, 1.0, 8.0]]


def test_one_dtype():
    def f(x):
        kept = []
        for v in x:
            kept.append(v)
            kept.append(v > 0)
        return tf.stack(kept)

    with pytest.raises(TypeError, match="elements of one dtype, received .*bool.*float32|float32.*bool"):
        converted(f, X)


def test_pop_from_the_front():
    def f(x):
        kept = []
        for v in x:
            kept.append(v)
        return kept.pop(0)

    with pytest.raises(NotImplementedError, match="only its last element"):
        converted(f, X)


def test_stack():
    with tf.Graph().as_default():
        empty = tf.raw_ops.EmptyTensorList(element_shape=[], max_num_elements=-1, element_dtype=tf.int32)
        with pytest.raises(ValueError, match="element_dtype"):
            lists.stack(empty)
        assert lists.stack(empty, tf.int32).dtype == tf.int32
        with pytest.raises(ValueError, match="needs a list"):
            lists.stack(3)
        assert lists.stack(3, strict=False) == 3 and lists.stack([1, 2]).shape == [2]
