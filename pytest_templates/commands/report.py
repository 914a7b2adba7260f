"""``report``: reports of several runs as one, or two runs side by side, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pytest_templates.commands.compare import compare
from pytest_templates.errors import ReportError
from pytest_templates.reporting.document import Report, Samples, read, write
from pytest_templates.reporting.merging import merged
from pytest_templates.reporting.page.changes import Part, changed_tests
from pytest_templates.reporting.page.sums import has_conversations
from pytest_templates.reporting.page.writing import write_comparison, write_page
from pytest_templates.run.totals import cost_of, lines_of, sum_of, table_of
from pytest_templates.support.targets import without_iterations
from pytest_templates.support.text import OUTSIDE, counted, table, terminal_width

Say = Callable[[str], None]

_WRITERS: Final = {".html": write_page, ".json": write}


def merge(files: Sequence[Path], output: Path, say: Say) -> int:
    """Write the reports of several runs as one, and print what they are together; returns 0.

    Args:
        files: What ``--templates-json`` wrote.
        output: The file to write: a page where it ends in ``.html``, a report like the others in ``.json``.
        say: Takes the text.

    Raises:
        ReportError: One of the files is no report, or is given twice; or the output is neither, would replace one of
            them, or cannot be written.
    """
    write_to = _WRITERS.get(output.suffix.lower())
    if write_to is None:
        raise ReportError(f"-o {output}: write a page, FILE.html, or a report for other commands, FILE.json")
    twice = [file for file, count in Counter(file.resolve() for file in files).items() if count > 1]
    if twice:
        raise ReportError(f"{twice[0]} is given twice: its calls would count twice")
    _refuse_input(output, files)
    reports = [read(file) for file in files]
    report = merged(reports)
    say("\n\n".join(_summary(report, reports)))
    _write(output, lambda: write_to(report, output))
    say(f"\nthe report is in {output}")
    return 0


def compare_on_page(before: Path, after: Path, output: Path, say: Say) -> int:
    """Write two runs side by side, and print how they differ; returns 0.

    Args:
        before: What ``--templates-json`` wrote; it is called A.
        after: The same of another run; it is called B.
        output: The page to write, ``FILE.html``.
        say: Takes the text.

    Raises:
        ReportError: One of the files is no report; or the output is no page, would replace one of them, or cannot be
            written.
    """
    if output.suffix.lower() != ".html":
        raise ReportError(f"-o {output}: two runs side by side are a page: FILE.html")
    _refuse_input(output, [before, after])
    a, b = read(before), read(after)
    compare(before, after, say)
    for text in _changes(a, b):
        say(f"\n{text}")
    _write(output, lambda: write_comparison(a, b, output))
    say(f"\nthe runs are side by side in {output}")
    return 0


def _refuse_input(output: Path, files: Sequence[Path]) -> None:
    """Refuse to write over a report that is read."""
    if output.resolve() in {file.resolve() for file in files}:
        raise ReportError(f"-o {output} would replace a report that is read: name another file")


def _write(output: Path, write_it: Callable[[], None]) -> None:
    """Write the output, in a folder that is made where it is missing."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_it()
    except OSError as error:
        raise ReportError(f"{output} cannot be written: {error.strerror or error}") from error


def _summary(report: Report, reports: Sequence[Report]) -> list[str]:
    """What several runs are together."""
    outcomes = Counter(test.outcome for test in report.tests)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    parts = [f"{counted(len(reports), 'report')}, {counted(len(report.tests), 'test')}{counts and f': {counts}'}"]
    again = sum(len(one.tests) for one in reports) - len(report.tests)
    if again:
        count = "counts" if again == 1 else "count"
        parts[0] += f"\n{counted(again, 'test')} stood in another report as well, and {count} as run again"
    without = sum(one.coverage is None for one in reports)
    if report.coverage is not None and without:
        parts[0] += f"\n{counted(without, 'report')} of these without coverage"
    rows = report.rows
    if rows:
        total = sum_of(rows)
        tokens = counted(total.tokens, "token")
        parts[0] += f"\n{counted(total.calls, 'call')}, {tokens}, {cost_of(total.cost, total.unpriced)}"
        parts.append(table_of(lines_of(rows), terminal_width()))
    return parts


def _changes(a: Report, b: Report) -> list[str]:
    """Tables of what changed beside sums: in conversations, and in pass rates of samples."""
    tests = changed_tests(a, b)
    changed = Counter(place for test in tests for place in dict.fromkeys(map(_place, test.parts)))
    said = [(path, f"{what} {name}".rstrip(), f"{count:,}") for (path, what, name), count in changed.items()]
    rates = [
        (test.nodeid, _passed(test.before.samples), _passed(test.after.samples))
        for test in tests
        if test.before is not None and test.after is not None and test.before.samples != test.after.samples
    ]
    without = sum(not has_conversations(report) for report in (a, b))
    which = "both reports were" if without == 2 else "one of the reports was"
    return [
        *([f"prompts and answers are not compared: {which} written without conversations"] if without else []),
        *([table(("template", "what changed", "in tests"), said, width=terminal_width())] if said else []),
        *([f"samples that passed:\n{table(('test', 'A', 'B'), rates, width=terminal_width())}"] if rates else []),
    ]


def _place(part: Part) -> tuple[str, str, str]:
    """What changed, in which template: all turns of a loop are one."""
    return without_iterations(part["path"]) or OUTSIDE, part["what"], part["name"]


def _passed(samples: Samples | None) -> str:
    return "no samples" if samples is None else f"{samples.passed:,} of {samples.count:,}"
