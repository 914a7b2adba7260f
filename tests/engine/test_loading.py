"""From ``MODULE:TEMPLATE`` to the template."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from antiphon.errors import InvalidType, InvalidValue
from antiphon.loading import load

NUMBERS = count(1)
PROGRAM = '''
import antiphon
from antiphon import LinearTemplate, tool

tree = LinearTemplate([], template_id="tree")


class Trees:
    inner = tree


def made(name="made", *more, **others):
    return LinearTemplate([], template_id=name)


def wanting(name, *, other):
    return LinearTemplate([])


def wrong():
    return "text"


@tool
def helper(x: int) -> int:
    """Helps."""
    return x
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes a module into the current folder, under a name that no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written: list[str] = []

    def write(code: str) -> str:
        written.append(f"loaded_program_{next(NUMBERS)}")
        (tmp_path / f"{written[-1]}.py").write_text(code, encoding="utf-8")
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("name", "found"), [("tree", "tree"), ("Trees.inner", "tree"), ("made", "made")])
def test_a_template_is_found(module: Callable[[str], str], name: str, found: str) -> None:
    assert load(f"{module(PROGRAM)}:{name}").template_id == found


def test_the_current_folder_comes_first(module: Callable[[str], str], tmp_path: Path) -> None:
    name = module(PROGRAM)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{name}.py").write_text("", encoding="utf-8")
    sys.path.insert(0, str(elsewhere))

    assert load(f"{name}:tree").template_id == "tree"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("{}", "names no template: write MODULE:TEMPLATE"),
        (":tree", "names no template: write MODULE:TEMPLATE"),
        ("{}:", "names no template: write MODULE:TEMPLATE"),
        ("no_such_module:tree", "there is no module 'no_such_module'"),
        ("no_such.module:tree", "there is no module 'no_such'"),
        ("{}.inner:tree", "there is no module '{}.inner'"),
        ("{}:nothing", "there is no 'nothing' in the module '{}'; there is made, tree, wanting, wrong"),
    ],
)
def test_what_is_not_there_is_said(module: Callable[[str], str], name: str, complaint: str) -> None:
    program = module(PROGRAM)

    with pytest.raises(InvalidValue) as caught:
        load(name.replace("{}", program))

    assert complaint.replace("{}", program) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("antiphon", "is no template, but module"),
        ("helper", "is no template, but Tool"),
        ("wanting", "wants name, other: name a template, or a function without parameters"),
        ("wrong", "returned no template, but str: 'text'"),
    ],
)
def test_what_is_no_template_is_said(module: Callable[[str], str], name: str, complaint: str) -> None:
    with pytest.raises(InvalidType, match=complaint):
        load(f"{module(PROGRAM)}:{name}")


def test_an_import_that_a_module_wants_in_vain_is_the_modules_own_error(module: Callable[[str], str]) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load(f"{module('import no_such_package')}:tree")
