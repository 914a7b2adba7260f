"""Recordings of tests that are gone: a test that was renamed or moved finds what it had recorded by what it asks.

They are looked for when a request is missed, and not before. Which test a cassette has is known of the modules that
this run has collected. Of others their source is asked: a test that it may define, or a marker that may name the
cassette, has it still.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from pytest_templates.cassettes.collection import CollectedPlace, CollectedTests, collection_of
from pytest_templates.cassettes.identity import inside_of
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.paths import own_name
from pytest_templates.cassettes.places import Place, place_of, store_in
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.catalog import is_known, key_of_name
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.errors import CassetteError
from pytest_templates.run.projects import project_at
from pytest_templates.support.files import is_hashed, shown_in
from pytest_templates.support.text import command_line

_SHOWN: Final = 3  # cassettes that an error names
_HASH: Final = len("-01234567")
_CUT_FROM: Final = 100  # bytes; a name that is as long may have been cut
_MARKED: Final = re.compile(r"llm_cassette\(\s*(?:name\s*=\s*)?[\"']([^\"']+)[\"']")
_INDICES: Final = pytest.StashKey[dict[tuple[Path, Matcher], dict[bytes, list[Path]]]]()
_NAMED: Final = pytest.StashKey[dict[Path, set[str]]]()


@dataclass(frozen=True, slots=True)
class Orphans:
    """The cassettes without a test in the place where a test has its own.

    Attributes:
        item: The test.
        own: Its cassette.
    """

    item: pytest.Item
    own: Path

    def holding(self, request: bytes, matcher: Matcher, clean: Callable[[Interaction], Interaction]) -> list[Path]:
        """Those that hold a request, the most likely first: called as the test is, then in the same folder.

        Args:
            request: The key of what is asked for.
            matcher: Which requests are equal.
            clean: Gives an interaction that was read as it may be kept today.
        """
        store = store_in(self._place, self._config)
        if not store.is_local:
            return []
        indices = self._config.stash.setdefault(_INDICES, {})
        if (store.folder, matcher) not in indices:
            indices[store.folder, matcher] = _index(self._gone(store), store, lambda one: matcher.key(clean(one)))
        found = indices[store.folder, matcher].get(request, [])
        return sorted((path for path in found if not self._is_named(path, store)), key=self._likeness)

    def advice(self, found: Sequence[Path]) -> str:
        """What is said of cassettes that hold a request which the test's own does not; ``""`` for none."""
        started = self._config.invocation_params.dir
        store = store_in(self._place, self._config)
        if not found:
            return "" if store.is_local or self.own.exists() else _NOT_SEARCHED
        shown = [shown_in(started, store.place(path)) for path in found]
        module = Path(os.path.relpath(self.item.path, started)).as_posix()
        adopt = [
            "python",
            "-m",
            "pytest_templates",
            "cassettes",
            "adopt",
            shown[0],
            f"{module}::{inside_of(self.item)}",
        ]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        hold, name = ("holds", "that name") if len(found) == 1 else ("hold", "these names")
        return "\n".join(
            [
                f"{', '.join(shown[:_SHOWN])}{more} {hold} this request, and no test of {name} is there any more.",
                "If the test was renamed or moved, this gives it the recording, without asking again:",
                f"  {command_line(adopt)}",
            ]
        )

    @property
    def _config(self) -> pytest.Config:
        return self.item.config

    @property
    def _place(self) -> Place:
        return place_of(self.item.path, self.item.config)

    def _likeness(self, path: Path) -> tuple[bool, bool, Path]:
        return path.name != self.own.name, path.parent != self.own.parent, path

    def _gone(self, store: Store) -> list[Path]:
        """The cassettes whose tests are gone, as far as their modules tell."""
        collected = _Collected(collection_of(self._config).of_this_process, self._config)
        with suppress(OSError):  # what cannot be read is found by `cassettes check`; this is about a missing recording
            return [path for path in store.paths() if collected.has_no_test(own_name(path, store.folder), store.folder)]
        return []

    def _is_named(self, path: Path, store: Store) -> bool:
        """Whether a marker in a module that was not collected may name a cassette."""
        return own_name(path, store.folder).removesuffix(".yaml") in _named_in(Path(self._place.modules), self._config)


