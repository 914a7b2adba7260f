"""``python -m pytest_templates``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_templates.demo import record_demo, run_demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status.

    Args:
        arguments: The words after the program's name; those of this process where none are given.
    """
    parser = argparse.ArgumentParser(prog="python -m pytest_templates", description="Tools around the pytest plugin.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demo = commands.add_parser("demo", help="copy a small program with its tests to a new folder, and run them offline")
    demo.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("antiphon-demo"))
    demo.add_argument(
        "--live",
        action="store_true",
        help="record it anew from a real model on this machine (pip install antiphon[local])",
    )
    demo.set_defaults(run=lambda given: (record_demo if given.live else run_demo)(given.folder))
    given = parser.parse_args(arguments)
    status: int = given.run(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
