"""The command line: which commands there are, their arguments, and how they fail."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_templates.demo import record_demo, run_broken_demo, run_demo
from pytest_templates.errors import TestingError
from pytest_templates.support.text import visible_lines

if TYPE_CHECKING:
    from pytest_templates.commands.survey import Survey
    from pytest_templates.reporting.regression import Rule

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
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # answers of models may hold any character
    try:
        status: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TestingError, OSError) as error:
        _complain(f"error: {error}")
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
    _add_cassettes(commands)
    how = "compare A.json B.json, or compare --baseline=A.json B.json"
    compare = commands.add_parser("compare", help=_COMPARES, description=f"{_COMPARES.capitalize()}: {how}")
    compare.add_argument("before", metavar="A.json", type=Path, help="what --templates-json wrote")
    compare.add_argument("after", metavar="B.json", nargs="?", type=Path, help="the same of another run")
    compare.add_argument("--baseline", metavar="A.json", type=Path, help="what B is compared with")
    compare.add_argument(
        "--fail-on",
        metavar="RULES",
        type=_rules,
        default=(),
        help="exit with 1 where B is worse: cost>+10%%,tokens>+500,models,pass_rate<-5%%",
    )
    compare.add_argument("--markdown", action="store_true", help="as Markdown, such as for a pull request")
    compare.set_defaults(run=_compare, refuse=compare.error)
    _add_report(commands)
    coverage = commands.add_parser("coverage", help=_COVERS, description=f"{_COVERS.capitalize()}.")
    coverage.add_argument(
        "files", metavar="FILE.json", nargs="+", type=Path, help="what --templates-json wrote with --templates-coverage"
    )
    coverage.add_argument(
        "--fail-under", metavar="PERCENT", type=_percentage, help="exit with 1 where less of it was rendered"
    )
    coverage.set_defaults(run=_coverage)
    return parser


def _add_report(commands: Any) -> None:
    """Add ``report`` with its commands."""
    does = "write the reports of several runs as one, or two runs side by side, as a page"
    parser = commands.add_parser("report", help=does, description=f"{does.capitalize()}.")
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    merges = "write the reports of several runs as one, such as those of the shards of a suite"
    merge = inner.add_parser("merge", help=merges, description=f"{merges.capitalize()}.")
    merge.add_argument("files", metavar="FILE.json", nargs="+", type=Path, help="what --templates-json wrote")
    merge.add_argument(
        *("-o", "--output"), metavar="FILE", type=Path, required=True, help="FILE.html for a page, or FILE.json"
    )
    merge.set_defaults(run=_merge_reports)
    compares = "write what changed from one run to another as a page, template by template and test by test"
    compare = inner.add_parser("compare", help=compares, description=f"{compares.capitalize()}.")
    compare.add_argument("before", metavar="A.json", type=Path, help="what --templates-json wrote")
    compare.add_argument("after", metavar="B.json", type=Path, help="the same of another run")
    compare.add_argument("-o", "--output", metavar="FILE.html", type=Path, required=True, help="the page")
    compare.set_defaults(run=_compare_reports)


def _merge_reports(given: Given) -> int:
    from pytest_templates.commands.report import merge

    return merge(given.files, given.output, _say)


def _compare_reports(given: Given) -> int:
    from pytest_templates.commands.report import compare_on_page

    return compare_on_page(given.before, given.after, given.output, _say)


def _coverage(given: argparse.Namespace) -> int:
    from pytest_templates.commands.coverage import report

    return report(given.files, given.fail_under, _say)


def _compare(given: argparse.Namespace) -> int:
    from pytest_templates.commands.compare import compare

    reports: list[Path] = [one for one in (given.baseline, given.before, given.after) if one is not None]
    if len(reports) != 2:
        given.refuse("it compares two reports: A.json B.json, or --baseline=A.json B.json")
    before, after = reports
    return compare(before, after, _say, fail_on=given.fail_on, markdown=given.markdown)


def _percentage(text: str) -> float:
    from pytest_templates.coverage.plugin import percentage

    return percentage(text)


def _rules(text: str) -> tuple[Rule, ...]:
    from antiphon.errors import InvalidValue
    from pytest_templates.reporting.regression import rules_of

    try:
        return rules_of(text)
    except InvalidValue as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_FOLDER: Final = (
    "where the cassettes lie, a folder or a URL (default: where pytest has them, by its ini file and options)"
)
_STATUS: Final = "exit status: 0 when all is well, 1 when the command found something, 2 when it could not do its work"
Given: TypeAlias = argparse.Namespace


def _add_cassettes(commands: Any) -> None:
    """Add ``cassettes`` with its commands."""
    does = "list, show, compare, merge, check, prune, adopt, scrub and import recorded model calls"
    parser = commands.add_parser("cassettes", help=does, description=f"{does.capitalize()}.", epilog=_STATUS)
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    _command(inner, "list", "say what there is, and which test it belongs to", _list)

    show = _command(inner, "show", "show what was asked and answered", _show)
    show.add_argument("name", metavar="NAME", help="a path, a test's node id, a test file, or a part of one")
    show.add_argument("--full", action="store_true", help="do not cut long texts")

    _add_git(inner)

    checks = (
        "look for damage, for answers under other questions, and for secrets; the exit status is 1 where there are some"
    )
    check = _command(inner, "check", checks, _check)
    check.add_argument("files", metavar="FILE", nargs="*", help="check these only (default: all)")
    check.add_argument(
        "--fix", action="store_true", help="accept interactions of FILE that were edited on purpose, and say which"
    )
    check.set_defaults(refuse=check.error)

    unowned = "list what no test has: cassettes, and answers that wait; remove it with --yes"
    prune = _command(inner, "prune", unowned, _prune)
    prune.add_argument(
        "--interactions",
        action="store_true",
        help="instead, list the recordings that no test plays, of cassettes that tests share; runs all tests in replay",
    )
    prune.add_argument(
        "--from",
        dest="reports",
        metavar="FILE.json",
        nargs="+",
        type=Path,
        help="with --interactions: what --templates-json wrote of a full run, or of its shards, instead of a new run",
    )
    prune.add_argument(
        "--kept",
        metavar="TEST",
        nargs="*",
        help="instead, list the answers that are kept for the next recording (default: of all tests), to ask anew",
    )
    prune.add_argument("--yes", action="store_true", help="remove them")
    prune.set_defaults(refuse=prune.error)

    given_to = "give a test that was renamed or moved its recording, which lies there under the old name"
    adopt = _command(inner, "adopt", given_to, _adopt)
    adopt.add_argument(
        "old", metavar="OLD", nargs="?", help="the cassette that no test has: a path, or the old node id"
    )
    adopt.add_argument("new", metavar="NODEID", nargs="?", help="the test (default: list every test that misses one)")
    adopt.add_argument("--yes", action="store_true", help="move what is listed; with OLD, replace what the test has")
    adopt.set_defaults(refuse=adopt.error)

    scrub = _command(inner, "scrub", "list what today's rules would not keep; change it with --yes", _scrub)
    scrub.add_argument("--yes", action="store_true", help="change the files")

    take = _command(inner, "import", "take over cassettes that vcrpy or pytest-recording wrote", _import)
    take.add_argument("sources", metavar="PATH", nargs="+", type=Path, help="a cassette, or a folder of cassettes")
    target = take.add_mutually_exclusive_group(required=True)
    target.add_argument("--test", metavar="NODEID", help="the test it is for, as in tests/test_it.py::test_it[one]")
    target.add_argument(
        "-o", "--output", metavar="PLACE", type=Path, help="the file to write, FILE.yaml; for several, their folder"
    )
    take.add_argument("--yes", action="store_true", help="replace files that exist")


def _add_git(commands: Any) -> None:
    """Add what git runs, or what runs git."""
    differs = "show what changed from one recording to another: prompts, answers, models, tokens, cost"
    diff = commands.add_parser("diff", help=differs, description=f"{differs.capitalize()}.", epilog=_STATUS)
    diff.add_argument("before", metavar="A", help="a file, a folder, or a revision of git, such as main or main:FILE")
    diff.add_argument("after", metavar="B", nargs="?", help="the same (default: the work tree, where A is a revision)")
    diff.add_argument("--markdown", action="store_true", help="as Markdown, such as for a pull request")
    diff.set_defaults(run=_diff)
    merges = "merge recordings of two branches, call by call; the exit status is 1 where some conflict"
    how = "merge BASE OURS THEIRS [NAME] writes OURS, as git's merge driver; merge FILE ends git's conflict in FILE"
    merge = commands.add_parser("merge", help=merges, description=f"{merges.capitalize()}: {how}.", epilog=_STATUS)
    merge.add_argument("files", metavar="FILE", nargs="+", type=Path, help="one file, or BASE OURS THEIRS [NAME]")
    merge.set_defaults(run=_merge, refuse=merge.error)
    _command(commands, "install-git", "let git merge recordings call by call, and show what they say", _install_git)


def _diff(given: Given) -> int:
    from pytest_templates.commands.cassettes_diff import diff

    return diff(given.before, given.after, _say, markdown=given.markdown)


def _merge(given: Given) -> int:
    from pytest_templates.commands.cassettes_merge import end_conflict, merge_files

    if len(given.files) == 1:
        return end_conflict(given.files[0], _say)
    if len(given.files) not in {3, 4}:
        given.refuse("it takes BASE OURS THEIRS [NAME], or one FILE in which git has left a conflict")
    base, ours, theirs, *name = given.files
    return merge_files(base, ours, theirs, name[0] if name else ours, _say)


def _install_git(given: Given) -> int:
    from pytest_templates.commands.cassettes_install_git import install

    return install([one.store.folder for one in folders(given.folder).stores if one.store.is_local], _say)


def _command(commands: Any, name: str, does: str, run: Callable[[Given], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=does, description=f"{does.capitalize()}.")
    parser.add_argument("--folder", metavar="DIR", help=_FOLDER)
    parser.set_defaults(run=run)
    return parser


def _say(text: str) -> None:
    """Print lines; what files hold and models said passes here."""
    print(visible_lines(text))


def _complain(text: str) -> None:
    print(visible_lines(text), file=sys.stderr)


# What asks pytest loads it: not where git runs a command for one file after the other.


def collected(location: str | None) -> Survey:
    """As of `survey`."""
    from pytest_templates.commands import survey

    return survey.collected(location)


def existing_folders(location: str | None) -> Survey:
    """As of `survey`."""
    from pytest_templates.commands import survey

    return survey.existing_folders(location)


def folders(location: str | None) -> Survey:
    """As of `survey`."""
    from pytest_templates.commands import survey

    return survey.folders(location)


def _list(given: Given) -> int:
    from pytest_templates.commands.cassettes_list import list_cassettes

    return list_cassettes(collected(given.folder), _say, _complain)


def _show(given: Given) -> int:
    from pytest_templates.commands.cassettes_show import cassettes_of_module, check_is_cassette, find_cassette, show

    path = Path(given.name)
    if path.is_file() and path.suffix == ".py":
        for store, found in cassettes_of_module(path, collected(given.folder)):
            show(found, store, _say, full=given.full)
        return 0
    if path.is_file():
        check_is_cassette(path)
        return show(path, None, _say, full=given.full)
    store, found = find_cassette(given.name, existing_folders(given.folder))
    return show(found, store, _say, full=given.full)


def _check(given: Given) -> int:
    from pytest_templates.commands.cassettes_check import check_files, check_stores, fix_files

    if given.fix:
        if not given.files:
            given.refuse("--fix accepts what stands in the files that it is given: check --fix FILE")
        return fix_files(given.files, folders(given.folder), _say)
    if given.files:
        return check_files(list(map(Path, given.files)), _say)
    return check_stores([one.store for one in existing_folders(given.folder).stores], _say)


def _prune(given: Given) -> int:
    from pytest_templates.commands.cassettes_prune import drop_kept, drop_unplayed, prune, replayed
    from pytest_templates.reporting.document import read

    if given.reports is not None and not given.interactions:
        given.refuse("--from belongs to --interactions")
    if given.interactions:
        options = [] if given.folder is None else [f"--templates-cassettes={given.folder}"]
        reports = [replayed(options)] if given.reports is None else list(map(read, given.reports))
        return drop_unplayed(collected(given.folder), reports, _say, remove=given.yes)
    if given.kept is not None:
        return drop_kept(existing_folders(given.folder), given.kept, _say, remove=given.yes)
    return prune(collected(given.folder), _say, remove=given.yes)


def _adopt(given: Given) -> int:
    from pytest_templates.commands.cassettes_adopt import adopt, adopt_all

    if given.old is None:
        options = [] if given.folder is None else [f"--templates-cassettes={given.folder}"]
        return adopt_all(collected(given.folder), options, _say, move=given.yes)
    new: str | None = given.new
    if new is None:
        given.refuse("it takes the cassette and the test, or neither: adopt OLD NODEID")
        return 2
    return adopt(given.old, new, collected(given.folder), _say, overwrite=given.yes)


def _import(given: Given) -> int:
    from pytest_templates.cassettes.storage.store import Store
    from pytest_templates.commands.cassettes_import import import_cassette, import_cassettes, why_not_replayed
    from pytest_templates.commands.cassettes_show import path_of_test

    source, *more = given.sources
    is_one_file = not more and not source.is_dir()
    if given.output and not (is_one_file and given.output.suffix in {".yaml", ".yml"} and not given.output.is_dir()):
        return import_cassettes(given.sources, given.output, _say, _complain, overwrite=given.yes)
    if not is_one_file:
        raise TestingError("a test has one cassette: --test takes one file; -o FOLDER takes several, and folders")
    if given.output:
        store, target = Store(given.output.parent), given.output
    else:
        store, target = path_of_test(given.test, folders(given.folder))
    status = import_cassette(source, target, store, _say, overwrite=given.yes)
    if given.test:
        name = target.relative_to(store.folder).as_posix()
        why = why_not_replayed(name, given.test, collected(given.folder).found)
        if why:
            _complain(f"warning: {why}")
    return status


def _scrub(given: Given) -> int:
    from pytest_templates.commands.cassettes_scrub import scrub_stores

    stores = [one.store for one in existing_folders(given.folder).stores]
    return scrub_stores(stores, _say, _complain, write=given.yes)
