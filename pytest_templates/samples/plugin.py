"""Samples of tests: the marker ``llm_samples``, the option ``--templates-samples``, and their part of the summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.text import counted

if TYPE_CHECKING:
    from pytest_templates.samples.running import SampledTest
    from pytest_templates.samples.verdict import SamplesRow


def _number(given: str | None, config: pytest.Config) -> int | None:
    del config
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given)):
        raise ValueError("it takes a whole number, 1 or more")
    return int(given)


NUMBER: Option[int | None] = Option(
    "--templates-samples",
    metavar="N",
    help="how many samples of each test marked llm_samples are run, whatever the marker says",
    read=_number,
)
OPTIONS = Options(NUMBER)


class Wanted(NamedTuple):
    """What ``llm_samples`` says.

    Attributes:
        number: How many samples.
        pass_rate: How many of them have to pass, from 0 to 1.
    """

    number: int
    pass_rate: float


def llm_samples(number: int, *, pass_rate: float = 1.0) -> Wanted:
    """Run this test several times, each time with answers of its own, and pass it where enough of these samples do."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:  # type: ignore[redundant-expr]
        raise ValueError(f"number is a whole number, 1 or more, not {number!r}")
    if isinstance(pass_rate, bool) or not isinstance(pass_rate, int | float) or not 0 <= pass_rate <= 1:  # type: ignore[redundant-expr]
        raise ValueError(f"pass_rate is a number from 0 to 1, such as 0.8, not {pass_rate!r}")
    return Wanted(number, pass_rate)


MARKER = Marker(llm_samples)
SAMPLES: Final = ReportData["SamplesRow"]("samples")
_SAMPLED: Final[pytest.StashKey[SampledTest]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Run marked tests in samples."""
    OPTIONS.read(config)
    MARKER.register(config)
    join(config, Samples(), "samples")
    if not is_worker(config):
        join(config, Summary(), "samples-summary")


class Samples(Feature):
    """Runs marked tests in samples."""

    @hookimpl
    def runs_samples(self, attempt: Attempt) -> Callable[[], None] | None:
        """A marked test is run in samples."""
        wanted = MARKER.read(attempt.item)
        if wanted is None:
            return None
        from pytest_templates.samples.running import SampledTest

        number = NUMBER.of(attempt.item.config) or wanted.number
        sampled = attempt.stash[_SAMPLED] = SampledTest(attempt, number, wanted.pass_rate)
        return sampled.run

    @hookimpl(tryfirst=True)
    def attempt_opens(self, attempt: Attempt) -> None:
        """Let the trace of a sample know those before it."""
        stash = (attempt.repeats or attempt).whole.stash
        if _SAMPLED in stash:
            attempt.trace.samples = list(stash[_SAMPLED].samples)

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send how the samples went."""
        if report.when == "teardown" and _SAMPLED in attempt.stash:
            row = attempt.stash[_SAMPLED].row
            if row is not None:
                SAMPLES.put(report, row)


class Summary(Feature):
    """Says how the samples of all tests went."""

    def __init__(self) -> None:
        self._rows: dict[str, SamplesRow] = {}

    @hookimpl
    def report_arrives(self, report: pytest.TestReport) -> None:
        """Take what a report brings; the last of several attempts counts."""
        row = SAMPLES.of(report)
        if row is not None:
            self._rows[report.nodeid] = row

    @hookimpl
    def summary_counts(self) -> list[str]:
        """How many samples there were, and how many failed."""
        samples, passed = (sum(row[what] for row in self._rows.values()) for what in ("count", "passed"))
        if not samples:
            return []
        failed = f" ({samples - passed} failed)" if samples > passed else ""
        return [f"{counted(samples, 'sample')} of {counted(len(self._rows), 'test')}{failed}"]

    @hookimpl
    def summary_lines(self) -> list[str]:
        """The tests of which samples failed, and enough passed: of the others their failure says it."""
        if not self._rows:
            return []
        from pytest_templates.samples.verdict import failures, is_enough, summary

        return [
            line
            for nodeid, row in self._rows.items()
            if row["failed"] and is_enough(row)
            for line in (f"{nodeid}: {summary(row)}", *failures(row))
        ]

    @hookimpl
    def test_facts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:
        """How the samples of the last attempt went."""
        rows = SAMPLES.all_within(reports)
        if not rows:
            return {}
        from pytest_templates.samples.verdict import interval

        low, high = interval(rows[-1]["passed"], rows[-1]["count"])
        return {"samples": {**rows[-1], "low": low, "high": high}}
