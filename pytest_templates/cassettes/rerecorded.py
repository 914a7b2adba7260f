"""Reports at the end of the run what changed in recordings that were made anew: our prompt, or the model's answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_templates.cassettes.options import RECORD
from pytest_templates.cassettes.places import store_with
from pytest_templates.run.features import Feature
from pytest_templates.run.machines import view_of_main
from pytest_templates.run.processes import is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import counted, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.reading.calls import RecordedCall


class Replaced(TypedDict):
    """What a cassette held before it was recorded anew, and how it compares requests.

    Attributes:
        cassette: The file.
        match_on: What of a request has to be equal.
        ignore: What is left out of the comparison.
        held: The calls that it held.
        asked: The keys of what a test has asked and kept, where it shares the cassette with others; ``None`` where it
            does not.
    """

    cassette: str
    match_on: list[str]
    ignore: list[str]
    held: list[RecordedCall]
    asked: list[str] | None


_ANEW: Final = frozenset({"changed", "all"})
REPLACED: Final = ReportData[Replaced]("replaced")


def watch(config: pytest.Config) -> None:
    """Watch what is recorded anew, in the process that gets the reports of all tests."""
    if RECORD.of(config) in _ANEW and not is_worker(config):
        config.pluginmanager.register(Rerecorded(config), "templates-rerecorded")


def report(cassette: OpenCassette, to: pytest.TestReport, config: pytest.Config) -> None:
    """Send what a cassette held before it was recorded anew, and of one that tests share what was asked."""
    is_shared = bool(cassette.settings.author.run)
    if not (is_shared or cassette.file.replaced) or RECORD.of(config) not in _ANEW:
        return
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.reading.calls import recorded_calls

    match_on, ignore = cassette.settings.match_on, cassette.settings.ignore
    matcher = Matcher(match_on, ignore)
    kept = [] if cassette.waiting else cassette.requests
    replaced = Replaced(
        cassette=view_of_main(config).path(cassette.path),
        match_on=list(match_on),
        ignore=list(ignore),
        held=recorded_calls(cassette.file.replaced, matcher),
        asked=[matcher.key(one).hex() for one in kept] if is_shared else None,
    )
    REPLACED.put(to, replaced)


class Rerecorded(Feature):
    """Collects from every process what cassettes held, and reports what they hold instead.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._base = config.invocation_params.dir
        self._config = config
        self._replaced: dict[str, Replaced] = {}
        self._asked: dict[str, set[str]] = {}  # of the cassettes that tests share

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a cassette held when the first test began to record it anew: the most of all."""
        replaced = REPLACED.of(report)
        if replaced is not None:
            known = self._replaced.setdefault(replaced["cassette"], replaced)
            if len(known["held"]) < len(replaced["held"]):
                self._replaced[replaced["cassette"]] = replaced
            if replaced["asked"] is not None:
                self._asked.setdefault(replaced["cassette"], set()).update(replaced["asked"])

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Report what changed, where something did."""
        changed = {
            place: lines
            for place in sorted(self._replaced)
            if self._replaced[place]["held"] and (lines := list(self._lines(self._replaced[place])))
        }
        if changed:
            terminalreporter.section("changed recordings")
        for place, lines in changed.items():
            name = shown_in(self._base, store_with(Path(place), self._config).place(Path(place)))
            terminalreporter.line(visible_lines(name))
            for line in lines:
                terminalreporter.line(visible_lines(f"  {line}"))

    def _lines(self, replaced: Replaced) -> Iterator[str]:
        from pytest_templates.cassettes.matching import Matcher
        from pytest_templates.cassettes.reading.calls import recorded_calls
        from pytest_templates.cassettes.storage.store import load_cassette
        from pytest_templates.errors import CassetteError

        matcher = Matcher(tuple(replaced["match_on"]), tuple(replaced["ignore"]))
        try:
            path = Path(replaced["cassette"])
            holds = load_cassette(path, store_with(path, self._config))
        except CassetteError as error:
            yield f"what changed cannot be said: {error}"
        else:
            yield from self._changed(replaced, recorded_calls(holds, matcher))

    def _changed(self, replaced: Replaced, holds: list[RecordedCall]) -> Iterator[str]:
        """What changed; in what tests share only of what one of them asked, as the rest stays for others."""
        from pytest_templates.cassettes.reading.calls import changed_recordings

        asked = self._asked.get(replaced["cassette"])
        if asked is None:
            yield from changed_recordings(replaced["held"], holds)
            return
        held, now = ([call for call in calls if call["key"] in asked] for calls in (replaced["held"], holds))
        lines = changed_recordings(held, now)
        yield from lines
        rest = len(holds) - len(now)
        if lines and rest:
            yield f"not asked for by the tests of this run, and kept for others: {counted(rest, 'call')}"
