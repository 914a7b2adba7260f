"""What the page knows of a run before a test is opened: sums, what is to be looked at, and a row of each test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypedDict

from pytest_templates.reporting.document import Reach, Report, Test
from pytest_templates.reporting.page.sums import Sum, has_conversations, model_of, rows_by, sum_of, template_of


class Listed(TypedDict):
    """A test in the list of tests.

    Attributes:
        nodeid: Its node id.
        outcome: Its outcome.
        seconds: How long it took.
        source: Where its answers came from.
        sum: Its calls, added up.
        templates: The templates that asked, as numbers of the page's templates.
        models: The models that answered, likewise.
        samples: How many samples passed, of how many; ``None`` without samples.
        failure: The error in a line.
        step: The step at which it failed.
        violations: How many changes of their parents subroutines made.
        steps: How many steps its conversation has.
    """

    nodeid: str
    outcome: str
    seconds: float
    source: str | None
    sum: Sum
    templates: list[int]
    models: list[int]
    samples: list[int] | None
    failure: str | None
    step: int | None
    violations: int
    steps: int


def index_of_run(report: Report) -> dict[str, Any]:
    """What the page shows of a run at a glance, and lists."""
    calls = report.calls
    templates = rows_by(calls, template_of, model_of)
    models = rows_by(calls, model_of, template_of)
    numbers = {row["name"]: number for number, row in enumerate(templates)}
    numbers_of_models = {row["name"]: number for number, row in enumerate(models)}
    return {
        "kind": "run",
        "title": report.title,
        "started": report.started,
        "seconds": report.seconds,
        "exit_status": report.exit_status,
        "sum": sum_of(calls),
        "errors": [error.model_dump() for error in report.errors],
        "outcomes": Counter(test.outcome for test in report.tests),
        "templates": templates,
        "models": models,
        "sources": rows_by(calls, lambda call: call.source),
        "samples": [_samples(number, test) for number, test in enumerate(report.tests) if test.samples is not None],
        "isolation": _isolation(report.tests),
        "coverage": None if report.coverage is None else _coverage(report.coverage),
        "stale": None if report.stale is None else [one.model_dump() for one in report.stale],
        "has_conversations": has_conversations(report),
        "tests": [_row(test, numbers, numbers_of_models) for test in report.tests],
    }


def _row(test: Test, templates: dict[str, int], models: dict[str, int]) -> Listed:
    return {
        "nodeid": test.nodeid,
        "outcome": test.outcome,
        "seconds": test.seconds,
        "source": test.source,
        "sum": sum_of(test.calls),
        "templates": sorted({templates[call.template_id] for call in test.calls}),
        "models": sorted({models[call.model] for call in test.calls}),
        "samples": None if test.samples is None else [test.samples.passed, test.samples.count],
        "failure": None if test.failure is None else test.failure.message,
        "step": None if test.failure is None else test.failure.step,
        "violations": 0 if test.isolation is None else len(test.isolation.violations),
        "steps": len(test.steps),
    }


def _samples(number: int, test: Test) -> dict[str, Any]:
    samples = test.samples
    return {"test": number, **({} if samples is None else samples.model_dump(exclude={"failed"}))}


def _isolation(tests: Sequence[Test]) -> dict[str, Any] | None:
    """How many subroutines were checked, and which changed what; ``None`` where none was."""
    checked = [(number, test.isolation) for number, test in enumerate(tests) if test.isolation is not None]
    if not checked:
        return None
    return {
        "subroutines": sum(one.subroutines for _, one in checked),
        "violations": [{"test": number, "text": text} for number, one in checked for text in one.violations],
    }


def _coverage(coverage: Sequence[Reach]) -> dict[str, Any]:
    """How much was reached, and what was not."""
    missed = [point.model_dump(exclude={"reached"}) for point in coverage if not point.reached]
    return {"total": len(coverage), "reached": len(coverage) - len(missed), "missed": missed}
