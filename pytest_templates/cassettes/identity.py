"""What a test is called, whatever plugins add to its name, and which file is its cassette."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_templates.cassettes.options import CassetteMark
from pytest_templates.cassettes.paths import cassette_path
from pytest_templates.cassettes.places import Place, place_of, store_in
from pytest_templates.run.names import own_name


def path_for(item: pytest.Item, mark: CassetteMark) -> Path:
    """The file of a test's cassette, where no template asks another model."""
    place = place_of(item.path, item.config)
    return path_in(store_in(place, item.config).folder, place, item, mark)


def path_in(folder: Path, place: Place, item: pytest.Item, mark: CassetteMark) -> Path:
    """The file of a test's cassette in the folder of a place."""
    if mark.name is not None:
        return folder / f"{mark.name}.yaml"
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return cassette_path(folder, place.name_of(item.path), ".".join([*classes, own_name(item)]))


def inside_of(item: pytest.Item) -> str:
    """A test's node id within its module, without what plugins add to it."""
    parent = item.parent.nodeid if item.parent else ""
    return "::".join([*parent.split("::")[1:], own_name(item)])


def identity_of(item: pytest.Item) -> str:
    """A test's node id from its project, wherever pytest was started, without what plugins add to it."""
    return f"{place_of(item.path, item.config).name_of(item.path).as_posix()}::{inside_of(item)}"
