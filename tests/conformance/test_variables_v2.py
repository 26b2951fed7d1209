"""tf.Variable, eagerly and inside tf.function: making, reading, assigning, scattering, comparing."""

import copy

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1


# ------------------------------------------------------------------ making


@pytest.mark.parametrize(
    "initial,dtype,shape",
    [
        (3, tf.int32, []), (2.5, tf.float32, []), (True, tf.bool, []), ("text", tf.string, []),
        (1 + 2j, tf.complex128, []), ([1, 2], tf.int32, [2]), ([[1.0], [2.0]], tf.float32, [2, 1]),
        (np.float64(1), tf.float64, []), (np.zeros([2, 3], np.int64), tf.int64, [2, 3]),
        (lambda: tf.ones([2]), tf.float32, [2]), (tf.constant([1], tf.uint8), tf.uint8, [1]),
    ],
)  # fmt: skip
def test_made_from(initial, dtype, shape):
    v = tf.Variable(initial)
    assert v.dtype is dtype and v.shape == shape
    if dtype is tf.string:
        assert v.numpy() == b"text"
    else:
        np.testing.assert_array_equal(v.numpy(), initial() if callable(initial) else initial)


def test_made_from_a_variable():
    v = tf.Variable([1.0, 2.0])
    w = tf.Variable(v)
    v.assign([5.0, 6.0])
    assert w.numpy().tolist() == [1.0, 2.0]


def test_dtype_argument():
    assert tf.Variable([1, 2], dtype=tf.float64).dtype is tf.float64
    assert tf.Variable(1.0, dtype="float16").dtype is tf.float16
    with pytest.raises(TypeError):
        tf.Variable(1.5, dtype=tf.int32)


def test_properties():
    v = tf.Variable([1.0, 2.0, 3.0], name="weights")
    assert v.name == "weights:0"
    assert isinstance(v.shape, tf.TensorShape) and v.get_shape() == [3] and v.shape.rank == 1
    assert v.trainable is True and tf.Variable(1, trainable=False).trainable is False
    assert v.handle.dtype is tf.resource
    assert v.device.endswith("CPU:0") and v.constraint is None
    assert v.synchronization is tf.VariableSynchronization.AUTO
    assert v.aggregation == tf.VariableAggregation.NONE
    assert isinstance(v, tf.Variable) and not isinstance(v, tf.Tensor) and tf.is_tensor(v)
    assert v.is_initialized().numpy() and tf1.is_variable_initialized(v).numpy()
    assert tf.size(v).numpy() == 3 and tf.rank(v).numpy() == 1 and tf.shape(v).numpy().tolist() == [3]


def test_names():
    assert tf.Variable(1.0).name == "Variable:0"
    assert tf.Variable(1.0).name == "Variable:0"
    assert tf.Variable(1.0, name="a/b").name == "a/b:0"
    with tf.name_scope("outer"), tf.name_scope("inner"):
        assert tf.Variable(1.0, name="v").name == "outer/inner/v:0"


def test_repr():
    assert repr(tf.Variable(3)) == "<tf.Variable 'Variable:0' shape=() dtype=int32, numpy=3>"
    v = tf.Variable([1.0, 2.0], name="v")
    expected = "<tf.Variable 'v:0' shape=(2,) dtype=float32, numpy=array([1., 2.], dtype=float32)>"
    assert repr(v) == str(v) == f"{v}" == expected
    assert repr(tf.Variable("s")) == "<tf.Variable 'Variable:0' shape=() dtype=string, numpy=b's'>"
    texts = []
    tf.function(lambda: texts.append(repr(v)))()
    assert texts == ["<tf.Variable 'v:0' shape=(2,) dtype=float32>"]
    matrix = tf.Variable([[1, 2], [3, 4]])
    assert repr(matrix).startswith(
        "<tf.Variable 'Variable:0' shape=(2, 2) dtype=int32, numpy=\narray([[1, 2],\n"
    )


