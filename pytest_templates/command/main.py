"""The command line as a whole: which commands there are, and how they fail."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_templates.command import cassettes
from pytest_templates.coverage.percentages import percentage
from pytest_templates.demo import record_demo, run_broken_demo, run_demo
from pytest_templates.errors import TestingError

_COMPARES: Final = "show how the calls, tokens, cost, time and outcomes of two runs differ, template by template"
_COVERS: Final = "list the templates and branches that no test of several runs rendered, as of the shards of a suite"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The words after the program's name; those of this process where none are given.

    Returns:
        The exit status: 0 when all is well, 1 when the command found something, 2 when it could not do its work.
    """
    given = _parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # whatever a model has said
    try:
        status: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TestingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_templates", description="Tools around the pytest plugin.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demo = commands.add_parser("demo", help="copy a small program with its tests to a new folder, and run them offline")
    demo.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("antiphon-demo"))
    kind = demo.add_mutually_exclusive_group()
    kind.add_argument(
        "--broken",
        action="store_const",
        dest="start",
        const=run_broken_demo,
        help="with four faults in it, to see how tests fail, and to mend; the exit status is that of pytest, 1",
    )
    kind.add_argument(
        "--live",
        action="store_const",
        dest="start",
        const=record_demo,
        help="record it anew from a real model on this machine (pip install antiphon[local])",
    )
    demo.set_defaults(start=run_demo, run=lambda given: given.start(given.folder))
    cassettes.add(commands)
    compare = commands.add_parser("compare", help=_COMPARES, description=f"{_COMPARES.capitalize()}.")
    compare.add_argument("before", metavar="A.json", type=Path, help="what --templates-json wrote")
    compare.add_argument("after", metavar="B.json", type=Path, help="the same of another run")
    compare.set_defaults(run=_compare)
    coverage = commands.add_parser("coverage", help=_COVERS, description=f"{_COVERS.capitalize()}.")
    coverage.add_argument(
        "files", metavar="FILE.json", nargs="+", type=Path, help="what --templates-json wrote with --templates-coverage"
    )
    coverage.add_argument(
        "--fail-under", metavar="PERCENT", type=percentage, help="exit with 1 where less of it was rendered"
    )
    coverage.set_defaults(run=_coverage)
    return parser


def _coverage(given: argparse.Namespace) -> int:
    from pytest_templates.command.coverage import tell

    return tell(given.files, given.fail_under, print)


def _compare(given: argparse.Namespace) -> int:
    from pytest_templates.command.comparing import compare

    return compare(given.before, given.after, print)
