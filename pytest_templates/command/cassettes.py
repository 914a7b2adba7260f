"""``python -m pytest_templates cassettes``: its commands and what they take."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from pytest_templates.command.survey import collected, existing_store, store_of

_FOLDER: Final = (
    "where the cassettes lie, a folder or a URL (default: where pytest has them, by its ini file and options)"
)
_STATUS: Final = "exit status: 0 when all is well, 1 when the command found something, 2 when it could not do its work"
Given: TypeAlias = argparse.Namespace


def add(commands: Any) -> None:
    """Add the commands to those of the program."""
    does = "list, show, check, prune, scrub and import recorded model calls"
    parser = commands.add_parser("cassettes", help=does, description=f"{does.capitalize()}.", epilog=_STATUS)
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    _command(inner, "list", "say what there is, and which test it belongs to", _list)

    show = _command(inner, "show", "show what was asked and answered", _show)
    show.add_argument("name", metavar="NAME", help="a path, a test's node id, or a part of one")
    show.add_argument("--full", action="store_true", help="do not cut long texts")

    check = _command(inner, "check", "look for damage and secrets; the exit status is 1 where there are some", _check)
    check.add_argument("files", metavar="FILE", nargs="*", type=Path, help="check these only (default: all)")

    prune = _command(inner, "prune", "list the cassettes that no test has; remove them with --yes", _prune)
    prune.add_argument("--yes", action="store_true", help="remove them")

    scrub = _command(inner, "scrub", "list what today's rules would not keep; change it with --yes", _scrub)
    scrub.add_argument("--yes", action="store_true", help="change the files")

    take = _command(inner, "import", "take over a cassette that vcrpy or pytest-recording wrote", _import)
    take.add_argument("source", metavar="PATH", type=Path, help="the cassette, a file in YAML")
    target = take.add_mutually_exclusive_group(required=True)
    target.add_argument("--test", metavar="NODEID", help="the test it is for, as in tests/test_it.py::test_it[one]")
    target.add_argument("-o", "--output", metavar="FILE", type=Path, help="the file to write")
    take.add_argument("--yes", action="store_true", help="replace the file where it exists")


def _command(commands: Any, name: str, does: str, run: Callable[[Given], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=does, description=f"{does.capitalize()}.")
    parser.add_argument("--folder", metavar="DIR", help=_FOLDER)
    parser.set_defaults(run=run)
    return parser


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _list(given: Given) -> int:
    from pytest_templates.command.listing import list_cassettes

    return list_cassettes(collected(given.folder), print, _complain)


def _show(given: Given) -> int:
    from pytest_templates.command.naming import named
    from pytest_templates.command.showing import show

    path = Path(given.name)
    if path.is_file():
        return show(path, None, print, full=given.full)
    store = existing_store(given.folder)
    return show(named(given.name, store), store, print, full=given.full)


def _check(given: Given) -> int:
    from pytest_templates.command.checking import check_files, check_store

    return check_files(given.files, print) if given.files else check_store(existing_store(given.folder), print)


def _prune(given: Given) -> int:
    from pytest_templates.command.pruning import prune

    return prune(collected(given.folder), print, remove=given.yes)


def _import(given: Given) -> int:
    from pytest_templates.cassettes.store import Store
    from pytest_templates.command.importing import import_cassette, why_unplayed
    from pytest_templates.command.naming import path_of_test

    store = Store(given.output.parent) if given.output else store_of(given.folder)
    target = given.output or path_of_test(given.test, store.folder)
    status = import_cassette(given.source, target, store, print, overwrite=given.yes)
    if given.test:
        name = target.relative_to(store.folder).as_posix()
        why = why_unplayed(name, given.test, collected(given.folder).found)
        if why:
            _complain(f"warning: {why}")
    return status


def _scrub(given: Given) -> int:
    from pytest_templates.command.scrubbing import scrub_store

    return scrub_store(existing_store(given.folder), print, _complain, write=given.yes)
