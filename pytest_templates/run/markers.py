"""The plugin's markers, and what they take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Any

import pytest

from pytest_templates.spending.limits import Limits, limits_of


@dataclass(frozen=True, slots=True)
class CassetteMark:
    """What ``llm_cassette`` asks for.

    Attributes:
        name: The cassette's name, for cassettes that tests share; ``None`` for one of the test's own.
        match_on: The names of vcrpy's matchers; ``None`` for method, URI and body.
        ignore: Dotted paths in the JSON body that are left out of the comparison.
    """

    name: str | None
    match_on: tuple[str, ...] | None
    ignore: tuple[str, ...]


def llm_cassette(
    name: str | None = None, *, match_on: tuple[str, ...] | None = None, ignore: tuple[str, ...] = ()
) -> CassetteMark:
    """Replay this test's real model calls from a cassette, or record them."""
    if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name) or _FILE.fullmatch(name)):  # type: ignore[redundant-expr]
        raise ValueError(f"name is the path of a file below the folder of the cassettes, without .yaml, not {name!r}")
    mark = CassetteMark(name, None if match_on is None else _texts("match_on", match_on), _texts("ignore", ignore))
    if mark.match_on is not None or mark.ignore:
        _check_matching(mark)
    return mark


def llm_live(reason: object) -> str:
    """Call real models in this test, in runs with --templates-live; skip it in others."""
    return _reason(reason)


def llm_script(path: str) -> str:
    """Let scripted models without steps of their own play the script in a file below fixtures/."""
    if not isinstance(path, str) or not _FILE.fullmatch(path):  # type: ignore[redundant-expr]
        raise ValueError(f"path is that of a .yaml file below the folder of the fixtures, not {path!r}")
    return path


def llm_isolation(mode: object, *, reason: object) -> None:
    """Do not watch the subroutines of this test, for a reason."""
    if mode != "off":
        raise ValueError(f'the only mode is "off", not {mode!r}')
    _reason(reason)


def llm_budget(
    calls: object = None,
    input_tokens: object = None,
    output_tokens: object = None,
    cost: object = None,
    models: object = None,
) -> Limits:
    """Fail this test when its models spend more (cost in US dollars), or when it calls others than these models."""
    return limits_of(calls=calls, input_tokens=input_tokens, output_tokens=output_tokens, cost=cost, models=models)


_NAME = re.compile(r"(?!.*(^|/)\.+(/|$))[^/\\:]+(/[^/\\:]+)*")

_FILE = re.compile(_NAME.pattern + r"\.ya?ml")

MARKERS = {mark.__name__: mark for mark in (llm_cassette, llm_live, llm_script, llm_budget, llm_isolation)}


def announce(config: pytest.Config) -> None:
    """Tell pytest of the markers."""
    for name, mark in MARKERS.items():
        config.addinivalue_line("markers", f"{name}{_parameters(mark)}: {mark.__doc__}")


def check(collected: object) -> None:
    """Refuse markers whose arguments are wrong, when their tests are collected.

    Args:
        collected: What one name in a test module came to: a test, several, or something else.

    Raises:
        pytest.Collector.CollectError: The text names the test, the marker and what it takes.
    """
    for item in collected if isinstance(collected, list) else [collected]:
        if isinstance(item, pytest.Item):
            _check(item)


def _check(item: pytest.Item) -> None:
    for name in MARKERS:
        for marker in item.iter_markers(name):
            _read(item, marker)
    if has(item, "llm_cassette") and has(item, "llm_live"):
        raise pytest.Collector.CollectError(
            f"{item.nodeid} is marked llm_cassette and llm_live: a test replays its calls, or makes them. To record "
            "them, llm_cassette and --templates-record are enough"
        )
    if has(item, "llm_cassette"):
        _refuse_secrets(item)


def read(item: pytest.Item, name: str) -> Any:
    """What the closest marker of a name asks for; ``None`` where the test has none."""
    marker = item.get_closest_marker(name)
    return None if marker is None else _read(item, marker)


def read_all(item: pytest.Item, name: str) -> list[Any]:
    """What every marker of a name asks for, the closest first."""
    return [_read(item, marker) for marker in item.iter_markers(name)]


def has(item: pytest.Item, name: str) -> bool:
    """Whether a test has a marker."""
    return item.get_closest_marker(name) is not None


def skip_live(items: Iterable[pytest.Item]) -> None:
    """Skip the tests that call real models."""
    for item in items:
        try:
            reason = read(item, "llm_live")
        except pytest.Collector.CollectError:
            continue  # it is said when the test is set up
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"calls real models ({reason}), in runs with --templates-live"))


def _read(item: pytest.Item, marker: pytest.Mark) -> Any:
    mark = MARKERS[marker.name]
    try:
        return mark(*marker.args, **marker.kwargs)
    except (TypeError, ValueError) as error:
        raise pytest.Collector.CollectError(
            f"{item.nodeid}: marker {marker.name}: {error}\n  it takes {marker.name}{_parameters(mark)}"
        ) from error


def _refuse_secrets(item: pytest.Item) -> None:
    """Refuse a test whose name holds a key: pytest prints it, and the cassette would be called after it."""
    from pytest_templates.cassettes.redaction.secrets import secrets_of

    secrets = secrets_of()
    leak = secrets.find(item.nodeid)
    if leak:
        raise pytest.Collector.CollectError(
            f"{secrets.replace(item.nodeid)}: the name of this test holds {leak.what}, and its cassette would be named "
            'after it\n  give the parameter an id: pytest.param(..., id="...")'
        )


def _check_matching(mark: CassetteMark) -> None:
    """Refuse what no request could be matched by."""
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.errors import CassetteError

    try:
        Matcher(ignore=mark.ignore, **({} if mark.match_on is None else {"match_on": mark.match_on}))
    except CassetteError as error:
        raise ValueError(str(error)) from error


def _parameters(mark: Any) -> str:
    parameters = signature(mark).parameters.values()
    return str(Signature([parameter.replace(annotation=Signature.empty) for parameter in parameters]))


def _reason(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"reason is a text that says why, not {given!r}")
    return given


def _texts(parameter: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(text, str) for text in given):
        raise ValueError(f"{parameter} is a list of texts, not {given!r}")
    return tuple(given)