def test_relaxed_shapes():
    v = tf.Variable([1.0], shape=[None])
    v.assign([1.0, 2.0])
    assert v.shape.as_list() == [None] and tf.shape(v).numpy().tolist() == [2]
    assert v.numpy().tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="shape"):
        v.assign([[1.0]])
    anything = tf.Variable(1, shape=tf.TensorShape(None))
    anything.assign([[1, 2]])
    assert anything.shape.rank is None and (anything + 1).numpy().tolist() == [[2, 3]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.Variable(),
        lambda: tf.Variable(None),
        lambda: tf.Variable(1.0, shape=[2]),
        lambda: tf.Variable([1.0, 2.0], shape=[3]),
        lambda: tf.Variable(lambda: 3, shape=[2]),
        lambda: tf.Variable(1.0, constraint=4),
        lambda: tf.Variable(object()),
        lambda: tf.Variable(1.0, synchronization=5),
        lambda: tf.Variable(1.0, aggregation=7),
    ],
)
def test_bad_arguments(make):
    with pytest.raises(ValueError):
        make()


def test_synchronization_and_aggregation():
    v = tf.Variable(
        1.0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
    )
    assert v.trainable is False
    assert v.synchronization == tf.VariableSynchronization.ON_READ
    assert v.aggregation == tf.VariableAggregation.SUM
    assert [mode.value for mode in tf.VariableSynchronization] == [0, 1, 2, 3]
    assert [mode.name for mode in tf.VariableAggregation] == ["NONE", "SUM", "MEAN", "ONLY_FIRST_REPLICA"]


def test_constraint_is_kept_for_optimizers():
    def clip(x):
        return tf.clip_by_value(x, 0.0, 1.0)

    v = tf.Variable(1.0, constraint=clip)
    assert v.constraint is clip
    assert float(v.assign(5.0)) == 5.0


def test_what_needs_a_graph():
    v = tf.Variable(1.0)
    with pytest.raises((AttributeError, RuntimeError, NotImplementedError)):
        v.eval()
    with pytest.raises((AttributeError, RuntimeError, NotImplementedError)):
        _ = v.initial_value
    with pytest.raises(AttributeError):
        _ = v.op
    assert v.initializer is None


# ------------------------------------------------------------------ reading


def test_reading():
    v = tf.Variable([1.0, 2.0])
    for tensor in (v.read_value(), v.value(), tf.convert_to_tensor(v), tf.identity(v)):
        assert isinstance(tensor, tf.Tensor) and tensor.numpy().tolist() == [1.0, 2.0]
    before = v.read_value()
    array = v.numpy()
    v.assign([7.0, 8.0])
    assert before.numpy().tolist() == array.tolist() == [1.0, 2.0]
    assert isinstance(v.numpy(), np.ndarray)
    np.testing.assert_array_equal(np.asarray(v), [7.0, 8.0])
    assert tf.convert_to_tensor(v, tf.float32).dtype is tf.float32
    with pytest.raises(ValueError, match="int32"):
        tf.convert_to_tensor(v, tf.int32)


def test_python_numbers():
    v, i = tf.Variable(3.5), tf.Variable(2)
    assert float(v) == 3.5 and int(v) == 3 and bool(v) and int(i) == 2 and complex(v) == 3.5
    assert not tf.Variable(0)
    assert f"{float(v):.2f} {int(i):d}" == "3.50 2"
    with pytest.raises(ValueError):
        bool(tf.Variable([1, 2]))
    with pytest.raises(TypeError):
        float(tf.Variable([1.0, 2.0]))
    with pytest.raises(TypeError):
        len(tf.Variable([1.0, 2.0]))


