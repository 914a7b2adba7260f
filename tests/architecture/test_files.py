"""What the files of the project have in common."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# An absolute path into a work folder; not the path part of a URL, and not somebody's home in an example.
PATH_OF_A_MACHINE = re.compile(rb"(?<![\w.~:/-])/(?:root|work|workspace|tmp/v)/\w")


@pytest.mark.parametrize("folder", ["tests", "fixtures", "cassettes"])
def test_folders_that_are_no_packages_have_no_init_file(root: Path, folder: str) -> None:
    assert list((root / folder).rglob("__init__.py")) == []


def test_the_engine_does_not_assert(engine: Path) -> None:
    assert list(places(engine, ast.Assert)) == []


def test_the_engine_catches_nothing_without_naming_it(engine: Path) -> None:
    assert list(places(engine, ast.ExceptHandler, type=None)) == []


def places(folder: Path, kind: type[ast.AST], **fields: object) -> Iterator[str]:
    """Where in the files of a folder there is a syntax node of this kind, with these fields."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind) and all(getattr(node, name) is value for name, value in fields.items()):
                yield f"{path}:{node.lineno}"  # type: ignore[attr-defined]  # statements and handlers have one


def test_no_file_names_a_path_of_the_machine_it_was_written_on(root: Path) -> None:
    found = [f"{path.relative_to(root)}: {text!r}" for path in project_files(root) for text in paths_in(path)]

    assert found == []


@pytest.mark.parametrize("before", [b"", b'"', b"at ", b"("])
def test_a_path_of_a_machine_is_recognised(before: bytes) -> None:
    assert PATH_OF_A_MACHINE.search(before + b"/" + b"root/x")


@pytest.mark.parametrize("text", [b"https://example.com/root/x", b"src/root/x", b"./root/x", b"~/root/x", b"/home/ada"])
def test_what_is_no_path_of_a_machine_is_not_taken_for_one(text: bytes) -> None:
    assert not PATH_OF_A_MACHINE.search(text)


def paths_in(path: Path) -> list[bytes]:
    return [match[0] for match in PATH_OF_A_MACHINE.finditer(path.read_bytes())]


def project_files(root: Path) -> list[Path]:
    """What git tracks or would add; where there is no repository, what is not hidden and not compiled."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [root / name.decode() for name in listing.stdout.split(b"\0") if name]
    else:
        paths = [path for path in root.rglob("*") if not hidden(path.relative_to(root))]
    return [path for path in paths if path.is_file()]


def hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)