_NOT_SEARCHED: Final = (
    "Cassettes behind a URL are not searched for the recording of a test that was renamed or moved. It is given to\n"
    "the test by: python -m pytest_templates cassettes adopt OLD_NAME NODEID"
)


class _Collected:
    """What a run knows of the tests of a store.

    Args:
        found: What this process has collected; ``None`` where nothing was noted.
        config: Of the run.
    """

    def __init__(self, found: CollectedTests | None, config: pytest.Config) -> None:
        self._by_folder: dict[Path, list[CollectedPlace]] = {}
        for place in found["places"] if found else []:
            self._by_folder.setdefault(store_in(Place(*place["place"]), config).folder, []).append(place)
        self._owned = {
            folder: {key_of_name(name) for place in places for name in place["owners"]}
            for folder, places in self._by_folder.items()
        }
        # of a module whose tests are asked for one by one, the others are not known
        self._is_by_module = not any("::" in word for word in config.args) and not getattr(config.option, "lf", False)
        self._known: dict[tuple[Path, PurePosixPath], bool] = {}

    def has_no_test(self, name: str, folder: Path) -> bool:
        """Whether no test has the cassette of this name, unless it is named by a marker."""
        places = self._by_folder.get(folder, [])
        if not places or key_of_name(name) in self._owned[folder]:
            return False
        module, test = PurePosixPath(name).parent, PurePosixPath(name).stem
        if self._is_by_module and self._is_known(module, folder):
            return True
        return not any(_may_have(Path(Place(*place["place"]).modules), module, test) for place in places)

    def _is_known(self, module: PurePosixPath, folder: Path) -> bool:
        """Whether all tests of a module are known; asked once for each."""
        if (folder, module) not in self._known:
            self._known[folder, module] = all(is_known(module, place) for place in self._by_folder[folder])
        return self._known[folder, module]


def _may_have(root: Path, module: PurePosixPath, test: str) -> bool:
    """Whether a module that was not collected may have a test."""
    file = root / f"{module}.py"
    if "_up" in module.parts or (root / module).is_file():
        return True
    return file.is_file() and _may_define(file, test)


def _may_define(file: Path, test: str) -> bool:
    """Whether a module may define the test that a cassette is called after; what it imports or inherits may be one."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    names, heirs, has_star = set(_names_in(tree)), set[str](), False
    for node in ast.walk(tree):
        has_star = has_star or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")
        if isinstance(node, ast.ClassDef) and node.bases:
            heirs.add(node.name)
    whole = test[:-_HASH] if is_hashed(test) else test
    *classes, function = whole.partition("[")[0].split(".")
    is_cut = len(test.encode()) >= _CUT_FROM and "[" not in whole
    is_defined = any(one.startswith(function) for one in names) if is_cut else function in names
    return has_star or (set(classes) <= names and (is_defined or bool(heirs.intersection(classes))))


def _names_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _named_in(root: Path, config: pytest.Config) -> set[str]:
    """The names of cassettes that markers in the test modules of a project give."""
    known = config.stash.setdefault(_NAMED, {})
    if root not in known:
        places = project_at(root, config).places_of_tests(config)
        files = {file for place in places for file in _modules_in(place, config)}
        known[root] = {name for file in files for name in _MARKED.findall(file.read_text("utf-8", "replace"))}
    return known[root]


def _modules_in(place: Path, config: pytest.Config) -> Iterator[Path]:
    if place.is_file():
        yield place
    skipped = [PurePosixPath(pattern) for pattern in config.getini("norecursedirs")]
    for folder, inner, files in os.walk(place):
        inner[:] = [
            name
            for name in inner
            if name != "__pycache__"
            and not any(PurePosixPath(name).match(str(pattern)) for pattern in skipped)
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _index(paths: Sequence[Path], store: Store, key: Callable[[Interaction], bytes]) -> dict[bytes, list[Path]]:
    """The cassettes by the keys of what they hold; those that are damaged, or none, are left out."""
    index: dict[bytes, list[Path]] = {}
    for path in paths:
        with suppress(CassetteError):  # told by `cassettes check`
            for request in dict.fromkeys(map(key, load_cassette(path, store))):
                index.setdefault(request, []).append(path)
    return index