@pytest.mark.parametrize(
    "operate",
    [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a // b,
        lambda a, b: a % b, lambda a, b: a**b, lambda a, b: -a, lambda a, b: abs(a), lambda a, b: a < b,
        lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b, lambda a, b: b - a, lambda a, b: b / a,
        lambda a, b: b**a, lambda a, b: b // a, lambda a, b: 2.0 - a, lambda a, b: 2.0 / a,
        lambda a, b: 2.0**a, lambda a, b: a[1:], lambda a, b: a[..., None], lambda a, b: a[::-1],
    ],
)  # fmt: skip
def test_operators(operate):
    a, b = np.array([1.5, -2.0, 3.0], np.float32), np.array([2.0, 3.0, 0.5], np.float32)
    with np.errstate(invalid="ignore"):
        expected = operate(a, b)
    result = operate(tf.Variable(a), tf.constant(b))
    assert isinstance(result, tf.Tensor)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(operate(tf.Variable(a), tf.Variable(b)), expected, rtol=1e-6)


def test_more_operators():
    matrix, vector = tf.Variable([[1.0, 2.0], [3.0, 4.0]]), tf.Variable([[1.0], [1.0]])
    assert (matrix @ vector).numpy().tolist() == [[3.0], [7.0]]
    assert (tf.constant([[1.0, 1.0]]) @ matrix).numpy().tolist() == [[4.0, 6.0]]
    yes, bits = tf.Variable(True), tf.Variable(6)
    assert not (~yes).numpy() and (yes & False).numpy() == False and (bits | 1).numpy() == 7  # noqa: E712
    assert [float(row[0]) for row in matrix] == [1.0, 3.0]
    assert (np.ones([2, 2], np.float32) * matrix).shape == (2, 2)


def test_in_functions_of_tensors():
    v = tf.Variable([1.0, 2.0, 3.0])
    assert tf.reduce_sum(v).numpy() == 6.0
    assert tf.stack([v, v]).shape == [2, 3] and tf.concat([v, [4.0]], 0).shape == [4]
    assert tf.gather(v, [2]).numpy().tolist() == [3.0]
    assert tf.cast(v, tf.int32).numpy().tolist() == [1, 2, 3]
    assert tf.reshape(v, [3, 1]).shape == [3, 1] and tf.zeros_like(v).numpy().tolist() == [0.0] * 3
    assert tf.constant(v.numpy()).shape == [3]


# ------------------------------------------------------------------ comparing, copying


