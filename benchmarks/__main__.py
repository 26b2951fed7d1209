"""Measures everflow, TensorFlow, PyTorch and JAX side by side, on the same two cores, in one run.

Every framework has a process of its own, which stays alive; they take turns, workload by workload and
round by round, so that a drift of the machine hits all alike, and only one measures at a time.  Each
may live in a virtual environment of its own:

    python -m benchmarks --python tensorflow=/venvs/tf/bin/python --python torch=/venvs/torch/bin/python

or EVERFLOW_BENCH_TENSORFLOW, EVERFLOW_BENCH_TORCH, EVERFLOW_BENCH_JAX and EVERFLOW_BENCH_EVERFLOW in the
environment.  Frameworks that are not installed are skipped, by name.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chart import write_chart
from benchmarks.crew import Member, importable, interpreters
from benchmarks.measure import summary
from benchmarks.registry import FRAMEWORKS, Workload, load_workloads
from benchmarks.table import difference, render, render_resources


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="run the workloads whose name contains PATTERN, or matches it as a glob")
    parser.add_argument("--frameworks", metavar="NAMES",
                        help="comma-separated; default: " + ",".join(FRAMEWORKS))
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH",
                        help="the interpreter that has the framework NAME (repeatable)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every framework per workload (7)")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of one turn (0.2)")
    parser.add_argument("--statistic", choices=("median", "lowest"), default="median",
                        help="what the table shows; the lowest sample is steadier on a busy machine")
    parser.add_argument("--cores", type=int, default=2, help="processor cores that everybody gets (2)")
    parser.add_argument("--fresh", action="store_true",
                        help="start the processes anew for every workload, so that its peak of memory is its own")
    parser.add_argument("--json", metavar="FILE",
                        help="also write every summary and sample to FILE, after each workload")
    parser.add_argument("--chart", metavar="FILE.svg",
                        help="also draw the ratios to the peers (python -m benchmarks.chart does so from the JSON)")
    parser.add_argument("--list", action="store_true", help="list the workloads and stop")
    parser.add_argument("--verbose", action="store_true", help="show the tracebacks of failed workloads")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.cores < 1 or options.seconds <= 0:
        parser.error("--rounds, --cores and --seconds must be positive")
    if options.chart and not options.chart.endswith(".svg"):
        parser.error(f"--chart expects the name of an .svg file, received {options.chart!r}")
    return options


def selected(workloads: dict[str, Workload], patterns: list[str]) -> list[Workload]:
    """The workloads that any pattern matches; all of them without a pattern."""
    return [
        w for w in workloads.values()
        if not patterns or any(p.lower() in w.name.lower() or fnmatch.fnmatch(w.name, p) for p in patterns)
    ]


def progress(total: int) -> Callable[[str], None]:
    """A function that shows one more step done; silent unless a person watches."""
    if not sys.stderr.isatty():
        return lambda text: None
    try:
        from tqdm import tqdm
    except ImportError:
        done = 0

        def show(text: str) -> None:
            nonlocal done
            done += 1
            print(f"\r[{done}/{total}] {text[:70]:<70}", end="" if done < total else "\n", file=sys.stderr)

        return show
    bar = tqdm(total=total, file=sys.stderr, leave=False)

    def advance(text: str) -> None:
        bar.set_description_str(text[:60], refresh=False)
        bar.update(1)

    return advance


def run_workload(
    workload: Workload, crew: dict[str, Member], options: argparse.Namespace, advance: Callable[[str], None]
) -> dict[str, Any]:
    """All rounds of one workload; returns the row: a result, or an error, per framework."""
    row: dict[str, Any] = {}
    samples: dict[str, dict[str, list[float]]] = {}
    for name, member in crew.items():
        if name not in workload.builders:
            continue
        reply = member.ask("prepare", name=workload.name)
        if "error" in reply:
            row[name] = reply
        else:
            row[name] = {"fingerprint": reply.get("fingerprint")}
            samples[name] = {"wall": [], "processor": []}
        advance(f"{workload.name}: {name}")
    for _ in range(options.rounds):
        for name in list(samples):
            time.sleep(0.02)  # threads of the one before go to sleep
            reply = crew[name].ask("turn", batches=3, seconds=options.seconds)
            if "error" in reply:
                row[name] = reply
                del samples[name]
                continue
            samples[name]["wall"] += reply["wall"]
            samples[name]["processor"] += reply["processor"]
        advance(workload.name)
    for name in crew:
        if name in row:
            peak = crew[name].ask("drop").get("peak")
            if name in samples:
                wall, processor = samples[name]["wall"], samples[name]["processor"]
                row[name] |= summary(wall) | {"peak_bytes": peak, "samples": wall}
                if processor:
                    row[name]["processor"] = summary(processor)["median"]
    return row


def members(options: argparse.Namespace) -> dict[str, str]:
    """The interpreters of the frameworks that are wanted and there; says which are not."""
    wanted = options.frameworks.split(",") if options.frameworks else list(FRAMEWORKS)
    unknown = set(wanted) - set(FRAMEWORKS)
    if unknown:
        raise ValueError(f"unknown frameworks {sorted(unknown)}; known: {list(FRAMEWORKS)}")
    found = {}
    for name, python in interpreters(options.python).items():
        if name not in wanted:
            continue
        if importable(python, FRAMEWORKS[name]):
            found[name] = python
        else:
            print(f"skipped: {name} (not importable by {python}; see --python)", file=sys.stderr)
    return found


def start_crew(pythons: dict[str, str], cores: int) -> tuple[dict[str, Member], dict[str, Any]]:
    """Starts a worker per framework, and says which cannot be imported."""
    crew: dict[str, Member] = {}
    about: dict[str, Any] = {}
    for name, python in pythons.items():
        member = Member(name, python, cores)
        reply = member.ask("hello")
        if "error" in reply:
            print(f"skipped: {name} (import fails: {reply['error']})", file=sys.stderr)
            member.stop()
            continue
        crew[name], about[name] = member, reply
    return crew, about


def stop_crew(crew: dict[str, Member]) -> None:
    for member in crew.values():
        member.stop()


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    chosen = selected(load_workloads(), options.only)
    if options.list:
        for workload in chosen:
            print(f"{workload.name:<44} {', '.join(f for f in FRAMEWORKS if f in workload.builders)}")
        return 0
    if not chosen:
        print(f"no workload matches {options.only}; see --list", file=sys.stderr)
        return 2
    try:
        pythons = members(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    crew, about = start_crew(pythons, options.cores)
    rows: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    advance = progress(sum(options.rounds + len(crew.keys() & w.builders.keys()) for w in chosen))
    try:
        for number, workload in enumerate(chosen):
            if options.fresh and number:
                stop_crew(crew)
                crew, _ = start_crew(pythons, options.cores)
            row = rows[workload.name] = run_workload(workload, crew, options, advance)
            problems += difference(workload, row)
            for name, result in row.items():
                if "error" in result:
                    problems.append(f"{workload.name}: {name}: {result['error'].strip().splitlines()[0]}")
                    if options.verbose:
                        problems.append(result["traceback"])
            if options.json:
                # After each row: whoever ends a long run early keeps what it measured.
                Path(options.json).write_text(
                    json.dumps({"frameworks": about, "rows": rows}, indent=1), encoding="utf-8"
                )
    finally:
        stop_crew(crew)
    if options.chart:
        write_chart({"frameworks": about, "rows": rows}, options.chart)
    print(", ".join(f"{name} {about[name]['version']}" for name in about) + f"; {options.cores} cores")
    print(render(chosen, rows, list(about), options.statistic))
    print(render_resources(chosen, rows, list(about)))
    for problem in problems:
        print("! " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
