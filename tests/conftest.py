"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None)  # no test is about time: machines are busy now and then
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
