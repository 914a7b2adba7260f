"""Snapshots that a worker of pytest-xdist writes where the main process does not see them.

The worker sends the conversations that it has written when it ends, and the main process writes them. What syrupy's
worker reports of its files is told by the paths of the main process, which adds up what all workers have used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from pytest_templates.run.features import hookimpl
from pytest_templates.run.late import late_failures_in
from pytest_templates.run.machines import MainView, is_of_project, view_of_main
from pytest_templates.run.processes import worker_output
from pytest_templates.support.files import atomic_write

_SENT: Final = "templates_snapshots"
_STAY: Final = "templates_other_snapshots"
_WRITTEN, _REPORT = "syrupy_write_sidecars", "syrupy_report"  # as syrupy calls them in what a worker sends
_OURS: Final = ".chat"


class SnapshotSender:
    """Sends what a worker has written.

    Args:
        config: Of the worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Send it, after syrupy has written all of it."""
        output, main = worker_output(self._config), view_of_main(self._config)
        written = [Path(path) for path in output.get(_WRITTEN, ())]
        unseen = [path for path in written if path.is_file() and not main.sees(path)]
        output[_SENT] = [[main.path(path), path.read_text("utf-8")] for path in unseen if path.suffix == _OURS]
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


class SnapshotReceiver:
    """Writes what workers have sent.

    Args:
        config: Of the main process.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stay: list[str] = []

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Write the conversations of a worker; the run fails where that cannot be done."""
        output = getattr(node, "workeroutput", None) or {}
        for path, text in output.get(_SENT, ()):
            file = Path(path)
            if not is_of_project(file, self._config) or file.suffix != _OURS:
                self._fail(node, path, "a worker has sent it, and it is no snapshot of this project")
                continue
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(file, text)
            except OSError as error:
                self._fail(node, path, str(error.strerror or error))
        self._stay += output.get(_STAY, ())

    def _fail(self, node: Any, path: str, reason: str) -> None:
        from pytest_templates.errors import TestingError

        problem = TestingError(f"{path}: the snapshot cannot be written: {reason}")
        late_failures_in(self._config).add(f"worker {node.gateway.id}", problem, "in what it sent")

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What is said of snapshots that stay where they are."""
        if not self._stay:
            return []
        which = ", ".join(sorted(set(self._stay)))
        return [f"snapshots of other kinds than llm_snapshot stay in the folders of their workers: {which}"]
