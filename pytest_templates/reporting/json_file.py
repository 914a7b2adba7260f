"""The option ``--templates-json``: what models did in each test, written when the run is over."""

from __future__ import annotations

from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.gathering import Gathering
from pytest_templates.run.processes import fail_run

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class JsonFile:
    """Writes what was gathered when the run is over.

    Args:
        gathering: The tests.
        path: The file; its folder exists.
    """

    def __init__(self, gathering: Gathering, path: Path) -> None:
        self._path = path
        self._gathering = gathering
        self._text = ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file; a run whose file cannot be written has failed."""
        from pytest_templates.reporting.document import write

        try:
            write(self._gathering.report(), self._path)
        except OSError as error:
            self._text = f"templates: --templates-json={self._path} could not be written: {error.strerror or error}"
            fail_run(session)
        else:
            self._text = f"templates: what models did is in {self._path}"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say where the file is."""
        terminalreporter.line(self._text)


def check(path: Path) -> None:
    """Refuse a place where nothing can be written, before the tests have run for nothing.

    Raises:
        pytest.UsageError: It is one.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise pytest.UsageError(f"--templates-json={path} cannot be written: {error.strerror or error}") from error
