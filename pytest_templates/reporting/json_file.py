"""The option ``--templates-json``: what models did in each test, written when the run is over."""

from __future__ import annotations

from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.results import RunResults
from pytest_templates.run.processes import fail_run

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class JsonReport:
    """Writes the results when the run is over.

    Args:
        results: The results of the tests.
        path: The file; its folder exists.
    """

    def __init__(self, results: RunResults, path: Path) -> None:
        self._path = path
        self._results = results
        self._text = ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file; fail the run if that is not possible."""
        from pytest_templates.reporting.document import write

        try:
            write(self._results.report(), self._path)
        except OSError as error:
            self._text = f"templates: --templates-json={self._path} could not be written: {error.strerror or error}"
            fail_run(session)
        else:
            self._text = f"templates: what models did is in {self._path}"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print where the file is."""
        terminalreporter.line(self._text)


def check(path: Path) -> None:
    """Check that a file can be written, before the tests have run for nothing.

    Raises:
        pytest.UsageError: It cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise pytest.UsageError(f"--templates-json={path} cannot be written: {error.strerror or error}") from error
