"""The options of recordings, and the marker ``llm_cassette``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

import pytest

from pytest_templates.cassettes.places import CASSETTES
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.support.text import command_line

if TYPE_CHECKING:
    from pytest_templates.cassettes.hosts import HostPattern

RecordMode: TypeAlias = Literal["none", "missing", "changed", "all"]
Unused: TypeAlias = Literal["report", "fail", "ignore"]
RecordCheck: TypeAlias = Literal["on", "off"]


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
UNUSED = Option[Unused](
    ini="templates_unused",
    choices=get_args(Unused),
    default="report",
    help="what a full run does with recordings that it did not use: report, fail or ignore",
    repeated="ignore",
)


def _patterns_of(texts: Sequence[str]) -> tuple[HostPattern, ...]:
    if not texts:
        return ()
    from pytest_templates.cassettes.hosts import patterns_of

    return patterns_of(texts)


IGNORE_HOSTS = Option["tuple[HostPattern, ...]"](
    ini="templates_ignore_hosts",
    ini_type="args",
    help="hosts that are neither recorded nor replayed: names, addresses or globs, each with a port or without",
    read=lambda texts, _: _patterns_of(texts),
)
OPTIONS = Options(RECORD, RECORD_CHECK, CASSETTES, UNUSED, IGNORE_HOSTS)


class CassetteMark(NamedTuple):
    """The arguments of ``llm_cassette``.

    Attributes:
        name: The cassette's name, for cassettes that tests share; ``None`` for one of the test's own.
        match_on: The names of the parts that are compared; ``None`` for method, URI and body.
        ignore: What is left out of the comparison: paths in the JSON body, parameters, and fields of forms.
        ignore_hosts: The hosts that are neither recorded nor replayed, besides those of the project.
    """

    name: str | None
    match_on: tuple[str, ...] | None
    ignore: tuple[str, ...]
    ignore_hosts: tuple[HostPattern, ...]


def llm_cassette(
    name: str | None = None,
    *,
    match_on: tuple[str, ...] | None = None,
    ignore: tuple[str, ...] = (),
    ignore_hosts: tuple[str, ...] = (),
) -> CassetteMark:
    """Replay this test's real model calls from a cassette, or record them."""
    if name is not None and not _is_name(name):
        raise ValueError(f"name is the path of a file below the folder of the cassettes, without .yaml, not {name!r}")
    mark = CassetteMark(
        name,
        None if match_on is None else _texts("match_on", match_on),
        _texts("ignore", ignore),
        _patterns_of(_texts("ignore_hosts", ignore_hosts)),
    )
    if mark.match_on is not None or mark.ignore:
        _check_matching(mark)
    return mark


_NAME: Final = r"(?!.*(^|/)\.+(/|$))[^/\\:]+(/[^/\\:]+)*"  # compiled by `re` when it is first used
_FILE: Final = r"\.ya?ml$"


def _is_name(given: object) -> bool:
    return isinstance(given, str) and bool(re.fullmatch(_NAME, given)) and not re.search(_FILE, given)


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
    from pytest_templates.redaction.names import refuse_secret_name

    refuse_secret_name(item, "its cassette would be named after it")


_OTHER_MARKER: Final = "vcr"  # of pytest-recording and pytest-vcr
_OTHER_FIXTURE: Final = "vcr"  # pytest-recording gives it to every test: it counts where a test asks for it itself
_OTHER_FIXTURES: Final = {
    "vcr_cassette": "pytest-vcr",
    "betamax_recorder": "betamax",
    "betamax_session": "betamax",
    "betamax_parametrized_recorder": "betamax",
    "betamax_parametrized_session": "betamax",
}


def _refuse_other_recorder(item: pytest.Item) -> None:
    """Refuse a test that another recorder records as well: what either of them sees depends on who comes first.

    Raises:
        pytest.Collector.CollectError: The text names the other one, and what to do.
    """
    other = _other_recorder(item)
    if other:
        words = ["python", "-m", "pytest_templates", "cassettes", "import", "OLD_FILE", "--test", item.nodeid]
        raise pytest.Collector.CollectError(
            f"{item.nodeid}: two recorders, llm_cassette and {other}: remove one of them\n"
            "  to keep llm_cassette and what was recorded before, take that over with\n"
            f"  {command_line(words)}"
        )


def _other_recorder(item: pytest.Item) -> str | None:
    """The other recorder of a test, in words."""
    if item.get_closest_marker(_OTHER_MARKER) is not None:
        return f"the marker {_OTHER_MARKER} of pytest-recording or pytest-vcr"
    if _OTHER_FIXTURE in _asked_for(item):
        return f"the fixture {_OTHER_FIXTURE} of pytest-recording or pytest-vcr"
    name = next((name for name in getattr(item, "fixturenames", ()) if name in _OTHER_FIXTURES), None)
    return name and f"the fixture {name} of {_OTHER_FIXTURES[name]}"


def _asked_for(item: pytest.Item) -> set[str]:
    """The fixtures that a test itself asks for."""
    function = getattr(item, "function", None)
    used = {name for marker in item.iter_markers("usefixtures") for name in marker.args}
    return used | set(signature(function).parameters if function else ())


def _check(item: pytest.Item) -> None:
    _refuse_secrets(item)
    _refuse_other_recorder(item)


MARKER = Marker(llm_cassette, _check)
