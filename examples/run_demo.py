"""Three styles of TensorFlow side by side: one classifier of digits as a graph, eagerly, as a tf.function.

    python examples/run_demo.py            runs each with `everflow run`
    python examples/run_demo.py --plain    runs each with the TensorFlow that this Python has, to compare

Ends with 1 if a style stays under a test accuracy of 0.97.
"""

import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NEEDED_ACCURACY = 0.97
STYLES = [
    ("digits_graph.py", ["--tf", "1"]),
    ("digits_eager.py", []),
    ("digits_function.py", []),
]


def run(script, options, plain):
    """Runs one example; its progress goes to our standard error. Returns what it reports on its last line."""
    command = [sys.executable] if plain else [sys.executable, "-m", "everflow", "run", *options]
    print(f"$ {' '.join(['python', *command[1:], f'examples/{script}'])}", file=sys.stderr, flush=True)
    done = subprocess.run([*command, str(HERE / script)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise SystemExit(f"{script} ended with exit status {done.returncode}")
    return json.loads(lines[-1])


def table(results):
    rows = [("style", "test accuracy", "steps per second", "seconds to the first step")]
    for result in results:
        rows.append(
            (
                result["style"],
                f"{result['test_accuracy']:.4f}",
                f"{result['steps_per_second']:.1f}",
                f"{result['seconds_to_first_step']:.2f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, 4))]) for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plain", action="store_true", help="run with this Python's own TensorFlow")
    plain = parser.parse_args().plain
    results = [run(script, options, plain) for script, options in STYLES]
    print(table(results))
    missed = [result["style"] for result in results if result["test_accuracy"] < NEEDED_ACCURACY]
    if missed:
        raise SystemExit(f"under {NEEDED_ACCURACY} test accuracy: {', '.join(missed)}")


if __name__ == "__main__":
    main()
