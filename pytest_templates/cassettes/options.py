"""The options of recordings, the marker ``llm_cassette``, and which file is a test's cassette."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import pytest

from pytest_templates.cassettes.other_recorders import refuse_other_recorder
from pytest_templates.cassettes.paths import cassette_path
from pytest_templates.cassettes.storage.remote import store_at
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.support.environment import HOW_TO_REACH

RecordMode: TypeAlias = Literal["none", "missing", "changed", "all"]
Unused: TypeAlias = Literal["report", "fail", "ignore"]
RecordCheck: TypeAlias = Literal["on", "off"]


def place_of_cassettes(config: pytest.Config) -> tuple[str, Path, Path]:
    """What `store_at` takes: the location, what it is relative to, and where copies lie."""
    given = CASSETTES.given(config)
    location = given or config.getini("templates_cassettes")
    base = config.invocation_params.dir if given else config.rootpath
    return str(location), base, config.rootpath / ".antiphon_cache"


def _store(_: str, config: pytest.Config) -> Store:
    location, base, cache = place_of_cassettes(config)
    if CASSETTES.given(config) and (base / location).is_file():
        raise ValueError("it takes a folder or a URL, and this is a file")
    try:
        return store_at(location, base, cache)
    except ImportError as error:
        raise pytest.UsageError(
            f"cassettes at {location} need fsspec, which is not installed: {HOW_TO_REACH}"
        ) from error


RECORD = Option[RecordMode](
    "--templates-record",
    choices=get_args(RecordMode),
    default="none",
    help="real model calls: 'none' replays (default), 'missing' records what has no recording, 'changed' also drops "
    "what is not used any more, 'all' records anew",
    repeated="none",
)
RECORD_CHECK = Option[RecordCheck](
    "--templates-record-check",
    choices=get_args(RecordCheck),
    default="on",
    help="whether a test that recorded is played once more from its recording, before that is kept (default: on)",
)
CASSETTES = Option[Store](
    "--templates-cassettes",
    ini="templates_cassettes",
    metavar="DIR",
    default="cassettes",
    help="where cassettes lie: a folder, or a URL (default: cassettes in rootdir)",
    ini_help="where cassettes lie",
    read=_store,
)
UNUSED = Option[Unused](
    ini="templates_unused",
    choices=get_args(Unused),
    default="report",
    help="what a full run does with recordings that it did not use: report, fail or ignore",
    repeated="ignore",
)
OPTIONS = Options(RECORD, RECORD_CHECK, CASSETTES, UNUSED)


@dataclass(frozen=True, slots=True)
class CassetteMark:
    """The arguments of ``llm_cassette``.

    Attributes:
        name: The cassette's name, for cassettes that tests share; ``None`` for one of the test's own.
        match_on: The names of the parts that are compared; ``None`` for method, URI and body.
        ignore: What is left out of the comparison: paths in the JSON body, parameters, and fields of forms.
    """

    name: str | None
    match_on: tuple[str, ...] | None
    ignore: tuple[str, ...]


def llm_cassette(
    name: str | None = None, *, match_on: tuple[str, ...] | None = None, ignore: tuple[str, ...] = ()
) -> CassetteMark:
    """Replay this test's real model calls from a cassette, or record them."""
    if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name) or _FILE.search(name)):  # type: ignore[redundant-expr]
        raise ValueError(f"name is the path of a file below the folder of the cassettes, without .yaml, not {name!r}")
    mark = CassetteMark(name, None if match_on is None else _texts("match_on", match_on), _texts("ignore", ignore))
    if mark.match_on is not None or mark.ignore:
        _check_matching(mark)
    return mark


_NAME: Final = re.compile(r"(?!.*(^|/)\.+(/|$))[^/\\:]+(/[^/\\:]+)*")
_FILE: Final = re.compile(r"\.ya?ml$")


def _texts(parameter: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(text, str) for text in given):
        raise ValueError(f"{parameter} is a list of texts, not {given!r}")
    return tuple(given)


def _check_matching(mark: CassetteMark) -> None:
    """Refuse what no request could be matched by."""
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.errors import CassetteError

    try:
        Matcher(ignore=mark.ignore, **({} if mark.match_on is None else {"match_on": mark.match_on}))
    except CassetteError as error:
        raise ValueError(str(error)) from error


def _refuse_secrets(item: pytest.Item) -> None:
    """Refuse a test whose name holds a key: pytest prints it, and the cassette would be called after it."""
    from pytest_templates.redaction.secrets import secrets_of

    secrets = secrets_of()
    leak = secrets.find(item.nodeid)
    if leak:
        raise pytest.Collector.CollectError(
            f"{secrets.replace(item.nodeid)}: the name of this test holds {leak.what}, and its cassette would be named "
            'after it\n  give the parameter an id: pytest.param(..., id="...")'
        )


def _check(item: pytest.Item) -> None:
    _refuse_secrets(item)
    refuse_other_recorder(item)


MARKER = Marker(llm_cassette, _check)


def path_for(item: pytest.Item, mark: CassetteMark) -> Path:
    """The file of a test's cassette, where no template asks another model."""
    folder = CASSETTES.of(item.config).folder
    if mark.name is not None:
        return folder / f"{mark.name}.yaml"
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return cassette_path(folder, module_of(item), ".".join([*classes, item.name]))


def module_of(node: pytest.Item | pytest.File) -> Path:
    """The path of a test's module from the root directory; just its name where it lies elsewhere."""
    root = node.config.rootpath
    return node.path.relative_to(root) if node.path.is_relative_to(root) else Path(node.path.name)
