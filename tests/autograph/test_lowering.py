"""break, continue and return become flags, and mean the same."""

import ast
import itertools
import random
import textwrap

import pytest

from everflow._src.autograph import state
from everflow._src.autograph.lowering import Lowering
from tests.autograph.programs import random_function


def lowered(source):
    tree = ast.parse(textwrap.dedent(source))
    Lowering().function(tree.body[0])
    return ast.fix_missing_locations(tree)


def function_of(tree):
    class Runtime:
        UndefinedReturnValue = state.UndefinedReturnValue
        returned = staticmethod(state.returned)

    for node in ast.walk(tree):
        test = getattr(node, "extra_test", None)
        if test is not None:  # the runtime asks it before each iteration
            node.body.insert(0, ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], []))
    ast.fix_missing_locations(tree)
    namespace = {"ag__": Runtime}
    exec(compile(tree, "<lowered>", "exec"), namespace)
    return namespace["f"]


def jumps(tree):
    """The jumps that are left, without a return at the end."""
    statements = tree.body[0].body
    inner = [n for s in statements for n in ast.walk(s)]
    last = statements[-1]
    return [n for n in inner if isinstance(n, (ast.Break, ast.Continue, ast.Return)) and n is not last]


PROGRAMS = {
    "early return": """
        def f(a, b):
            if a > 1:
                return a
            return b
    """,
    "return in the middle": """
        def f(a, b):
            x = 0
            if a > b:
                x = 1
                if b > 0:
                    return x
                x = 2
            elif a == b:
                return -1
            x += 10
            return x
    """,
    "return without a value": """
        def f(a, b):
            if a > b:
                return
            return a
    """,
    "no return at the end": """
        def f(a, b):
            if a > b:
                return 5
    """,
    "return in loops": """
        def f(a, b):
            for i in range(4):
                for j in range(3):
                    if i * j == a + b:
                        return (i, j)
            return None
    """,
    "break and continue": """
        def f(a, b):
            total = 0
            for i in range(6):
                if i == a:
                    continue
                total += i
                if i > b:
                    break
                total += 100
            return total
    """,
    "while": """
        def f(a, b):
            n = 0
            while True:
                n += 1
                if n % 2 == a % 2:
                    continue
                if n > b + 3:
                    break
            return n
    """,
    "else of loops": """
        def f(a, b):
            for i in range(a + 2):
                if i == b:
                    break
            else:
                return "none"
            return "some"
    """,
    "with and try": """
        def f(a, b):
            log = []
            for i in range(4):
                try:
                    if i == a:
                        continue
                    if i == b:
                        return log
                    log.append(1 // (i - 1))
                except ZeroDivisionError:
                    log.append("zero")
                    if a == 2:
                        break
            return tuple(log)
    """,
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_same_results(name):
    source = textwrap.dedent(PROGRAMS[name])
    namespace = {}
    exec(source, namespace)
    tree = lowered(source)
    found = function_of(tree)
    for a, b in itertools.product(range(-1, 4), repeat=2):
        assert found(a, b) == namespace["f"](a, b), (a, b)


def test_random_programs_give_the_same():
    for seed in range(150):
        source = random_function(random.Random(seed))
        namespace = {}
        exec(source, namespace)
        tree = lowered(source)
        assert not jumps(tree), ast.unparse(tree)
        found = function_of(tree)
        for a, b in itertools.product((-2, 0, 1, 3), repeat=2):
            assert found(a, b) == namespace["f"](a, b), (seed, a, b, source, ast.unparse(tree))


@pytest.mark.parametrize("source", ["def f(a):\n    x = a\n    return x", "def f(a):\n    g(a)"])
def test_plain_functions_stay(source):
    assert ast.unparse(lowered(source)) == source


def test_functions_inside_keep_their_jumps():
    source = textwrap.dedent("""
        def f(a):
            if a:
                return 1
            def g():
                if a:
                    return 2
                return 3
            return g()
    """)
    inner = next(n for n in ast.walk(lowered(source)) if isinstance(n, ast.FunctionDef) and n.name == "g")
    assert sum(isinstance(n, ast.Return) for n in ast.walk(inner)) == 2
    for a in (0, 1):
        namespace = {}
        exec(source, namespace)
        assert function_of(lowered(source))(a) == namespace["f"](a)
