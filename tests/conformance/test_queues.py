"""Queues: order, batches, padding, closing, waiting threads, in graphs and eagerly."""

import threading

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


def test_operations_and_static_shapes(graph):
    queue = v1.FIFOQueue(3, [tf.float32, tf.int32], [[2], []])
    enqueue = queue.enqueue([[1.0, 2.0], 3])
    queue.enqueue_many([[[1.0, 2.0]], [3]])
    one, many, some = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)
    assert isinstance(enqueue, tf.Operation)
    assert [(op.name, op.type) for op in graph.get_operations() if op.type != "Const"] == [
        ("fifo_queue", "FIFOQueueV2"),
        ("fifo_queue_enqueue", "QueueEnqueueV2"),
        ("fifo_queue_EnqueueMany", "QueueEnqueueManyV2"),
        ("fifo_queue_Dequeue", "QueueDequeueV2"),
        ("fifo_queue_DequeueMany", "QueueDequeueManyV2"),
        ("fifo_queue_DequeueUpTo", "QueueDequeueUpToV2"),
    ]
    assert [t.shape.as_list() for t in one] == [[2], []]
    assert [t.shape.as_list() for t in many] == [[2, 2], [2]]
    assert [t.shape.as_list() for t in some] == [[None, 2], [None]]
    assert queue.name == "fifo_queue" and queue.names is None
    assert queue.dtypes == [tf.float32, tf.int32] and queue.shapes == [[2], []]
    assert queue.queue_ref.dtype is tf.resource
    assert queue.size().name == "fifo_queue_Size:0" and queue.close().name == "fifo_queue_Close"
    assert v1.FIFOQueue(3, tf.float32).dequeue().shape.rank is None


def test_first_in_first_out(session):
    queue = v1.FIFOQueue(10, tf.float32, [[]])
    session.run(queue.enqueue_many([[1.0, 2.0, 3.0]]))
    session.run(queue.enqueue(4.0))
    taken = queue.dequeue()
    assert session.run(queue.size()) == 4
    assert [session.run(taken) for _ in range(2)] == [1.0, 2.0]
    assert session.run(queue.dequeue_many(2)).tolist() == [3.0, 4.0]


@pytest.mark.parametrize("name", ["dequeue", "dequeue_many", "dequeue_up_to"])
def test_closed_queues(session, name):
    queue = v1.FIFOQueue(10, tf.int32, [[]], name="mine")
    session.run(queue.enqueue_many([[1, 2, 3]]))
    taken = {"dequeue": queue.dequeue, "dequeue_many": lambda: queue.dequeue_many(2),
             "dequeue_up_to": lambda: queue.dequeue_up_to(2)}[name]()  # fmt: skip
    enqueue = queue.enqueue(5)
    assert session.run(queue.is_closed()) == False  # noqa: E712
    session.run(queue.close())
    assert session.run(queue.is_closed()) == True  # noqa: E712
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        session.run(enqueue)
    got = []
    with pytest.raises(tf.errors.OutOfRangeError, match="mine.*closed and has insufficient elements"):
        while True:
            got.append(np.asarray(session.run(taken)).tolist())
    assert got == {"dequeue": [1, 2, 3], "dequeue_many": [[1, 2]], "dequeue_up_to": [[1, 2], [3]]}[name]
    assert session.run(queue.size()) == (1 if name == "dequeue_many" else 0)


def test_named_components(session):
    queue = v1.FIFOQueue(5, [tf.float32, tf.string], [[], []], names=["x", "label"])
    session.run(queue.enqueue({"x": 1.5, "label": "a"}))
    session.run(queue.enqueue_many({"x": [2.5, 3.5], "label": ["b", "c"]}))
    assert session.run(queue.dequeue()) == {"x": 1.5, "label": b"a"}
    batch = session.run(queue.dequeue_many(2))
    assert batch["x"].tolist() == [2.5, 3.5] and batch["label"].tolist() == [b"b", b"c"]
    with pytest.raises(ValueError):
        queue.enqueue([1.0, "a"])
    with pytest.raises(ValueError):
        queue.enqueue({"x": 1.0})


