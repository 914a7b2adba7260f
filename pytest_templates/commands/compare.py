"""``compare``: two runs side by side, such as before and after a template got another model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from pytest_templates.reporting.document import Report, read
from pytest_templates.run.calls import CallRow
from pytest_templates.run.totals import Line, line_of, lines_of
from pytest_templates.support.money import money
from pytest_templates.support.text import OUTSIDE, counted, table

_NUMBERS: Final = ("calls", "tokens in", "tokens out", "cost", "time of calls")
_TICK: Final = 0.005  # seconds; less is not shown


def compare(before: Path, after: Path, say: Callable[[str], None]) -> int:
    """Print how two runs differ; returns 0.

    Args:
        before: What ``--templates-json`` wrote; it is called A.
        after: The same of another run; it is called B.
        say: Takes the text.

    Raises:
        ReportError: One of the files is no report.
    """
    a, b = read(before), read(after)
    parts = [f"A  {before}\nB  {after}", _totals(a, b), _by_template(_rows(a), _rows(b)), _outcomes(a, b)]
    say("\n\n".join(part for part in parts if part))
    return 0


def _rows(report: Report) -> list[CallRow]:
    return [cast("CallRow", call.model_dump()) for call in report.calls]


def _totals(a: Report, b: Report) -> str:
    first, second = line_of("", "", _rows(a)), line_of("", "", _rows(b))
    passed = [len([test for test in report.tests if test.outcome == "passed"]) for report in (a, b)]
    of_all = [f"{count:,} of {len(report.tests):,}" for count, report in zip(passed, (a, b), strict=True)]
    rows = [
        ("tests passed", *of_all, _count(*passed)),
        *zip(_NUMBERS, _numbers(first), _numbers(second), _differences(first, second), strict=True),
        ("time of run", f"{a.seconds:.2f} s", f"{b.seconds:.2f} s", _seconds(a.seconds, b.seconds)),
    ]
    return table(("", "A", "B", "difference"), rows)


def _by_template(a: list[CallRow], b: list[CallRow]) -> str:
    templates = dict.fromkeys(row["template_id"] for row in [*a, *b])
    rows = [row for template in templates for row in _of_template(template, a, b)]
    return table(("template", "", "model", *_NUMBERS), rows) if rows else ""


def _of_template(template: str, *runs: list[CallRow]) -> Iterator[Sequence[str]]:
    """The rows of a template: its models in each run, and the difference."""
    name = template or OUTSIDE
    mine = [[row for row in run if row["template_id"] == template] for run in runs]
    for run, rows in zip("AB", mine, strict=True):
        for line in lines_of(rows) or [line_of(template, "(not called)", [])]:
            yield name, run, line.model, *_numbers(line)
            name = ""
    yield "", "", "difference", *_differences(*(line_of(template, "", rows) for rows in mine))


def _numbers(line: Line) -> tuple[str, ...]:
    return (
        f"{line.calls:,}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        f"{money(line.cost)}{' and more' if line.unpriced else ''}" if line.cost or not line.unpriced else "unknown",
        f"{line.seconds:.2f} s",
    )


def _differences(a: Line, b: Line) -> tuple[str, ...]:
    return (
        _count(a.calls, b.calls),
        _count(a.input_tokens, b.input_tokens),
        _count(a.output_tokens, b.output_tokens),
        "unknown" if a.unpriced or b.unpriced else _dollars(a.cost, b.cost),
        _seconds(a.seconds, b.seconds),
    )


def _count(a: int, b: int) -> str:
    return f"{b - a:+,}{_share(a, b)}" if a != b else "0"


def _dollars(a: Decimal, b: Decimal) -> str:
    return f"{'-' if b < a else '+'}{money(abs(b - a))}{_share(a, b)}" if a != b else "0"


def _seconds(a: float, b: float) -> str:
    return f"{b - a:+.2f} s{_share(a, b)}" if abs(b - a) >= _TICK else "0"


def _share(a: float | Decimal, b: float | Decimal) -> str:
    """The difference in percent, where there was anything before."""
    return f" ({float(b) / float(a) - 1:+.0%})" if a else ""


def _outcomes(a: Report, b: Report) -> str:
    """The tests whose outcome changed, and how many passed before and do not now."""
    before, after = ({test.nodeid: str(test.outcome) for test in report.tests} for report in (a, b))
    pairs = {test: (before.get(test, "not run"), after.get(test, "not run")) for test in {**before, **after}}
    changed = [(test, *pair) for test, pair in pairs.items() if pair[0] != pair[1]]
    lost = len([test for test, outcome, _ in changed if outcome == "passed"])
    verdict = f"{counted(lost, 'test')} passed in A and not in B" if lost else "every test that passed in A passed in B"
    return "\n".join(["outcomes that changed:", table(("test", "A", "B"), changed), verdict] if changed else [verdict])
