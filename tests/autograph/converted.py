"""What the tests of the runtime of converted code share."""

import everflow as tf


class State:
    """A function's variables, as converted code gives access to them."""

    def __init__(self, **values):
        self.values = values
        self.symbols = tuple(values)

    def get(self):
        return tuple(self.values.values())

    def set(self, values):
        self.values.update(zip(self.symbols, values))


def types(graph):
    return {op.type for op in graph.get_operations()}


def run(tensor, feeds=None):
    with tf.compat.v1.Session(graph=tensor.graph) as session:
        return session.run(tensor, feeds)