def test_equality_is_of_values_and_hash_by_reference():
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([1.0, 5.0])
    assert (v == w).numpy().tolist() == [True, False] and (v != w).numpy().tolist() == [False, True]
    assert (v == [1.0, 2.0]).numpy().all()
    assert bool(tf.Variable(1) == 1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(v)
    assert v.ref() == v.ref() and v.ref() != w.ref()
    assert {v.ref(): "v", w.ref(): "w"}[w.ref()] == "w"
    assert v.ref().deref() is v
    assert v is not None and v in [v]


def test_copies():
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.v = tf.Variable([1.0], name="v", trainable=False)

    v = tf.Variable([1.0, 2.0], name="original")
    twin = copy.deepcopy(v)
    v.assign([3.0, 4.0])
    assert twin.numpy().tolist() == [1.0, 2.0] and twin.shape == [2] and twin.dtype is tf.float32
    model = Model()
    other = copy.deepcopy(model)
    model.v.assign([9.0])
    assert other.v.numpy().tolist() == [1.0] and other.v.trainable is False


# ------------------------------------------------------------------ assigning


def test_assign():
    v = tf.Variable([1.0, 2.0])
    result = v.assign([3, 4])
    assert isinstance(result, tf.Variable) and result.numpy().tolist() == [3.0, 4.0]
    assert v.assign(np.array([5.0, 6.0])).numpy().tolist() == [5.0, 6.0]
    v.assign(tf.constant([7.0, 8.0]), use_locking=True, name="named")
    v.assign(v * 2.0)
    assert v.numpy().tolist() == [14.0, 16.0]
    assert v.assign([0.0, 0.0], read_value=False) is None
    assert v.assign_add([1.0, 2.0]).numpy().tolist() == [1.0, 2.0]
    assert v.assign_sub([0.5, 0.5]).assign_add([1.0, 1.0]).numpy().tolist() == [1.5, 2.5]
    w = tf.Variable([10.0, 20.0])
    v.assign(w)
    w.assign([0.0, 0.0])
    assert v.numpy().tolist() == [10.0, 20.0]


def test_augmented_assignment_is_refused():
    v = tf.Variable(1.0)
    with pytest.raises(RuntimeError, match="assign_add"):
        v += 1.0
    assert isinstance(v, tf.Variable) and float(v) == 1.0


@pytest.mark.parametrize(
    "value,error",
    [([1.0], ValueError), (1.0, ValueError), ([1, 2, 3], ValueError), ("x", (TypeError, ValueError)),
     (None, ValueError)],
)  # fmt: skip
def test_bad_assignments(value, error):
    v = tf.Variable([1.0, 2.0], name="victim")
    with pytest.raises(error):
        v.assign(value)
    assert v.numpy().tolist() == [1.0, 2.0]


def test_bad_assignments_name_the_variable():
    v = tf.Variable([1.0, 2.0], name="victim")
    with pytest.raises(ValueError, match=r"(?s)victim.*\(2,\).*\(3,\)"):
        v.assign([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="(?s)float32.*int32"):
        v.assign(tf.constant([1, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        v.assign_add(1.0)
    with pytest.raises(ValueError):
        v.assign_add(tf.constant([1, 2]))


def test_slices_are_assigned():
    v = tf.Variable([1.0, 2.0, 3.0, 4.0])
    assert v[1:3].assign([20.0, 30.0]).numpy().tolist() == [1.0, 20.0, 30.0, 4.0]
    v[0].assign(10.0)
    v[::-3].assign([-4.0, -1.0])
    assert v.numpy().tolist() == [-1.0, 20.0, 30.0, -4.0]
    m = tf.Variable(tf.zeros([2, 3]))
    m[:, 1].assign([5.0, 6.0])
    m[1, ...].assign([7.0, 7.0, 7.0])
    m[0:1, 2:].assign([[9.0]])
    assert m.numpy().tolist() == [[0.0, 5.0, 9.0], [7.0, 7.0, 7.0]]
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        v[0].assign([1.0, 2.0])


def slices(values, indices):
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices))


@pytest.mark.parametrize(
    "name,values,indices,expected",
    [
        ("scatter_update", [[9.0, 8.0]], [1], [[1.0, 2.0], [9.0, 8.0], [5.0, 6.0]]),
        ("scatter_add", [[1.0, 1.0], [2.0, 2.0]], [1, 1], [[1.0, 2.0], [6.0, 7.0], [5.0, 6.0]]),
        ("scatter_sub", [[1.0, 1.0]], [0], [[0.0, 1.0], [3.0, 4.0], [5.0, 6.0]]),
        ("scatter_mul", [[2.0, 3.0]], [2], [[1.0, 2.0], [3.0, 4.0], [10.0, 18.0]]),
        ("scatter_div", [[2.0, 4.0]], [1], [[1.0, 2.0], [1.5, 1.0], [5.0, 6.0]]),
        ("scatter_max", [[4.0, 4.0]], [2], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        ("scatter_min", [[4.0, 4.0]], [2], [[1.0, 2.0], [3.0, 4.0], [4.0, 4.0]]),
    ],
)
@pytest.mark.parametrize("way", ["eager", "function"])
def test_scatter(name, values, indices, expected, way):
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def scatter():
        return getattr(v, name)(slices(values, indices)).read_value()

    result = (scatter if way == "eager" else tf.function(scatter))()
    assert result.numpy().tolist() == v.numpy().tolist() == expected


def test_scatter_errors():
    v = tf.Variable([[1.0, 2.0]])
    with pytest.raises(TypeError, match="IndexedSlices"):
        v.scatter_add([1.0, 2.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="7"):
        v.scatter_update(slices([[1.0, 1.0]], [7]))
    assert v.numpy().tolist() == [[1.0, 2.0]]


def test_scatter_nd():
    v = tf.Variable(tf.zeros([3, 2]))
    assert v.scatter_nd_update([[0, 0], [1, 1]], [5.0, 6.0]).numpy().tolist() == [[5, 0], [0, 6], [0, 0]]
    assert v.scatter_nd_add([[0], [2]], [[1.0, 1.0], [2.0, 2.0]]).numpy().tolist() == [[6, 1], [0, 6], [2, 2]]
    assert v.scatter_nd_sub([[0, 0]], [1.0]).numpy()[0, 0] == 5.0
    assert v.scatter_nd_max([[0, 0]], [100.0]).numpy()[0, 0] == 100.0
    assert v.scatter_nd_min([[0, 0]], [-100.0]).numpy()[0, 0] == -100.0
    assert v.gather_nd([[0, 0]]).numpy().tolist() == [-100.0]
    assert v.sparse_read([2, 2]).numpy().tolist() == [[2.0, 2.0]] * 2
    tf1.scatter_nd_update(v, [[0, 0]], [4.0])
    assert v.numpy()[0, 0] == 4.0


def test_count_up_to():
    v = tf.Variable(0)
    assert [int(v.count_up_to(3)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(tf.errors.OutOfRangeError, match="3"):
        v.count_up_to(3)
    assert int(v) == 3


def test_functions_of_version_1():
    v, m = tf.Variable(1.0), tf.Variable(tf.zeros([2, 1]))
    assert float(tf1.assign(v, 5.0)) == 5.0
    assert float(tf1.assign_add(v, 2.0)) == 7.0 and float(tf1.assign_sub(v, 3.0)) == 4.0
    assert tf1.scatter_update(m, [1], [[3.0]]).numpy().tolist() == [[0.0], [3.0]]
    assert tf1.scatter_add(m, [0], [[1.0]]).numpy().tolist() == [[1.0], [3.0]]
    assert tf1.scatter_sub(m, [0], [[5.0]]).numpy().tolist() == [[-4.0], [3.0]]
    assert tf1.report_uninitialized_variables().shape == [0]


# ------------------------------------------------------------------ tapes and functions


def test_in_a_tape():
    v = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(v**2) + v[0] * v[1] + tf.reduce_sum(v.read_value() * tf.identity(v))
    assert tape.gradient(y, v).numpy().tolist() == [6.0, 9.0]
    with tf.GradientTape() as tape:
        y = v.sparse_read([1]) * 3.0
    assert tf.convert_to_tensor(tape.gradient(y, v)).numpy().tolist() == [0.0, 3.0]


def test_in_a_function():
    v = tf.Variable([1.0, 2.0])
    seen = []

    @tf.function
    def f(x):
        seen.append((v.shape.as_list(), v.dtype, tf.is_tensor(v), isinstance(v + x, tf.Tensor)))
        assigned = v.assign_add(x)
        v[0].assign(100.0)
        return assigned.read_value(), v * 1.0, v

    first, second, third = f(tf.constant([1.0, 1.0]))
    assert second.numpy().tolist() == third.numpy().tolist() == [100.0, 3.0]
    assert first.numpy().tolist() == [100.0, 3.0]
    assert seen == [([2], tf.float32, True, True)]
    with pytest.raises((NotImplementedError, AttributeError), match="numpy"):
        tf.function(lambda: v.numpy())()
    with pytest.raises(ValueError):
        tf.function(lambda: v.assign([1.0, 2.0, 3.0]))()
    with pytest.raises((TypeError, AttributeError, NotImplementedError)):
        tf.function(lambda: float(v), autograph=False)()


def test_variables_die_with_their_object():
    for _ in range(20):
        tf.Variable(tf.zeros([1000, 1000]))
    v = tf.Variable(1.0)
    f = tf.function(lambda: v + 1.0)
    assert float(f()) == 2.0


def test_variables_in_structures():
    v, w = tf.Variable(1.0), tf.Variable([2.0])
    assert tf.nest.flatten({"b": [w], "a": v})[0] is v
    doubled = tf.nest.map_structure(lambda x: x * 2.0, {"v": v, "w": (w,)})
    assert float(doubled["v"]) == 2.0 and doubled["w"][0].numpy().tolist() == [4.0]
