"""What a test is called, whatever plugins add to its name, and which file is its cassette."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from pytest_templates.cassettes.options import CassetteMark
from pytest_templates.cassettes.paths import cassette_path
from pytest_templates.cassettes.places import Place, place_of, store_in

_OF_PLUGINS: Final = "__"  # how the parameters begin by which pytest-repeat and its like run a test several times


def path_for(item: pytest.Item, mark: CassetteMark) -> Path:
    """The file of a test's cassette, where no template asks another model."""
    place = place_of(item.path, item.config)
    return path_in(store_in(place, item.config).folder, place, item, mark)


def path_in(folder: Path, place: Place, item: pytest.Item, mark: CassetteMark) -> Path:
    """The file of a test's cassette in the folder of a place."""
    if mark.name is not None:
        return folder / f"{mark.name}.yaml"
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return cassette_path(folder, place.name_of(item.path), ".".join([*classes, _name(item)]))


def inside_of(item: pytest.Item) -> str:
    """A test's node id within its module, without what plugins add to it."""
    parent = item.parent.nodeid if item.parent else ""
    return "::".join([*parent.split("::")[1:], _name(item)])


def identity_of(item: pytest.Item) -> str:
    """A test's node id from its project, wherever pytest was started, without what plugins add to it."""
    return f"{place_of(item.path, item.config).name_of(item.path).as_posix()}::{inside_of(item)}"


def repetition(item: pytest.Item) -> int:
    """Which repetition of the same test this is, from 0."""
    parameters = getattr(item, "callspec", None)
    indices = parameters.indices if parameters else {}
    return max((index for name, index in indices.items() if name.startswith(_OF_PLUGINS)), default=0)


def _name(item: pytest.Item) -> str:
    """A test's name without the ids of parameters that a plugin has added, which come before or behind all others."""
    parameters = getattr(item, "callspec", None)
    if not isinstance(item, pytest.Function) or parameters is None:
        return item.name
    if item.name != f"{item.originalname}[{parameters.id}]":
        return item.name
    names, ids = list(parameters.params), list(parameters._idlist)
    while names and ids and names[0].startswith(_OF_PLUGINS):
        del names[0], ids[0]
    while names and ids and names[-1].startswith(_OF_PLUGINS):
        del names[-1], ids[-1]
    return f"{item.originalname}[{'-'.join(ids)}]" if ids else item.originalname