@pytest.mark.parametrize(
    "make",
    [
        lambda: v1.FIFOQueue(3, [tf.float32], [[2], [3]]),
        lambda: v1.FIFOQueue(3, [tf.float32], [[None]]),
        lambda: v1.FIFOQueue(3, tf.float32, [[2]]).enqueue([[1.0]]),
        lambda: v1.FIFOQueue(3, tf.float32, [[2]]).enqueue_many([[1.0, 2.0]]),
    ],
)
def test_what_does_not_fit(graph, make):
    with pytest.raises(ValueError):
        make()


def test_wrong_shapes_when_it_runs(session):
    x = v1.placeholder(tf.float32)
    queue = v1.FIFOQueue(3, tf.float32, [[2]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="[Ss]hape"):
        session.run(queue.enqueue([x]), {x: [1.0, 2.0, 3.0]})


def test_padding(session):
    queue = v1.PaddingFIFOQueue(5, [tf.float32, tf.string], [[None], [None, 1]])
    x, s = v1.placeholder(tf.float32, [None]), v1.placeholder(tf.string, [None, 1])
    enqueue = queue.enqueue([x, s])
    session.run(enqueue, {x: [1.0], s: [["a"], ["b"]]})
    session.run(enqueue, {x: [2.0, 3.0], s: [["c"]]})
    numbers, texts = queue.dequeue_many(2)
    assert numbers.shape.as_list() == [2, None] and texts.shape.as_list() == [2, None, 1]
    numbers, texts = session.run([numbers, texts])
    assert numbers.tolist() == [[1.0, 0.0], [2.0, 3.0]]
    assert texts.tolist() == [[[b"a"], [b"b"]], [[b"c"], [b""]]]


def test_shuffling(session):
    queue = v1.RandomShuffleQueue(100, 0, tf.int32, [[]], seed=7)
    session.run(queue.enqueue_many([np.arange(50, dtype=np.int32)]))
    got = session.run(queue.dequeue_many(50)).tolist()
    assert sorted(got) == list(range(50)) and got != sorted(got)


def test_shuffling_keeps_elements_behind_until_it_is_closed(session):
    queue = v1.RandomShuffleQueue(10, 2, tf.int32, [[]])
    session.run(queue.enqueue_many([[1, 2, 3]]))
    taken = queue.dequeue()
    got = [int(session.run(taken))]
    session.run(queue.close())
    got.extend(session.run(queue.dequeue_many(2)).tolist())
    assert sorted(got) == [1, 2, 3]


def test_priorities(session):
    queue = tf.queue.PriorityQueue(10, [tf.string], [[]])
    assert queue.dtypes == [tf.int64, tf.string]
    for priority, text in [(3, "c"), (1, "a"), (2, "b"), (1, "d")]:
        session.run(queue.enqueue([np.int64(priority), text]))
    taken = queue.dequeue()
    assert [session.run(taken)[1] for _ in range(4)] == [b"a", b"d", b"b", b"c"]


def test_the_capacity_makes_enqueueing_wait(graph):
    queue = v1.FIFOQueue(1, tf.int32, [[]])
    enqueue, taken = queue.enqueue_many([[1, 2, 3]]), queue.dequeue()
    with v1.Session() as session:
        thread = threading.Thread(target=session.run, args=(enqueue,))
        thread.start()
        assert [int(session.run(taken)) for _ in range(3)] == [1, 2, 3]
        thread.join(30)
        assert not thread.is_alive()


def test_closing_sends_waiting_threads_away(graph):
    queue = v1.FIFOQueue(1, tf.int32, [[]])
    enqueue, taken = queue.enqueue(1), queue.dequeue()
    errors = []

    def run(session, fetch):
        try:
            session.run(fetch)
        except tf.errors.OpError as error:
            errors.append(type(error))

    with v1.Session() as session:
        session.run(enqueue)
        thread = threading.Thread(target=run, args=(session, enqueue))
        thread.start()
        while session.run(queue.size()) != 1:
            pass
        session.run(queue.close(cancel_pending_enqueues=True))
        thread.join(30)
        run(session, enqueue)
        session.run(taken)
        run(session, taken)
    assert errors == [tf.errors.CancelledError, tf.errors.CancelledError, tf.errors.OutOfRangeError]


def test_sessions_have_their_own_queues(graph):
    queue = v1.FIFOQueue(3, tf.int32, [[]])
    enqueue, size = queue.enqueue(1), queue.size()
    with v1.Session() as one, v1.Session() as two:
        one.run(enqueue)
        assert one.run(size) == 1 and two.run(size) == 0


def test_shared_names(session):
    one = v1.FIFOQueue(3, tf.int32, [[]], shared_name="common")
    two = v1.FIFOQueue(3, tf.int32, [[]], shared_name="common")
    session.run(one.enqueue(5))
    assert session.run(two.dequeue()) == 5


def test_one_of_several_queues(session):
    queues = [v1.FIFOQueue(3, tf.float32, [[]]) for _ in range(2)]
    index = v1.placeholder(tf.int32, [])
    chosen = tf.queue.QueueBase.from_list(index, queues)
    session.run(queues[1].enqueue(5.0))
    session.run(queues[0].enqueue(4.0))
    taken = chosen.dequeue()
    assert [session.run(taken, {index: i}) for i in (1, 0)] == [5.0, 4.0]


def test_eager_queues():
    queue = tf.queue.FIFOQueue(4, [tf.float32, tf.int32], [[2], []])
    queue.enqueue([[1.0, 2.0], 3])
    queue.enqueue_many([[[3.0, 4.0], [5.0, 6.0]], [4, 5]])
    assert queue.size().numpy() == 3
    x, n = queue.dequeue()
    assert x.numpy().tolist() == [1.0, 2.0] and n.numpy() == 3
    x, n = queue.dequeue_many(2)
    assert x.numpy().tolist() == [[3.0, 4.0], [5.0, 6.0]] and n.numpy().tolist() == [4, 5]
    queue.close()
    with pytest.raises(tf.errors.OutOfRangeError):
        queue.dequeue()


def test_queue_runners(graph):
    queue = v1.FIFOQueue(5, tf.int32, [[]])
    counter = v1.Variable(0, use_resource=True)
    runner = v1.train.QueueRunner(queue, [queue.enqueue(counter.assign_add(1))])
    v1.train.add_queue_runner(runner)
    assert v1.get_collection(v1.GraphKeys.QUEUE_RUNNERS) == [runner]
    assert runner.queue is queue and len(runner.enqueue_ops) == 1 and runner.name == "fifo_queue"
    taken = queue.dequeue()
    with v1.Session() as session:
        session.run(counter.initializer)
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coord=coordinator)
        assert [int(session.run(taken)) for _ in range(8)] == list(range(1, 9))
        coordinator.request_stop()
        coordinator.join(threads)
        assert coordinator.should_stop() and runner.exceptions_raised == []


