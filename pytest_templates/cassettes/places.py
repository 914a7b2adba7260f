"""Where the cassettes of a test lie: in the folder, or behind the URL, that its project names.

A project names it in its ini file. A folder of a project does so by its ``conftest.py``, which is to have a variable
``templates_cassettes``, and is then what a project is. The command line names one place for all tests of a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pytest_templates.cassettes.storage.location import is_url
from pytest_templates.run.options import Option
from pytest_templates.run.processes import is_worker
from pytest_templates.run.projects import Project, project_at
from pytest_templates.support.environment import HOW_TO_REACH
from pytest_templates.support.files import CACHE_FOLDER

if TYPE_CHECKING:
    from pytest_templates.cassettes.storage.store import Store
    from pytest_templates.run.machines import MainView

_KEY: Final = "templates_cassettes"
_FOLDER: Final = "cassettes"


class Place(NamedTuple):
    """Where the cassettes of some tests lie.

    Attributes:
        location: A folder or a URL.
        root: What a relative folder is relative to.
        modules: What the paths of test modules are relative to.
    """

    location: str
    root: str
    modules: str

    def name_of(self, module: Path) -> Path:
        """How a test module is called here: its path, from the folder of the project on."""
        try:
            return Path(os.path.relpath(module, self.modules))
        except ValueError:  # it lies on another drive
            return module

    def store(self) -> Store:
        """The store there. Raises `ImportError` where it needs a package that is not installed."""
        from pytest_templates.cassettes.storage.remote import store_at

        return store_at(self.location, Path(self.root), Path(self.modules, CACHE_FOLDER))

    @property
    def is_missing(self) -> bool:
        """Whether there is no such folder, and so no cassette; what lies behind a URL is not asked for."""
        return not is_url(self.location) and not Path(self.root, self.location).is_dir()

    def as_data(self) -> list[str]:
        """The place as plain data; ``Place(*data)`` is the place."""
        return list(self)

    def seen_by(self, main: MainView) -> Place:
        """The place as the main process knows it."""
        path = Path(self.location)
        location = main.path(path) if path.is_absolute() and not is_url(self.location) else self.location
        return Place(location, main.path(Path(self.root)), main.path(Path(self.modules)))


def _of_run(location: str, config: pytest.Config) -> Place:
    """The place that the command line names, or the ini file of the run."""
    started = config.invocation_params.dir
    if CASSETTES.given(config):
        place = Place(location, str(started), str(project_at(started, config).root))
        if (started / location).is_file():
            raise ValueError("it takes a folder or a URL, and this is a file")
    else:
        place = Place(location, str(config.rootpath), str(config.rootpath))
    if is_url(location):
        store_in(place, config)  # or what it needs is missing
    return place


CASSETTES: Final = Option[Place](
    "--templates-cassettes",
    ini=_KEY,
    metavar="DIR",
    default=_FOLDER,
    help="where cassettes lie: a folder, or a URL (default: cassettes in the folder of the ini file)",
    ini_help="where cassettes lie",
    read=_of_run,
)


def place_of(path: Path, config: pytest.Config) -> Place:
    """Where the cassettes of a test module lie.

    Raises:
        pytest.UsageError: What a project says is not valid.
    """
    if CASSETTES.given(config):
        return CASSETTES.of(config)
    project = project_at(path.parent, config)
    return _by_conftest(path, project, config) or _by_ini(project, config)


def as_main_knows(place: Place, config: pytest.Config) -> Place:
    """A place of this process as the main process knows it."""
    if not is_worker(config):
        return place
    from pytest_templates.run.machines import view_of_main

    return place.seen_by(view_of_main(config))


def is_settled(path: Path, config: pytest.Config) -> bool:
    """Whether the cassettes of a test module lie in the same place wherever pytest is started.

    Raises:
        pytest.UsageError: What a project says is not valid.
    """
    if CASSETTES.given(config):
        return True
    project = project_at(path.parent, config)
    return project.is_settled(config) or _by_conftest(path, project, config) is not None


def other_places(path: Path, config: pytest.Config) -> Iterator[Place]:
    """Where the cassettes of a test module would lie if pytest had taken another folder above it for the project.

    Folders with an ini file are left out: they are other projects.
    """
    own = place_of(path, config)
    if CASSETTES.given(config) or is_url(own.location):
        return
    for folder in path.parents:
        place = Place(own.location, str(folder), str(folder))
        if place != own and not _has_ini_file(folder, config):
            yield place


def _has_ini_file(folder: Path, config: pytest.Config) -> bool:
    project = project_at(folder, config)
    return project.inipath is not None and project.root == folder


def _by_ini(project: Project, config: pytest.Config) -> Place:
    if project.values is None:
        return CASSETTES.of(config)
    return Place(project.text(config, _KEY, _FOLDER), str(project.root), str(project.root))


def _by_conftest(path: Path, project: Project, config: pytest.Config) -> Place | None:
    """What the nearest ``conftest.py`` in the folders of a project says that says something."""
    for folder in path.parents:
        file = folder / "conftest.py"
        location = getattr(config.pluginmanager.get_plugin(str(file)), _KEY, None)
        if isinstance(location, str):
            return Place(location, str(folder), str(folder))
        if location is not None:
            raise pytest.UsageError(f"{_KEY} in {file}: it takes a text, not {location!r}")
        if folder == project.root:
            return None
    return None


_STORES: Final = pytest.StashKey["dict[Place, Store]"]()


def store_in(place: Place, config: pytest.Config) -> Store:
    """The store in a place.

    Raises:
        pytest.UsageError: It needs a package that is not installed.
    """
    stores = config.stash.setdefault(_STORES, {})
    if place not in stores:
        try:
            stores[place] = place.store()
        except ImportError as error:
            raise pytest.UsageError(
                f"cassettes at {place.location} need fsspec, which is not installed: {HOW_TO_REACH}"
            ) from error
    return stores[place]


def stores_of(config: pytest.Config) -> list[Store]:
    """The stores of all tests that this process knows of, that of the run among them."""
    store_in(CASSETTES.of(config), config)
    return list(config.stash.get(_STORES, {}).values())


def store_with(path: Path, config: pytest.Config) -> Store:
    """The store that a cassette lies in."""
    from pytest_templates.cassettes.storage.store import Store

    stores = [store for store in stores_of(config) if path.is_relative_to(store.folder)]
    return max(stores, key=lambda store: len(store.folder.parts), default=Store(path.parent))
