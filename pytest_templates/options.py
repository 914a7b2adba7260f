"""The plugin's options, on the command line and in the ini file."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import pytest

RecordMode: TypeAlias = Literal["none", "missing", "changed", "all"]
Guarding: TypeAlias = Literal["on", "off"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        record: Which model calls are recorded.
        cassettes: The folder of the cassettes, absolute.
        isolation: Whether every subroutine of every test is watched.
        summary: Whether the table of templates and models is printed.
        live: Whether tests marked ``llm_live`` run.
        max_cost: What calls of real models may cost in this run, in US dollars; ``None`` for any sum.
    """

    record: RecordMode
    cassettes: Path
    isolation: Guarding
    summary: bool
    live: bool
    max_cost: Decimal | None


OPTIONS = pytest.StashKey[Options]()


def add(parser: pytest.Parser) -> None:
    """Add the options to pytest's own."""
    group = parser.getgroup("templates", "programs built of prompt templates (antiphon)")
    group.addoption(
        "--templates-record",
        choices=get_args(RecordMode),
        default="none",
        help="real model calls: 'none' replays (default), 'missing' records what has no recording, 'changed' also "
        "drops what is not used any more, 'all' records anew",
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
    group.addoption("--templates-live", action="store_true", help="run tests marked llm_live, which call real models")
    group.addoption(
        "--templates-max-cost", metavar="USD", help="call no real model any more when its calls have cost as much"
    )
    parser.addini("templates_cassettes", "where cassettes lie", default="cassettes")
    parser.addini("templates_isolation", "whether every subroutine is watched: on or off", default="on")


def read(config: pytest.Config) -> Options:
    """The options as the user gave them.

    Raises:
        pytest.UsageError: A value is none of the valid ones, which the text lists.
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
        isolation=cast("Guarding", isolation),
        summary=bool(config.getoption("--templates-summary")),
        live=bool(config.getoption("--templates-live")),
        max_cost=_dollars(config.getoption("--templates-max-cost")),
    )


def _dollars(given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        dollars = Decimal(given)
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not dollars.is_finite() or dollars < 0:
        raise pytest.UsageError(f"--templates-max-cost={given}: it takes US dollars, 0 or more, such as 0.50")
    return dollars
