"""``compare``: two runs side by side, such as before and after a template got another model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from pytest_templates.reporting.document import Report, read
from pytest_templates.reporting.regression import Finding, Rule, compared_tests, judged, objections
from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.totals import Line, Sum, cost_cell, lines_of, sum_of
from pytest_templates.support.markdown import lines, markdown_table
from pytest_templates.support.money import money
from pytest_templates.support.text import OUTSIDE, counted, table, terminal_width, visible_lines

_NUMBERS: Final = ("calls", "tokens in", "tokens out", "cost", "time of calls")
_TICK: Final = 0.005  # seconds; less is not shown


class Table(NamedTuple):
    """A table.

    Attributes:
        heads: The heads of its columns.
        rows: Its rows.
        title: What stands above it; ``""`` for nothing.
        numbers: The heads of columns of numbers.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    numbers: frozenset[str] = frozenset()


Part: TypeAlias = str | Table


def compare(
    before: Path, after: Path, say: Callable[[str], None], *, fail_on: Sequence[Rule] = (), markdown: bool = False
) -> int:
    """Print how two runs differ.

    Args:
        before: What ``--templates-json`` wrote; it is called A.
        after: The same of another run; it is called B.
        say: Takes the text.
        fail_on: The rules that B is held to.
        markdown: Whether the text is Markdown.

    Returns:
        The exit status: 1 where a rule does not hold.

    Raises:
        ReportError: One of the files is no report.
    """
    a, b = read(before), read(after)
    findings = judged(fail_on, a, b)
    parts = [f"A  {before}\nB  {after}", _totals(a, b), *_by_template(a.rows, b.rows), *_outcomes(a, b)]
    parts += [*_verdicts(findings), *([compared_tests(a, b)] if findings else [])]
    say("\n\n".join(written(part, markdown=markdown) for part in parts))
    return 1 if objections(findings) else 0


def written(part: Part, *, markdown: bool) -> str:
    """A part as plain text, or as Markdown; nothing in it is markup."""
    if isinstance(part, str):
        return lines(part) if markdown else visible_lines(part)
    title = f"{part.title}\n\n" if markdown else f"{part.title}\n"
    if markdown:
        written = markdown_table(part.heads, part.rows, numbers=part.numbers)
    else:
        written = table(part.heads, part.rows, numbers=part.numbers, width=terminal_width())
    return f"{title if part.title else ''}{written}"


def _verdicts(findings: Sequence[Finding]) -> list[Part]:
    """A row for each rule, and what is to be said of those that do not hold."""
    if not findings:
        return []
    rows = [(one.rule.text, one.before, one.after, "✗" if one.why else "holds") for one in findings]
    objecting = objections(findings)
    return [Table(("rule", "A", "B", ""), rows), *(["\n".join(objecting)] if objecting else [])]


def _totals(a: Report, b: Report) -> Table:
    first, second = sum_of(a.rows), sum_of(b.rows)
    passed = [len([test for test in report.tests if test.outcome == "passed"]) for report in (a, b)]
    of_all = [f"{count:,} of {len(report.tests):,}" for count, report in zip(passed, (a, b), strict=True)]
    rows = [
        ("tests passed", *of_all, count_difference(*passed)),
        *zip(_NUMBERS, _numbers(first), _numbers(second), _differences(first, second), strict=True),
        ("time of run", f"{a.seconds:.2f} s", f"{b.seconds:.2f} s", _seconds(a.seconds, b.seconds)),
    ]
    return Table(("", "A", "B", "difference"), rows, numbers=frozenset({"A", "B", "difference"}))


def _by_template(a: list[CallRow], b: list[CallRow]) -> list[Part]:
    templates = dict.fromkeys(row["template_id"] for row in [*a, *b])
    rows = [row for template in templates for row in _of_template(template, a, b)]
    return [Table(("template", "", "model", *_NUMBERS), rows, numbers=frozenset(_NUMBERS))] if rows else []


def _of_template(template: str, *runs: list[CallRow]) -> Iterator[Sequence[str]]:
    """The rows of a template: its models in each run, and the difference."""
    name = template or OUTSIDE
    mine = [[row for row in run if row["template_id"] == template] for run in runs]
    for run, rows in zip("AB", mine, strict=True):
        for line in lines_of(rows) or [Line(template=template, model="(not called)", sources=())]:
            yield name, run, line.model, *_numbers(line)
            name = ""
    yield "", "", "difference", *_differences(*map(sum_of, mine))


def _numbers(calls: Sum) -> tuple[str, ...]:
    return (
        f"{calls.calls:,}",
        f"{calls.input_tokens:,}",
        f"{calls.output_tokens:,}",
        cost_cell(calls.cost, calls.unpriced),
        f"{calls.seconds:.2f} s",
    )


def _differences(a: Sum, b: Sum) -> tuple[str, ...]:
    return (
        count_difference(a.calls, b.calls),
        count_difference(a.input_tokens, b.input_tokens),
        count_difference(a.output_tokens, b.output_tokens),
        "unknown" if a.unpriced or b.unpriced else dollar_difference(a.cost, b.cost),
        _seconds(a.seconds, b.seconds),
    )


def count_difference(a: int, b: int) -> str:
    """How a number differs from an earlier one, as in ``+2 (+50%)``."""
    return f"{b - a:+,}{_share(a, b)}" if a != b else "0"


def dollar_difference(a: Decimal, b: Decimal) -> str:
    """The same of sums of money."""
    return f"{'-' if b < a else '+'}{money(abs(b - a))}{_share(a, b)}" if a != b else "0"


def _seconds(a: float, b: float) -> str:
    return f"{b - a:+.2f} s{_share(a, b)}" if abs(b - a) >= _TICK else "0"


def _share(a: float | Decimal, b: float | Decimal) -> str:
    """The difference in percent, where there was anything before."""
    return f" ({float(b) / float(a) - 1:+.0%})" if a else ""


def _outcomes(a: Report, b: Report) -> list[Part]:
    """The tests whose outcome changed, and how many passed before and do not now."""
    before, after = ({test.nodeid: str(test.outcome) for test in report.tests} for report in (a, b))
    pairs = {test: (before.get(test, "not run"), after.get(test, "not run")) for test in {**before, **after}}
    changed = [(test, *pair) for test, pair in pairs.items() if pair[0] != pair[1]]
    lost = len([test for test, outcome, _ in changed if outcome == "passed"])
    verdict = f"{counted(lost, 'test')} passed in A and not in B" if lost else "every test that passed in A passed in B"
    return [*([Table(("test", "A", "B"), changed, "outcomes that changed:")] if changed else []), verdict]
