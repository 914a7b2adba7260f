"""Workers of pytest-xdist on other machines, or in other folders: where their files are to the main process.

The main process puts a token into the folder of the project. A worker that finds it in its own folder works in the same
one, by whatever path. One that does not has a copy: what it writes there would stay there, and is sent to the main
process. Paths are told by each worker as the main process knows them.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict

import pytest

from pytest_templates.run.features import Feature
from pytest_templates.run.processes import is_worker, worker_input
from pytest_templates.support.files import CACHE_FOLDER

_MAIN: Final = "templates_main"  # in what the main process sends to workers
_IGNORE: Final = ".gitignore"
_TOKENS: Final = pytest.StashKey["Tokens"]()


class MainFolders(TypedDict):
    """The folders of the main process, as it knows them.

    Attributes:
        root: The root directory.
        started: Where pytest was started.
        separator: What stands between the parts of a path.
        token: The token, a folder; ``""`` where it could not be made.
    """

    root: str
    started: str
    separator: str
    token: str


class MainView(NamedTuple):
    """What the main process sees of the files of this process.

    Attributes:
        folders: Each folder that the main process has as well, with its path there; the longest first.
        separator: What stands between the parts of a path there.
        sees_folders: Whether it sees what is written to them here.
        sees_others: Whether it sees what is written elsewhere.
    """

    folders: tuple[tuple[Path, str], ...] = ()
    separator: str = os.sep
    sees_folders: bool = True
    sees_others: bool = True

    def path(self, path: Path) -> str:
        """A path as the main process knows it."""
        for own, main in self.folders:
            if path.is_relative_to(own):
                return self.separator.join([main.rstrip(self.separator), *path.relative_to(own).parts])
        return str(path)

    def sees(self, path: Path) -> bool:
        """Whether it sees what is written to a file here."""
        is_common = any(path.is_relative_to(own) for own, _ in self.folders)
        return self.sees_folders if is_common or not self.folders else self.sees_others


def view_of_main(config: pytest.Config) -> MainView:
    """What the main process sees of the files of this process; all, where this is the main process."""
    main: MainFolders | None = worker_input(config).get(_MAIN)
    if main is None:
        return MainView()
    pairs = {config.invocation_params.dir: main["started"], config.rootpath: main["root"]}
    token, name = main["token"], main["token"].rpartition(main["separator"])[2]
    return MainView(
        folders=tuple(sorted(pairs.items(), key=lambda pair: len(pair[0].parts), reverse=True)),
        separator=main["separator"],
        sees_folders=bool(token) and (config.rootpath / CACHE_FOLDER / name).is_dir(),
        sees_others=bool(token) and Path(token).is_dir(),
    )


def watch(config: pytest.Config) -> None:
    """Find out about the workers of a run; in a worker, let the main process know that its folder is seen."""
    if not is_worker(config):
        tokens = config.stash[_TOKENS] = Tokens(config)
        config.pluginmanager.register(tokens, "templates-tokens")
        return
    main: MainFolders | None = worker_input(config).get(_MAIN)
    if main is not None and view_of_main(config).sees_folders:
        name = main["token"].rpartition(main["separator"])[2]
        with suppress(OSError):  # a folder that may only be read
            (config.rootpath / CACHE_FOLDER / name / worker_input(config)["workerid"]).touch()


class Tokens(Feature):
    """Makes the token of a run for the workers that may be elsewhere, and removes it in the end.

    Args:
        config: Of the main process.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cache = config.rootpath / CACHE_FOLDER
        self._token: Path | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the main process is, unless it is a process that was started beside it."""
        if not may_be_elsewhere(node):
            return
        self._make()
        node.workerinput[_MAIN] = MainFolders(
            root=str(self._config.rootpath),
            started=str(self._config.invocation_params.dir),
            separator=os.sep,
            token="" if self._token is None else str(self._token),
        )

    def pytest_unconfigure(self) -> None:
        """Remove the token, and the folder around it where nothing else is in there, such as that of another run."""
        if self._token is None:
            return
        shutil.rmtree(self._token, ignore_errors=True)
        with suppress(OSError):  # another run may do the same, or begin
            if {path.name for path in self._cache.iterdir()} <= {_IGNORE}:
                (self._cache / _IGNORE).unlink(missing_ok=True)
                self._cache.rmdir()

    def _make(self) -> None:
        if self._token is not None:
            return
        token = self._cache / f"run-{os.urandom(8).hex()}"
        with suppress(OSError):  # the folder may not be written to: what workers write is refused when it comes
            self._cache.mkdir(parents=True, exist_ok=True)
            if not any(self._cache.iterdir()):
                (self._cache / _IGNORE).write_text("*\n", encoding="utf-8")
            token.mkdir(parents=True)
            self._token = token

    def is_seen_by(self, node: Any) -> bool:
        """Whether a worker has found the token."""
        return self._token is not None and (self._token / str(node.gateway.id)).exists()


def may_be_elsewhere(node: Any) -> bool:
    """Whether a worker may have another folder than the main process: one that ``-n`` starts has not."""
    spec = node.gateway.spec
    return not spec.popen or bool(spec.chdir or spec.via)


def is_of_project(path: Path, config: pytest.Config) -> bool:
    """Whether a path that a worker has sent lies in the folders of this run: a worker is not to write anywhere else."""
    plain = Path(os.path.normpath(path))
    return any(plain.is_relative_to(folder) for folder in (config.rootpath, config.invocation_params.dir))


def shares_folder(node: Any, config: pytest.Config) -> bool:
    """Whether a worker is known to write to the folder of the main process."""
    return not may_be_elsewhere(node) or config.stash[_TOKENS].is_seen_by(node)