def test_a_queue_runner_ends_with_its_input(graph):
    source = v1.FIFOQueue(5, tf.int32, [[]])
    target = v1.FIFOQueue(5, tf.int32, [[]])
    v1.train.add_queue_runner(v1.train.QueueRunner(target, [target.enqueue(source.dequeue() * 10)]))
    taken = target.dequeue()
    with v1.Session() as session:
        session.run(source.enqueue_many([[1, 2, 3]]))
        session.run(source.close())
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        got = []
        try:
            while not coordinator.should_stop():
                got.append(int(session.run(taken)))
        except tf.errors.OutOfRangeError:
            pass
        finally:
            coordinator.request_stop()
        coordinator.join(threads)
        assert got == [10, 20, 30]


def test_coordinators_raise_what_threads_raised():
    coordinator = v1.train.Coordinator()

    def work():
        with coordinator.stop_on_exception():
            raise KeyError("from the thread")

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(KeyError, match="from the thread"):
        coordinator.join([thread])
    assert coordinator.should_stop() and coordinator.joined
    coordinator.clear_stop()
    assert not coordinator.should_stop()


def test_looper_threads():
    coordinator, calls = v1.train.Coordinator(), []

    def work():
        calls.append(1)
        if len(calls) == 3:
            coordinator.request_stop()

    thread = v1.train.LooperThread.loop(coordinator, None, work)
    coordinator.join([thread])
    assert len(calls) == 3
