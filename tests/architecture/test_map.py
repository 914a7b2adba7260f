"""docs/architecture.md names what there is: every room, every file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

A_FEW_WORDS = re.compile(r'"""[A-Z`]\S*( \S+){2,}')  # the first line of a docstring
QUOTED = re.compile(r"`([a-z_0-9./-]+(?:/|\.py))`")


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture
def rooms(packages: dict[str, Path]) -> set[str]:
    """The folders and modules at the root of the plugin, as the page writes them."""
    plugin = packages["pytest_templates"]
    modules = {path.name for path in plugin.glob("*.py") if path.name != "__init__.py"}
    return modules | {f"{path.parent.name}/" for path in plugin.glob("*/__init__.py")}


def test_every_room_has_a_row(page: str, rooms: set[str]) -> None:
    rows = {name for line in page.splitlines() if re.match(r"\| \d ", line) for name in QUOTED.findall(line)}

    assert rows == rooms


def test_the_tests_of_a_room_lie_in_a_folder_of_its_name(root: Path, rooms: set[str]) -> None:
    folders = {path.parent.name for path in (root / "tests" / "plugin").glob("*/test_*.py")}

    assert folders - {room.removesuffix("/").removesuffix(".py") for room in rooms} == set()


def test_floors_are_those_of_the_import_contract(page: str, root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract.get("containers") == ["pytest_templates"]]
    held = [{name.strip() for name in layer.split("|")} for layer in layers]
    rows = [
        (int(line[2]), name.removesuffix("/").removesuffix(".py"))
        for line in page.splitlines()
        if re.match(r"\| \d ", line)
        for name in QUOTED.findall(line.split(" | ")[1])
    ]

    assert [{name for floor, name in rows if floor == number} for number in range(len(held), 0, -1)] == held


def test_every_file_and_folder_that_is_named_exists(page: str, root: Path, packages: dict[str, Path]) -> None:
    names = {name.removeprefix("src/antiphon/").removeprefix("pytest_templates/") for name in QUOTED.findall(page)}
    bases = (root, *packages.values())

    assert {name for name in names if not any((base / name).exists() for base in bases)} == set()


def test_every_room_and_every_package_says_what_it_is(packages: dict[str, Path]) -> None:
    found = [path for folder in packages.values() for path in folder.rglob("__init__.py") if "desk" not in path.parts]
    found += packages["pytest_templates"].glob("*.py")
    first_lines = {path: path.read_text(encoding="utf-8").partition("\n")[0] for path in found}

    assert {str(path) for path, line in first_lines.items() if not re.match(A_FEW_WORDS, line)} == set()
