"""The cassette that a user means."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pytest_templates.cassettes.settings import cassette_path
from pytest_templates.cassettes.shelf import cassettes_in
from pytest_templates.cassettes.store import Store
from pytest_templates.command.survey import shown
from pytest_templates.errors import TestingError


class UnknownName(TestingError):
    """No cassette has this name, or several have."""


def named(name: str, store: Store) -> Path:
    """The cassette of a name: a path, a test's node id, or a part of either.

    Raises:
        UnknownName: There is none, and the text offers close ones; or there are several, which it lists.
    """
    folder = store.folder
    names = {path.relative_to(folder).as_posix().removesuffix(".yaml"): path for path in cassettes_in(store)}
    exact = names.get(name.removesuffix(".yaml")) or names.get(_of_test(name, folder))
    if exact is not None:
        return exact
    found = [one for one in names if name.removesuffix(".yaml").casefold() in one.casefold()]
    if len(found) == 1:
        return names[found[0]]
    raise UnknownName(_several(name, found) if found else _none(name, list(names), store))


def path_of_test(node_id: str, folder: Path) -> Path:
    """The cassette of the test with a node id, as in ``tests/test_it.py::TestIt::test_it[one]``.

    Raises:
        UnknownName: That is no node id.
    """
    module, _, inside = node_id.partition("::")
    if not module or not inside:
        raise UnknownName(f"{node_id!r} is no node id of a test, such as tests/test_it.py::test_it")
    test, bracket, parameters = inside.partition("[")
    return cassette_path(folder, Path(module), test.replace("::", ".") + bracket + parameters)


def _of_test(name: str, folder: Path) -> str:
    if "::" not in name:
        return ""
    return path_of_test(name, folder).relative_to(folder).as_posix().removesuffix(".yaml")


def _several(name: str, found: list[str]) -> str:
    return "\n  ".join([f"{name!r} is a part of {len(found)} names; give one of them:", *found])


def _none(name: str, names: list[str], store: Store) -> str:
    shorter = {one.rpartition("/")[2]: one for one in names} | {one: one for one in names}
    close = list(dict.fromkeys(shorter[one] for one in get_close_matches(name, shorter, n=3, cutoff=0.5)))
    hint = f"did you mean {' or '.join(close)}?" if close else "`cassettes list` shows what there is"
    return f"no cassette in {shown(store.place(store.folder)).removesuffix('/.')} is called {name!r}: {hint}"
