"""The plugin's options, on the command line and in the ini file."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import pytest

from pytest_templates.cassettes.storage.store import Store, store_at
from pytest_templates.coverage.points import percentage
from pytest_templates.model_override.plugin import Override, overrides_of
from pytest_templates.spending.limits import Limits, dollars, limits_in
from pytest_templates.support.environment import HOW_TO_REACH

RecordMode: TypeAlias = Literal["none", "missing", "changed", "all"]
Guarding: TypeAlias = Literal["on", "precise", "off"]
Locking: TypeAlias = Literal["check", "update"]
Unused: TypeAlias = Literal["report", "fail", "ignore"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        record: Which model calls are recorded.
        store: Where the cassettes lie.
        overrides: Which templates ask another model.
        fixtures: The folder of the script files, absolute.
        isolation: Whether every subroutine of every test is watched.
        summary: Whether the table of templates and models is printed.
        unused: What happens after a full run that left recordings unused.
        live: Whether tests marked ``llm_live`` run.
        max_cost: What calls of real models may cost in this run, in US dollars; ``None`` for any sum.
        coverage: Whether it is collected which templates are rendered.
        fail_under: How much of them has to be, from 0 to 100; ``None`` for any share.
        budget: What the run may spend, whatever answers it; ``None`` for any amount.
        lock: Whether templates.lock is compared or written; ``None`` for neither.
        json: The file that takes what models did as data; ``None`` for none.
        twice: Whether tests are run a second time, to find prompts that are not deterministic.
    """

    record: RecordMode
    store: Store
    overrides: tuple[Override, ...]
    fixtures: Path
    isolation: Guarding
    summary: bool
    unused: Unused
    live: bool
    max_cost: Decimal | None
    coverage: bool
    fail_under: float | None
    budget: Limits | None
    lock: Locking | None
    json: Path | None
    twice: bool

    @property
    def cassettes(self) -> Path:
        """The folder of the cassettes, absolute; that of their copies where they lie behind a URL."""
        return self.store.folder


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
    group.addoption(
        "--templates-cassettes",
        metavar="DIR",
        help="where cassettes lie: a folder, or a URL (default: cassettes in rootdir)",
    )
    group.addoption(
        "--templates-model",
        metavar="ID=MODEL",
        action="append",
        help="let a template ask another model, in tests of real ones; ID is its id or a glob of its path, and of "
        "several for one template the last counts",
    )
    group.addoption(
        "--templates-isolation",
        choices=get_args(Guarding),
        help="whether every subroutine is watched for changes of its parent (default: on); precise also names the "
        "template that did it, and finds what both share and what is changed around them",
    )
    group.addoption(
        "--templates-summary", action="store_true", help="print which template called which model, with tokens and cost"
    )
    group.addoption("--templates-live", action="store_true", help="run tests marked llm_live, which call real models")
    group.addoption(
        "--templates-max-cost", metavar="USD", help="call no real model any more when its calls have cost as much"
    )
    group.addoption(
        "--templates-coverage", action="store_true", help="list the templates and branches that no test rendered"
    )
    group.addoption(
        "--templates-fail-under",
        metavar="N",
        type=percentage,
        help="fail a run that rendered less than N percent of the templates and branches",
    )
    group.addoption(
        "--templates-lock",
        choices=get_args(Locking),
        help="what templates say and which models answer, in templates.lock: 'check' fails where it has changed, "
        "'update' writes it",
    )
    group.addoption("--templates-json", metavar="FILE", help="write what models did in each test to a file, as JSON")
    group.addoption(
        "--templates-twice",
        action="store_true",
        help="run each test that asks models a second time, in replay, to find prompts that are not deterministic",
    )
    parser.addini("templates_cassettes", "where cassettes lie", default="cassettes")
    parser.addini("templates_fixtures", "where script files lie", default="fixtures")
    parser.addini("templates_isolation", "whether every subroutine is watched: on, precise or off", default="on")
    parser.addini(
        "templates_unused",
        "what a full run does with recordings that it did not use: report, fail or ignore",
        default="report",
    )
    parser.addini(
        "templates_budget", "what a whole run may spend, one limit a line, such as: cost = 0.50", type="linelist"
    )


def read(config: pytest.Config) -> Options:
    """The options as the user gave them.

    Raises:
        pytest.UsageError: A value is none of the valid ones, which the text lists.
    """
    isolation = config.getoption("--templates-isolation") or config.getini("templates_isolation")
    fail_under = config.getoption("--templates-fail-under")
    return Options(
        record=cast("RecordMode", config.getoption("--templates-record")),
        store=_store(config),
        overrides=overrides_of(config.getoption("--templates-model") or ()),
        fixtures=config.rootpath / config.getini("templates_fixtures"),
        isolation=cast("Guarding", _one_of(config, Guarding, "templates_isolation", isolation)),
        summary=bool(config.getoption("--templates-summary")),
        unused=cast("Unused", _one_of(config, Unused, "templates_unused", config.getini("templates_unused"))),
        live=bool(config.getoption("--templates-live")),
        max_cost=_dollars(config.getoption("--templates-max-cost")),
        coverage=bool(config.getoption("--templates-coverage")) or fail_under is not None,
        fail_under=fail_under,
        budget=_budget(config),
        lock=cast("Locking | None", config.getoption("--templates-lock")),
        json=_json(config),
        twice=bool(config.getoption("--templates-twice")),
    )


def place_of_cassettes(config: pytest.Config) -> tuple[str, Path, Path]:
    """What `store_at` takes: the location, what it is relative to, and where copies lie."""
    given = config.getoption("--templates-cassettes")
    location = given or config.getini("templates_cassettes")
    base = config.invocation_params.dir if given else config.rootpath
    return str(location), base, config.rootpath / ".antiphon_cache"


def _store(config: pytest.Config) -> Store:
    location, base, cache = place_of_cassettes(config)
    if config.getoption("--templates-cassettes") and (base / location).is_file():
        raise pytest.UsageError(f"--templates-cassettes={location}: it takes a folder or a URL, and this is a file")
    try:
        return store_at(location, base, cache)
    except ImportError as error:
        raise pytest.UsageError(
            f"cassettes at {location} need fsspec, which is not installed: {HOW_TO_REACH}"
        ) from error


def _one_of(config: pytest.Config, kind: object, name: str, value: str) -> str:
    """The value, where it is one of the kind's."""
    if value not in get_args(kind):
        valid = ", ".join(get_args(kind))
        raise pytest.UsageError(f"{name} = {value} in {config.inipath}: it takes one of {valid}")
    return value


def _dollars(given: str | None) -> Decimal | None:
    try:
        return None if given is None else dollars(given)
    except ValueError as error:
        raise pytest.UsageError(f"--templates-max-cost={given}: it takes {error}") from error


def _budget(config: pytest.Config) -> Limits | None:
    lines = config.getini("templates_budget")
    try:
        return limits_in(lines) if lines else None
    except ValueError as error:
        raise pytest.UsageError(f"templates_budget in {config.inipath}: {error}") from error


def _json(config: pytest.Config) -> Path | None:
    given = config.getoption("--templates-json")
    return None if given is None else config.invocation_params.dir / given
