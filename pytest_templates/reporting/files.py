"""The files that the report of a run is written to: those of ``--templates-json`` and ``--templates-report``."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.results import RunResults
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import fail_run

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.reporting.document import Report


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file that the report of the run is to be written to.

    Attributes:
        option: The option that names it.
        path: The file.
        write: Writes it.
        says: What the terminal says of it, before its name.
    """

    option: str
    path: Path
    write: Callable[[Report, Path], None]
    says: str

    def check(self) -> None:
        """Check that it can be written, before the tests have run for nothing.

        Raises:
            pytest.UsageError: It cannot.
        """
        check_writable(self.option, self.path)


def check_writable(option: str, path: Path) -> None:
    """Check that a file can be written; a folder that is missing is made.

    Args:
        option: The option that names it.
        path: The file.

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
        raise pytest.UsageError(f"{option}={path} cannot be written: {error.strerror or error}") from error


def json_file(path: Path) -> ReportFile:
    """The file of ``--templates-json``."""

    def write(report: Report, path: Path) -> None:
        from pytest_templates.reporting.document import write

        write(report, path)

    return ReportFile("--templates-json", path, write, "what models did is in")


def page_file(path: Path) -> ReportFile:
    """The file of ``--templates-report``."""

    def write(report: Report, path: Path) -> None:
        from pytest_templates.reporting.page.writing import write_page

        write_page(report, path)

    return ReportFile("--templates-report", path, write, "the report is in")


class ReportFiles(Feature):
    """Writes the results when the run is over.

    Args:
        results: The results of the tests.
        files: The files, each of which can be written.
    """

    def __init__(self, results: RunResults, files: list[ReportFile]) -> None:
        self._files = files
        self._results = results
        self._lines: list[str] = []

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Write the files when all others have judged the run; fail it if that is not possible."""
        yield
        report = self._results.report()
        for file in self._files:
            try:
                file.write(report, file.path)
            except OSError as error:
                why = error.strerror or error
                self._lines.append(f"templates: {file.option}={file.path} could not be written: {why}")
                fail_run(session)
            else:
                self._lines.append(f"templates: {file.says} {file.path}")

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print where the files are."""
        for line in self._lines:
            terminalreporter.line(line)
