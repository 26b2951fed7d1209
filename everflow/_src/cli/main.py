"""The `everflow` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from everflow._src.cli import check, doctor, run
from everflow._src.framework import versions

_DESCRIPTION = "TensorFlow programs of every generation on one small engine."
_EPILOG = """\
examples:
  everflow run train.py --steps 1000     run a program that says `import tensorflow`, of either generation
  everflow run --tf 1 old_script.py      the same, as a TensorFlow 1.x program
  everflow run -m package.module         as `python -m` does
  everflow check train.py                which names it uses that everflow does not have
  everflow doctor                        what is installed, what is missing, how to mend it
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="everflow",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"everflow {versions.EVERFLOW_VERSION} "
        f"(TensorFlow {versions.VERSION_2} and {versions.VERSION_1} API)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    runner = commands.add_parser(
        "run",
        help="run a program that says `import tensorflow`, unmodified",
        description="Runs a Python program as `python` would, with `import tensorflow` served by everflow.",
        usage="everflow run [--tf {1,2,auto}] [--full-traceback] (SCRIPT | -m MODULE) [ARGS ...]",
    )
    runner.add_argument(
        "--tf",
        choices=("1", "2", "auto"),
        default="auto",
        help="the generation of TensorFlow that the program was written for; auto (the default) reads it "
        "from the names that the program uses",
    )
    runner.add_argument(
        "--full-traceback", action="store_true", help="show the frames inside everflow in tracebacks"
    )
    runner.add_argument(
        "-m", dest="module", metavar="MODULE", nargs=argparse.REMAINDER, help="run a module, as `python -m`"
    )
    runner.add_argument("script", metavar="SCRIPT", nargs="?", help="the program")
    runner.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its command line")

    checker = commands.add_parser(
        "check",
        help="list the names of TensorFlow that a program uses and everflow does not have",
        description="Reads programs without running them. Ends with status 1 when a name is missing.",
    )
    checker.add_argument("--tf", choices=("1", "2", "auto"), default="auto", help="as in `everflow run`")
    checker.add_argument("files", metavar="FILE", nargs="+")

    commands.add_parser(
        "doctor",
        help="say what is installed, what is missing and how to mend it",
        description="Checks the installation; ends with status 1 when something needed is missing.",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Raises:
      SystemExit: the command line was wrong (status 2), or the program that was run ended this way.
    """
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.command == "doctor":
        return doctor.main()
    generation = None if options.tf == "auto" else int(options.tf)
    if options.command == "check":
        return check.main(options.files, generation)
    try:
        if options.module is not None:
            if not options.module:
                parser.error("argument -m: expected a module")
            name, *arguments = options.module
            run.run_module(name, arguments, generation, options.full_traceback)
        elif options.script is None:
            parser.error("everflow run: expected a SCRIPT or -m MODULE")
        else:
            run.run_script(options.script, options.arguments, generation, options.full_traceback)
    except run.CannotRun as problem:
        print(f"everflow: {problem}", file=sys.stderr)
        return problem.status
    return 0
