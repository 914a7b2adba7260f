"""What holds for all tests."""

from __future__ import annotations

import compileall
import gc
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module, metadata
from itertools import chain
from pathlib import Path
from pkgutil import walk_packages
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

import pytest_templates

# Tests start some 700 processes, which keep nothing of what they compile: they find the plugin compiled, with its
# assertions rewritten for pytest, which keeps that where Python may, and as it is for the commands.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
compileall.compile_dir(pytest_templates.__path__[0], quiet=2)

# An inner run takes back what it imported: the plugin, and what it patches, is imported once.
for _module in walk_packages(pytest_templates.__path__, "pytest_templates."):
    import_module(_module.name)

# No server here speaks TLS: clients need not read the world's certificate authorities, which takes each of them 25 ms.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parents[1] / "fixtures" / "authority.pem")


class Installed:
    """A distribution, whose files are read once."""

    def __init__(self, found: metadata.Distribution) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        value = vars(self)[name] = getattr(self._found, name)
        return value


@cache
def installed(folder: str, find: Any = metadata.distributions) -> list[Installed]:
    return [Installed(found) for found in find(path=[folder])]


def distributions() -> Iterator[Installed]:
    return chain.from_iterable(map(installed, sys.path))


# Each inner run looks for plugins in what is installed, and read the files of all of it, twice.
metadata.distributions = distributions  # type: ignore[assignment]

settings.register_profile("suite", deadline=None, max_examples=30)  # no deadline: machines are busy now and then
settings.register_profile("fuzz", deadline=None, max_examples=20_000)  # CONTRIBUTING.md says when
settings.load_profile("suite")

EACH_FILE = {"damaged": "damaged/*.yaml", "of_vcrpy": "vcrpy/*.yaml"}


def folder_of_fixtures(config: pytest.Config) -> Path:
    return config.rootpath / str(config.getini("pytester_example_dir"))


@pytest.fixture(scope="session")
def fixtures_dir(pytestconfig: pytest.Config) -> Path:
    """The folder of the files that tests and docs share; its README says what there is."""
    return folder_of_fixtures(pytestconfig)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes one of these once for each file, so that a new file is a new case."""
    for name in EACH_FILE.keys() & set(metafunc.fixturenames):
        files = sorted(folder_of_fixtures(metafunc.config).glob(EACH_FILE[name]))
        metafunc.parametrize(name, files, ids=[file.stem for file in files])


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: looking at it again and again took half of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # what tests make is small: looking for it often took a fifth of the rest


@pytest.fixture(scope="session")
def calls_of() -> Callable[[Callable[[], object]], int]:
    """Counts how many functions a piece of work calls, those of C included; it is done once before."""

    def counted_in(work: Callable[[], object]) -> int:
        counted = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in {"call", "c_call"}

        work()
        gc.collect()
        gc.disable()  # what is collected meanwhile, and whoever hears of that, would be counted
        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(None)
            gc.enable()
        return counted

    return counted_in
