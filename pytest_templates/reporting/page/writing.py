"""Writing a page: its parts put into one file, which runs nothing but its own script."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.changes import changed_tests, index_of_changes
from pytest_templates.reporting.page.overview import index_of_run
from pytest_templates.support.files import atomic_write
from pytest_templates.support.text import visible

_MODULES: Final = (  # each imports from those before it
    "text",
    "dom",
    "data",
    "address",
    "difference",
    "tests",
    "tables",
    "highlight",
    "overview",
    "conversation",
    "comparison",
    "keyboard",
    "main",
)
_IMPORT: Final = re.compile(r"^import (\{[^}]*\}) from \"\./(\w+)\.js\";", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:const|(?:async )?function\*?) (\w+))", re.MULTILINE)
_PACK: Final = 250_000  # characters, or one line of more: less is compressed badly, more opens late
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


def write_page(report: Report, path: Path) -> None:
    """Write the page of a run, wholly or not at all.

    Args:
        report: The run.
        path: The file; its folder exists.

    Raises:
        OSError: The file system refuses; an older file stays as it is.
    """
    tests = (test.model_dump_json() for test in report.tests)
    atomic_write(path, _page(_title(report), index_of_run(report), tests, _pictures(report)))


def write_comparison(before: Report, after: Report, path: Path) -> None:
    """Write the page of two runs side by side, wholly or not at all.

    Args:
        before: The earlier run, which the page calls A.
        after: The later one, B.
        path: The file; its folder exists.

    Raises:
        OSError: The file system refuses; an older file stays as it is.
    """
    changes = changed_tests(before, after)
    tests = (json.dumps(one.details(), ensure_ascii=False) for one in changes if one.has_details)
    title = f"{_title(before)} and {_title(after)}" if _title(before) != _title(after) else f"{_title(after)}, twice"
    atomic_write(path, _page(title, index_of_changes(before, after, changes), tests, {}))


def _title(report: Report) -> str:
    return report.title or "Tests"


def _pictures(report: Report) -> dict[str, str]:
    """The pictures as addresses that hold them, by their digests."""
    return {digest: f"data:{one.media_type};base64,{one.content}" for digest, one in report.pictures.items()}


def _page(title: str, index: Mapping[str, Any], tests: Iterable[str], pictures: Mapping[str, str]) -> str:
    """The text of a page.

    Args:
        title: What the window is called.
        index: What the page shows before a test is opened.
        tests: What it shows of a test, as JSON in a line each.
        pictures: Addresses by digests.
    """
    firsts, packs = _packed(tests)
    style, early, script = _asset("page.css"), _asset("theme.js"), _script()
    policy = (
        "default-src 'none'",
        "img-src data:",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(early)}' '{_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    parts = {
        "policy": "; ".join(policy),
        "title": escape(visible(title)),
        "style": style,
        "early": early,
        "index": _embedded(json.dumps({**index, "packs": firsts}, ensure_ascii=False, separators=(",", ":"))),
        "tests": "\n".join(packs),
        "pictures": "\n".join(_embedded(json.dumps([digest, url])) for digest, url in pictures.items()),
        "script": script,
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))  # at once: a part may hold such a place


def _packed(lines: Iterable[str]) -> tuple[list[int], list[str]]:
    """Lines in packs that are compressed, which a page opens when it needs them.

    Returns:
        The number of the first line of each pack, and the packs in base64.
    """
    firsts: list[int] = []
    packs: list[list[str]] = []
    size = _PACK
    for number, line in enumerate(lines):
        if size >= _PACK:
            firsts.append(number)
            packs.append([])
            size = 0
        packs[-1].append(line)
        size += len(line)
    return firsts, [b64encode(zlib.compress("\n".join(pack).encode())).decode() for pack in packs]


def _embedded(document: str) -> str:
    """JSON as it may stand in an element ``script``: nothing in it ends that, or begins another."""
    return document.replace("<", r"\u003c")


def _hash(text: str) -> str:
    """An inline script or style, as a Content-Security-Policy names it."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _script() -> str:
    """The modules in one: a script that stands in a page can import no other that does."""
    return "\n".join(["", *map(_module, _MODULES), ""])


def _module(name: str) -> str:
    """A module as a function, which is called at once and returns what the module exports."""
    text = _asset(f"{name}.js")
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = \2_module;", text))
    return f"const {name}_module = (() => {{\n{body}return {{ {', '.join(_EXPORT.findall(text))} }};\n}})();"


@cache
def _asset(name: str) -> str:
    return (files("pytest_templates.reporting.page") / "assets" / name).read_text(encoding="utf-8")
