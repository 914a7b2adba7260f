"""What changed in recordings that were made anew, said at the end of the run: our prompt, or the model's answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.run.attempt import REPORTED
from pytest_templates.run.calls import Row
from pytest_templates.run.options import OPTIONS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def watch(config: pytest.Config) -> None:
    """Look at what is recorded anew, in the process that hears of every test."""
    if config.stash[OPTIONS].record in {"changed", "all"} and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Rerecorded(config), "templates-rerecorded")


class Rerecorded:
    """Keeps what cassettes held, from every process, and says what they hold instead.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._base = config.invocation_params.dir
        self._store = config.stash[OPTIONS].store
        self._replaced: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a cassette held when the first test began to record it anew: the most of all."""
        replaced: Row | None = getattr(report, REPORTED, {}).get("replaced")
        if replaced is not None:
            known = self._replaced.setdefault(replaced["cassette"], replaced)
            if len(known["held"]) < len(replaced["held"]):
                self._replaced[replaced["cassette"]] = replaced

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say what changed, where something did."""
        told = {place: lines for place in sorted(self._replaced) if (lines := list(self._lines(self._replaced[place])))}
        if told:
            terminalreporter.section("changed recordings")
        for place, lines in told.items():
            terminalreporter.line(self._store.place(Path(place)).removeprefix(f"{self._base}{os.sep}"))
            for line in lines:
                terminalreporter.line(f"  {line}")

    def _lines(self, replaced: Row) -> Iterator[str]:
        from pytest_templates.cassettes.matching import Matcher
        from pytest_templates.cassettes.reading.calls import asks_of, changed_recordings
        from pytest_templates.cassettes.storage.store import load_cassette
        from pytest_templates.errors import CassetteError

        matcher = Matcher(tuple(replaced["match_on"]), tuple(replaced["ignore"]))
        try:
            holds = load_cassette(Path(replaced["cassette"]), self._store)
        except CassetteError as error:
            yield f"what changed cannot be said: {error}"
        else:
            yield from changed_recordings(replaced["held"], asks_of(holds, matcher))
