"""Rules for what may not get worse from one run to the next, such as ``cost>+10%``, and whether they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from antiphon.errors import InvalidValue
from pytest_templates.reporting.document import Report, Test
from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.totals import Sum, sum_of
from pytest_templates.support.money import money
from pytest_templates.support.targets import did_you_mean
from pytest_templates.support.text import OUTSIDE, counted

Number: TypeAlias = Decimal | int | float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a run is held to, beside an earlier one.

    Attributes:
        text: The rule, as it was written.
        metric: What is compared: one of ``METRICS``.
        limit: How much worse it may get: a number, or with ``is_share`` a part of what it was (0.1 for 10%); 0 for
            ``models``.
        is_share: Whether the limit is a part of what it was.
    """

    text: str
    metric: str
    limit: Decimal
    is_share: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a rule.

    Attributes:
        rule: The rule.
        before: The value of the earlier run, in words.
        after: That of the later one.
        why: Why the rule does not hold, in words; ``""`` where it does.
    """

    rule: Rule
    before: str
    after: str
    why: str


_SUMS: Final[dict[str, Callable[[Sum], Number]]] = {
    "cost": lambda calls: calls.cost,
    "tokens": lambda calls: calls.tokens,
    "input_tokens": lambda calls: calls.input_tokens,
    "output_tokens": lambda calls: calls.output_tokens,
    "calls": lambda calls: calls.calls,
    "seconds": lambda calls: calls.seconds,
}
METRICS: Final = (*_SUMS, "pass_rate", "models")
_RULE: Final = re.compile(
    r"(?P<metric>\w+)\s*(?:(?P<sign>[<>])\s*(?P<way>[+-])\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<share>%)?)?"
)
_FORMS: Final = "cost>+10%, tokens>+500, pass_rate<-5%, models"


def rules_of(text: str) -> tuple[Rule, ...]:
    """The rules in a text, parted by commas: ``"cost>+10%,tokens>+20%,models,pass_rate<-5%"``.

    Sums (``cost`` in US dollars, ``tokens``, ``input_tokens``, ``output_tokens``, ``calls``, ``seconds`` of calls) may
    not grow by more than a number, or a part of what they were; ``pass_rate`` may not fall by more than so many
    percentage points; with ``models`` no template may ask other models than before.

    Raises:
        InvalidValue: That is no rule, or there is none.
    """
    written = [part.strip() for part in text.split(",")]
    return tuple(map(_rule, written))


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        raise InvalidValue(f"{text!r} is no rule: write rules such as {_FORMS}")
    metric, sign, way = found["metric"], found["sign"], found["way"]
    if metric not in METRICS:
        raise InvalidValue(
            f"{text!r}: there is no {metric!r} among {', '.join(METRICS)}{did_you_mean(metric, METRICS)}"
        )
    if metric == "models":
        if sign:
            raise InvalidValue(f"{text!r}: models stands alone")
        return Rule(text, metric, Decimal(0), is_share=False)
    form = "pass_rate<-5%" if metric == "pass_rate" else f"{metric}>+10%"
    wanted = ("<", "-") if metric == "pass_rate" else (">", "+")
    if (sign, way) != wanted or (metric == "pass_rate" and not found["share"]):
        raise InvalidValue(f"{text!r} is no rule: write it as {form}")
    number = Decimal(found["number"])
    is_share = found["share"] is not None
    return Rule(text, metric, number / 100 if is_share else number, is_share)


def judged(rules: Sequence[Rule], before: Report, after: Report) -> list[Finding]:
    """What was found of each rule, in the tests that ran in both: one that is new may cost what it does."""
    names = _ran(before) & _ran(after)
    first, second = ([test for test in report.tests if test.nodeid in names] for report in (before, after))
    return [_finding(rule, first, second) for rule in rules]


def _ran(report: Report) -> set[str]:
    return {test.nodeid for test in report.tests if test.outcome != "skipped"}


def compared_tests(before: Report, after: Report) -> str:
    """How many tests ran in both runs, and which of the earlier one did not run, in words."""
    first, second = _ran(before), _ran(after)
    gone = sorted(first - second)
    some = f", {', '.join(gone[:_MOST_NAMED])}{', …' if len(gone) > _MOST_NAMED else ''}" if gone else ""
    left = f"; {counted(len(gone), 'test')} of the earlier run did not run{some}" if gone else ""
    return f"{counted(len(first & second), 'test')} ran in both{left}"


_MOST_NAMED: Final = 5


def objections(findings: Sequence[Finding]) -> list[str]:
    """The rules that do not hold, in words."""
    return [f"{one.rule.text}: {one.why}" for one in findings if one.why]


def _finding(rule: Rule, before: Sequence[Test], after: Sequence[Test]) -> Finding:
    if not before:
        return Finding(rule, "", "", "no test ran in both")
    if rule.metric == "models":
        changes = list(_other_models(before, after))
        return Finding(rule, "", "", "; ".join(changes))
    if rule.metric == "pass_rate":
        return _passing(rule, before, after)
    sums = [sum_of(_rows(tests)) for tests in (before, after)]
    a, b = (Decimal(_SUMS[rule.metric](calls)) for calls in sums)
    first, second = _shown(rule.metric, a), _shown(rule.metric, b)
    unpriced = sum(calls.unpriced for calls in sums)
    most = a * (1 + rule.limit) if rule.is_share else a + rule.limit
    why = f"{second} after {first}, at most {_shown(rule.metric, most)}" if b > most else ""
    if rule.metric == "cost" and unpriced:
        why = f"{counted(unpriced, 'call')} of unknown price: what is not known is held to no cost"
    return Finding(rule, first, second, why)


def _passing(rule: Rule, before: Sequence[Test], after: Sequence[Test]) -> Finding:
    a, b = _pass_rate(before), _pass_rate(after)
    first, second = ("" if rate is None else f"{rate:.1%}" for rate in (a, b))
    if a is None:
        return Finding(rule, first, second, "")
    if b is None:
        return Finding(rule, first, second, f"no test was judged after {first}")
    why = f"{second} after {first}, at least {a - rule.limit:.1%}" if b < a - rule.limit else ""
    return Finding(rule, first, second, why)


def _pass_rate(tests: Sequence[Test]) -> Decimal | None:
    """The part of the tests that passed, those left out that were skipped or expected to fail."""
    judged = [test for test in tests if test.outcome not in {"skipped", "xfailed"}]
    passed = [test for test in judged if test.outcome in {"passed", "xpassed"}]
    return Decimal(len(passed)) / len(judged) if judged else None


def _other_models(before: Sequence[Test], after: Sequence[Test]) -> Iterator[str]:
    """A text for each template that asked other models in the later run."""
    a, b = _models(before), _models(after)
    for template in a | b:
        first, second = a.get(template), b.get(template)
        others = second - first if first and second else set[str]()
        if first and others:
            yield f"{template or OUTSIDE} asked {', '.join(sorted(others))}, and before {', '.join(sorted(first))}"


def _models(tests: Sequence[Test]) -> dict[str, set[str]]:
    models: dict[str, set[str]] = {}
    for row in _rows(tests):
        models.setdefault(row["template_id"], set()).add(row["model"])
    return models


def _rows(tests: Sequence[Test]) -> list[CallRow]:
    return [call.row for test in tests for call in test.calls]


def _shown(metric: str, value: Decimal) -> str:
    if metric == "cost":
        return money(value)
    return f"{value:.2f} s" if metric == "seconds" else f"{value:,.0f}"
