"""docs/threats.md promises what a test holds: every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROMISE = re.compile(r"^- .*?(?=^- |^\S|\Z)", re.MULTILINE | re.DOTALL)


def page(root: Path) -> str:
    return (root / "docs" / "threats.md").read_text(encoding="utf-8")


def names_in(file: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    }


def test_every_test_that_is_named_is_there(root: Path) -> None:
    named = set(NAMED.findall(page(root)))

    assert len(named) > 20
    assert [f"{file}::{name}" for file, name in sorted(named) if name not in names_in(root / file)] == []


def test_every_promise_names_a_test(root: Path) -> None:
    promises = PROMISE.findall(page(root))

    assert len(promises) > 10
    assert [promise for promise in promises if not NAMED.search(promise)] == []


def test_a_hole_is_reported_in_private(root: Path) -> None:
    text = (root / "SECURITY.md").read_text(encoding="utf-8")

    assert "docs/threats.md" in text
    assert "Report a vulnerability" in text
    assert "@" not in text
