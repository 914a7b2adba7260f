"""Every option, marker and fixture has one file of tests: that it is accepted, refused, and at work under xdist."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

from pytest_templates.plugin import ROOMS
from pytest_templates.run.markers import Marker

FOLDER = Path(__file__).parent


class Parser:
    """Takes the names of options and ini keys, as pytest's parser would; one of each kind has one name."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *_: str) -> Parser:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.add(name.removeprefix("--templates-").replace("-", "_"))

    def addini(self, name: str, *_: object, **__: object) -> None:
        self.names.add(name.removeprefix("templates_"))


def names() -> list[str]:
    parser = Parser()
    kinds: dict[str, set[str]] = {"option": parser.names, "marker": set(), "fixture": set()}
    for room in map(import_module, ROOMS):
        getattr(room, "pytest_addoption", lambda _: None)(parser)
        for value in vars(room).values():
            if isinstance(value, Marker):
                kinds["marker"].add(value.name)
            elif isinstance(value, FixtureFunctionDefinition) and not value.__name__.startswith("_"):
                kinds["fixture"].add(value.__name__)
    return [f"{kind}_{name}" for kind, names in kinds.items() for name in sorted(names)]


@pytest.mark.parametrize("name", names())
def test_what_users_can_write_has_a_file_of_tests(name: str) -> None:
    files = list(FOLDER.rglob(f"test_{name}.py"))
    assert len(files) == 1, f"tests/plugin or a folder in it holds one file test_{name}.py"

    text = files[0].read_text(encoding="utf-8")
    functions = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    tests = [name for name in functions if name.startswith("test_")]
    refusals = [name for name in tests if "refused" in name]
    assert refusals, "one of its tests shows what is refused, and has that word in its name"
    assert len(tests) > len(refusals), "one of its tests shows what is accepted"
    assert re.search(r'"-n"|"-n\d"', text), "one of its tests runs under xdist"


def test_a_file_of_that_name_is_about_something_that_there_is() -> None:
    found = {
        file.stem.removeprefix("test_")
        for kind in ("option", "marker", "fixture")
        for file in FOLDER.rglob(f"test_{kind}_*.py")
    }

    assert found - set(names()) == set()


def test_the_markers_are_listed_with_what_they_take(project):
    result = project.run("--markers")

    project.says(
        result,
        "@pytest.mark.llm_isolation(mode, *, reason): Do not watch",
        "@pytest.mark.llm_cassette(name=None, *, match_on=None, ignore=(), ignore_hosts=()): Replay",
    )


def test_the_markers_are_known_where_markers_are_strict(project):
    project.ini("addopts = --strict-markers")
    project.tests('@pytest.mark.llm_isolation("off", reason="why")\ndef test_it():\n    pass\n')

    assert project.outcomes() == {"passed": 1}
