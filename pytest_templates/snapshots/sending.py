"""Snapshots that a worker of pytest-xdist writes where the main process does not see them.

The worker sends the conversations that a test has written with its report, and the main process writes them. What
syrupy's worker reports of its files when it ends is told by the paths of the main process, which adds up what all
workers have used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.late import late_failures_in
from pytest_templates.run.machines import MainView, is_of_project, view_of_main
from pytest_templates.run.processes import worker_output
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.under_way import current_attempt
from pytest_templates.support.files import atomic_write

_SENT: Final = ReportData[list[list[str]]]("sent_snapshots")
_FILES: Final = pytest.StashKey[list[Path]]()  # that an attempt has written
_STAY: Final = "templates_other_snapshots"
_WRITTEN, _REPORT = "syrupy_write_sidecars", "syrupy_report"  # as syrupy calls them in what a worker sends
_OURS: Final = ".chat"


def note_written(path: Path) -> None:
    """Note that the test under way has written a conversation."""
    attempt = current_attempt()
    if attempt is not None:
        attempt.stash.setdefault(_FILES, []).append(path)


class SnapshotSender(Feature):
    """Sends what a worker has written.

    Args:
        config: Of the worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send the conversations that a test has written where the main process does not see them."""
        if report.when != "teardown" or _FILES not in attempt.stash:
            return
        main, files = view_of_main(self._config), attempt.stash[_FILES]
        unseen = [path for path in dict.fromkeys(files) if path.is_file() and not main.sees(path)]
        if unseen:
            _SENT.put(report, [[main.path(path), path.read_text("utf-8")] for path in unseen])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Tell what else syrupy has written and used, after it has written all of it."""
        output, main = worker_output(self._config), view_of_main(self._config)
        written = [Path(path) for path in output.get(_WRITTEN, ())]
        unseen = [path for path in written if path.is_file() and not main.sees(path)]
        output[_STAY] = [main.path(path) for path in unseen if path.suffix != _OURS]
        if _REPORT in output:
            output[_REPORT] = _seen_by(main, output[_REPORT])


def _seen_by(main: MainView, report: dict[str, Any]) -> dict[str, Any]:
    """A report of syrupy's worker with the paths of the main process."""
    from syrupy.utils import compress_json, decompress_json

    def path(own: str) -> str:
        return main.path(Path(own))

    if not main.folders:
        return report
    collections = decompress_json(report["collections"])
    moved = {kind: {path(own): names for own, names in found.items()} for kind, found in collections.items()}
    collected = [{**item, "path": path(item["path"])} for item in decompress_json(report["collected"])]
    return {
        **report,
        "collections": compress_json(moved),
        "collected": compress_json(collected),
        "collected_modules": sorted(map(path, report["collected_modules"])),
        "extensions": {path(own): extension for own, extension in report["extensions"].items()},
    }


class SnapshotReceiver(Feature):
    """Writes what workers have sent.

    Args:
        config: Of the main process.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stay: list[str] = []
        self._is_incomplete = False

    @hookimpl
    def report_arrives(self, report: pytest.TestReport) -> None:
        """Write the conversations of a test; the run fails where that cannot be done, as the test is over."""
        for path, text in (one for sent in _SENT.all_of(report) for one in sent):
            file = Path(path)
            if not is_of_project(file, self._config) or file.suffix != _OURS:
                self._fail(report, path, "a worker has sent it, and it is no snapshot of this project")
                continue
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(file, text)
            except OSError as error:
                self._fail(report, path, str(error.strerror or error))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take the names of the snapshots that a worker keeps; of one that died, nobody knows which it has used."""
        if error:
            self._is_incomplete = True
            self._config.option.disable_unused_snapshots = True
        self._stay += (getattr(node, "workeroutput", None) or {}).get(_STAY, ())

    def _fail(self, report: pytest.TestReport, path: str, reason: str) -> None:
        from pytest_templates.errors import TestingError

        problem = TestingError(f"{path}: the snapshot cannot be written: {reason}")
        late_failures_in(self._config).add(report.nodeid, problem, "in what its worker sent")

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What is said of snapshots that stay where they are, and of unused ones that may."""
        lines = []
        if self._is_incomplete and getattr(self._config.option, "update_snapshots", False):
            lines.append("a worker died, and which snapshots it has used is not known: unused ones are not removed")
        if self._stay:
            which = ", ".join(sorted(set(self._stay)))
            lines.append(f"snapshots of other kinds than llm_snapshot stay in the folders of their workers: {which}")
        return lines
