"""Which project a test belongs to: one run may take in the tests of several, and has the ini file of one only.

The project of a test is what pytest takes when it runs that test's folder alone: the nearest folder above it with an
ini file, as pytest knows them, and where there is none the root directory that pytest takes then.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from _pytest.config.findpaths import determine_setup  # pytest has no public name for it


class Project(NamedTuple):
    """A project whose tests are run.

    Attributes:
        root: Its root directory.
        inipath: Its ini file; ``None`` where it has none.
        values: What that file says; ``None`` where it is the file of the run, which pytest reads.
    """

    root: Path
    inipath: Path | None
    values: Mapping[str, Any] | None

    def is_settled(self, config: pytest.Config) -> bool:
        """Whether its root is the same wherever pytest is started: without an ini file that folder counts, too."""
        has_mark = self.inipath is not None or (self.root / "setup.py").is_file()
        return has_mark or config.getoption("rootdir") is not None

    def text(self, config: pytest.Config, key: str, default: str) -> str:
        """What the ini file says.

        Raises:
            pytest.UsageError: It is no text.
        """
        value = config.getini(key) if self.values is None else self.values.get(key, default)
        if not isinstance(value, str):
            raise self._refusal(key, "a text", value)
        return value

    def words(self, config: pytest.Config, key: str) -> list[str]:
        """What the ini file says of a key with several values, apart by blanks or line ends.

        Raises:
            pytest.UsageError: It is neither a text nor a list of texts.
        """
        value = config.getini(key) if self.values is None else self.values.get(key, [])
        words = shlex.split(value, comments=True) if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self._refusal(key, "a list of texts", value)
        return words

    def places_of_tests(self, config: pytest.Config) -> list[Path]:
        """Where all its tests lie: ``testpaths``, or the root directory."""
        patterns = self.words(config, "testpaths")
        listed = [glob(pattern, root_dir=self.root, recursive=True) for pattern in patterns]  # noqa: PTH207 - may be absolute
        return [self.root / path for paths in listed for path in paths] or [self.root]

    def _refusal(self, key: str, kind: str, value: object) -> pytest.UsageError:
        return pytest.UsageError(f"{key} in {self.inipath}: it takes {kind}, not {value!r}")


_FOUND: Final = pytest.StashKey[dict[Path, Project]]()


def project_at(folder: Path, config: pytest.Config) -> Project:
    """The project of the tests in a folder.

    An ini file that the command line names (``-c``) is that of all tests.

    Raises:
        pytest.UsageError: An ini file cannot be read.
    """
    found = config.stash.setdefault(_FOUND, {})
    if folder not in found:
        found[folder] = _find(folder, config)
    return found[folder]


def project_of_run(config: pytest.Config) -> Project:
    """The project whose ini file is that of the run."""
    return Project(config.rootpath, config.inipath, None)


def _find(folder: Path, config: pytest.Config) -> Project:
    if config.getoption("inifilename"):
        return project_of_run(config)
    root, inipath, values, *_ = determine_setup(
        inifile=None,
        override_ini=config.getoption("override_ini"),
        args=[str(folder)],
        rootdir_cmd_arg=None,
        invocation_dir=config.invocation_params.dir,
    )
    of_run = inipath is None and config.getoption("rootdir")
    if of_run or (root, inipath) == (config.rootpath, config.inipath):
        return project_of_run(config)
    return Project(root, inipath, {key: value.value for key, value in values.items()})
