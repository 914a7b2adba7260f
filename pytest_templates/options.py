"""The plugin's options, on the command line and in the ini file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import pytest

RecordMode: TypeAlias = Literal["none", "missing", "all"]
Guarding: TypeAlias = Literal["on", "off"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        record: Which model calls are recorded.
        cassettes: The folder of the cassettes, absolute.
        fixtures: The folder of the script files, absolute.
        isolation: Whether every subroutine of every test is watched.
        summary: Whether the table of templates and models is printed.
    """

    record: RecordMode
    cassettes: Path
    fixtures: Path
    isolation: Guarding
    summary: bool


OPTIONS = pytest.StashKey[Options]()


def add(parser: pytest.Parser) -> None:
    """Add the options to pytest's own."""
    group = parser.getgroup("templates", "programs built of prompt templates (antiphon)")
    group.addoption(
        "--templates-record",
        choices=get_args(RecordMode),
        default="none",
        help="real model calls: 'none' replays (default), 'missing' records what has no recording, 'all' records anew",
    )
    group.addoption("--templates-cassettes", metavar="DIR", help="where cassettes lie (default: cassettes in rootdir)")
    group.addoption(
        "--templates-isolation",
        choices=get_args(Guarding),
        help="whether every subroutine is watched for changes of its parent (default: on)",
    )
    group.addoption(
        "--templates-summary", action="store_true", help="print which template called which model, with tokens and cost"
    )
    parser.addini("templates_cassettes", "where cassettes lie", default="cassettes")
    parser.addini("templates_fixtures", "where script files lie", default="fixtures")
    parser.addini("templates_isolation", "whether every subroutine is watched: on or off", default="on")


def read(config: pytest.Config) -> Options:
    """The options as the user gave them.

    Raises:
        pytest.UsageError: A value in the ini file is none of the valid ones, which the text lists.
    """
    given = config.getoption("--templates-cassettes")
    cassettes = config.rootpath / config.getini("templates_cassettes")
    if given:
        cassettes = config.invocation_params.dir / given
    isolation = config.getoption("--templates-isolation") or config.getini("templates_isolation")
    if isolation not in get_args(Guarding):
        valid = ", ".join(get_args(Guarding))
        raise pytest.UsageError(f"templates_isolation = {isolation} in {config.inipath}: it takes one of {valid}")
    return Options(
        record=cast("RecordMode", config.getoption("--templates-record")),
        cassettes=cassettes,
        fixtures=config.rootpath / config.getini("templates_fixtures"),
        isolation=cast("Guarding", isolation),
        summary=bool(config.getoption("--templates-summary")),
    )
