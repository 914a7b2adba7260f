"""The option ``--templates-json``: what models did in each test, written when the run is over."""

from __future__ import annotations

from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.gathering import Gathering
from pytest_templates.run.options import OPTIONS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def watch(config: pytest.Config) -> None:
    """Write the file, where one is wanted: in the process that hears of every test.

    Raises:
        pytest.UsageError: Nothing can be written there.
    """
    path = config.stash[OPTIONS].json
    if path is not None and not hasattr(config, "workerinput") and not config.option.collectonly:
        _check(path)
        config.pluginmanager.register(JsonFile(config, path), "templates-json")


class JsonFile:
    """Collects what the reports of tests say, from every process, and writes it.

    Args:
        config: Where the options stand.
        path: The file; its folder exists.
    """

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._path = path
        self._gathering = Gathering(config)
        self._said = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a phase of a test says."""
        self._gathering.hear(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file; a run whose file cannot be written has failed."""
        from pytest_templates.reporting.document import write

        try:
            write(self._gathering.report(), self._path)
        except OSError as error:
            self._said = f"templates: --templates-json={self._path} could not be written: {error.strerror or error}"
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        else:
            self._said = f"templates: what models did is in {self._path}"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say where the file is."""
        terminalreporter.line(self._said)


def _check(path: Path) -> None:
    """Refuse a place where nothing can be written, before the tests have run for nothing."""
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise pytest.UsageError(f"--templates-json={path} cannot be written: {error.strerror or error}") from error
