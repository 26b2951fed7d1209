"""Trains for 10,000 steps in each of three styles and watches the resident memory.

    python -m benchmarks.memory_flat                      # everflow
    python -m benchmarks.memory_flat --module tensorflow  # the same loops on a peer

Every style has a process of its own.  After the first hundred steps, in which caches fill and compilers
run, memory is expected to be flat; the exit status is 1 when it grew by more than `--limit` MiB.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.arrays import batches, labels, normal, weight
from benchmarks.crew import ROOT, environment
from benchmarks.measure import resident_bytes

BATCH, FEATURES, UNITS, CLASSES, RATE = 32, 64, 64, 10, 0.05
SETTLED = 100


def _parameters() -> list[Any]:
    shapes = [(FEATURES, UNITS), (UNITS, CLASSES)]
    return [p for shape in shapes for p in (weight(*shape), normal(shape[-1], scale=0.01))]


def _loss(tf: Any, parameters: list[Any], x: Any, y: Any) -> Any:
    hidden = tf.tanh(tf.matmul(x, parameters[0]) + parameters[1])
    logits = tf.matmul(hidden, parameters[2]) + parameters[3]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def _tape_step(tf: Any, compiled: bool) -> Callable[[Any, Any], Any]:
    parameters = [tf.Variable(value) for value in _parameters()]

    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _loss(tf, parameters, x, y)
        for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
            parameter.assign_sub(RATE * gradient)
        return loss

    return tf.function(train) if compiled else train


def _session_step(tf: Any) -> Callable[[Any, Any], Any]:
    tf1 = tf.compat.v1
    with tf.Graph().as_default():
        x, y = tf1.placeholder(tf.float32, [None, FEATURES]), tf1.placeholder(tf.int32, [None])
        parameters = [
            tf1.get_variable(f"parameter_{i}", initializer=tf.constant(value))
            for i, value in enumerate(_parameters())
        ]
        loss = _loss(tf, parameters, x, y)
        train = tf1.train.GradientDescentOptimizer(RATE).minimize(loss)
        session = tf1.Session()
        session.run(tf1.global_variables_initializer())
    return lambda features, targets: session.run([loss, train], {x: features, y: targets})[0]


STYLES: dict[str, Callable[[Any], Callable[[Any, Any], Any]]] = {
    "eager tape": lambda tf: _tape_step(tf, compiled=False),
    "tf.function": lambda tf: _tape_step(tf, compiled=True),
    "Session.run": _session_step,
}


def train(module: str, style: str, steps: int, every: int) -> list[tuple[int, float]]:
    """Runs the loop in this process; returns (step, resident MiB) samples."""
    step = STYLES[style](importlib.import_module(module))
    data = batches(lambda seed: (normal(BATCH, FEATURES, seed=seed), labels(BATCH, CLASSES, seed)))
    samples = []
    first = last = 0.0
    for i in range(1, steps + 1):
        last = float(step(*next(data)))
        first = first or last
        if i % every == 0 or i == SETTLED:
            samples.append((i, resident_bytes() / 2**20))
    if steps >= 1000 and not last < first:
        raise RuntimeError(f"{style}: the loss did not fall, it was {first} at first and is {last} at last")
    return samples


def growth(samples: list[tuple[int, float]]) -> float:
    """MiB by which the last sample exceeds the first one after the settling steps."""
    settled = [memory for step, memory in samples if step >= SETTLED]
    return settled[-1] - settled[0]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory_flat", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--module", default="everflow", help="the module to train with (everflow)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has it")
    parser.add_argument("--style", action="append", choices=list(STYLES), help="only this style (repeatable)")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=100, help="steps between samples (100)")
    parser.add_argument("--limit", type=float, default=2.0, help="MiB of growth that is still flat (2)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= SETTLED:
        parser.error(f"--steps must be more than {SETTLED}")
    if options.here:
        print(json.dumps(train(options.module, options.style[0], options.steps, options.every)))
        return 0
    grown = False
    for style in options.style or STYLES:
        command = [
            options.python, "-m", "benchmarks.memory_flat", "--here", "--module", options.module,
            "--style", style, "--steps", str(options.steps), "--every", str(options.every),
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            grown = True
            print(f"{style:<12} failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        samples = json.loads(done.stdout.splitlines()[-1])
        increase = growth(samples)
        settled = next(memory for step, memory in samples if step >= SETTLED)
        grown |= increase > options.limit
        verdict = "flat" if increase <= options.limit else "GROWS"
        print(
            f"{style:<12} {settled:7.1f} MiB after {SETTLED} steps, {samples[-1][1]:7.1f} MiB after "
            f"{options.steps}: {increase:+.2f} MiB, {verdict}", flush=True,
        )
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
