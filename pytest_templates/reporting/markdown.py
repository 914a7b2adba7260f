"""The summary of a run for a pull request, in Markdown, and no longer than there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.regression import Finding
from pytest_templates.reporting.terminal import called
from pytest_templates.run.totals import HEADS, NUMBERS, cells_of, lines_of
from pytest_templates.support.markdown import block, details, fitted, lines, literal, markdown_table
from pytest_templates.support.text import counted

_MOST_ROWS: Final = 50  # of a table
_MOST_LINES: Final = 60  # of a failure
_BAD: Final = {"failed": "failed", "error": "had an error", "xpassed": "passed against expectation"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the summary tells beside the report of the run, without secrets.

    Attributes:
        counts: Parts of the line that sums up, of all rooms.
        notes: What rooms have to say beside it.
        failures: What each failed test has said, by its node id.
        findings: What was found beside an earlier run.
        is_held: Whether the run is held to rules, rather than merely compared.
    """

    counts: Sequence[str]
    notes: Sequence[str]
    failures: Mapping[str, str]
    findings: Sequence[Finding]
    is_held: bool


def summary_of(report: Report, facts: Facts, room: int) -> str:
    """The summary.

    Args:
        report: The run.
        facts: What is told beside it.
        room: How many bytes there is room for; failures that do not fit are counted.
    """
    parts = [
        f"### Prompt templates: {_outcomes(report)}",
        *_models(report, facts),
        *_compared(facts),
        *_samples(report),
    ]
    parts += ["\n".join(f"- {literal(note)}" for note in facts.notes)] if facts.notes else []
    told = [(error.where or "pytest", _ending(error.text)) for error in report.errors]
    told += [(test, _shortened(said)) for test, said in facts.failures.items()]
    return fitted(parts, [details(where, block(said)) for where, said in told], room, "failure")


def _outcomes(report: Report) -> str:
    counts: Counter[str] = Counter(test.outcome for test in report.tests)
    bad = [f"{counts[outcome]:,} {words}" for outcome, words in _BAD.items() if counts[outcome]]
    good = f"{counts['passed']:,} of {counted(len(report.tests), 'test')} passed"
    return ", ".join([*bad, *_outside_of_tests(report, is_told=bool(bad)), good])


def _outside_of_tests(report: Report, *, is_told: bool) -> Iterator[str]:
    """That the run has failed otherwise than by a test, where nothing else tells it."""
    if report.errors:
        yield counted(len(report.errors), "error") + " outside of tests"
    elif report.exit_status and not is_told:
        yield f"failed with exit status {report.exit_status}"


def _models(report: Report, facts: Facts) -> Iterator[str]:
    rows = lines_of(report.rows)
    counts = [*(called(rows) if rows else []), *facts.counts]
    yield lines(", ".join(counts) or "no model was called")
    yield from _table(HEADS, [cells_of(row) for row in rows], NUMBERS)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[str]) -> Iterator[str]:
    if rows:
        yield markdown_table(heads, rows[:_MOST_ROWS], numbers=numbers)
    if len(rows) > _MOST_ROWS:
        yield f"… and {counted(len(rows) - _MOST_ROWS, 'more row')}"


def _compared(facts: Facts) -> Iterator[str]:
    """Both runs side by side, with the verdict where there are rules."""
    if not facts.findings:
        return
    heads = ("rule" if facts.is_held else "", "baseline", "this run", "verdict" if facts.is_held else "changes")
    rows = [
        (one.rule.text if facts.is_held else one.rule.metric, one.before, one.after, _verdict(one, facts))
        for one in facts.findings
    ]
    yield markdown_table(heads, rows, numbers={"baseline", "this run"})


def _verdict(one: Finding, facts: Facts) -> str:
    if facts.is_held:
        return f"✗ {one.why}" if one.why else "holds"
    return one.why if one.rule.metric == "models" else ""


def _samples(report: Report) -> Iterator[str]:
    heads = ("samples of", "passed", "of", "to pass", "true rate, with 95% confidence")
    rows = [
        (
            test.nodeid,
            f"{test.samples.passed:,}",
            f"{test.samples.count:,}",
            f"{test.samples.pass_rate:.0%}",
            f"{test.samples.low:.0%} to {test.samples.high:.0%}",
        )
        for test in report.tests
        if test.samples is not None
    ]
    yield from _table(heads, rows, frozenset(heads[1:]))


def _shortened(text: str) -> str:
    said = text.splitlines()
    left_out = len(said) - _MOST_LINES
    return "\n".join([*said[:_MOST_LINES], f"… {counted(left_out, 'line')} more"] if left_out > 0 else said)


def _ending(text: str) -> str:
    """The last lines of a traceback, at whose end the error stands."""
    said = text.splitlines()
    left_out = len(said) - _MOST_LINES
    return "\n".join([f"… {counted(left_out, 'line')} before", *said[-_MOST_LINES:]] if left_out > 0 else said)
