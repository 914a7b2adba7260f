"""What models did in a test, among its properties in the file of ``--junitxml``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest

from pytest_templates.redaction.reports import redaction_of
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.totals import sum_of
from pytest_templates.support.text import visible


class JUnitProperties(Feature):
    """Adds properties to the last report of a test that called models; pytest writes those of any report."""

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Add them, for all samples of a test together."""
        if report.when != "teardown":
            return
        rows = [*chain.from_iterable(CALLS.all_of(report))]
        if rows:
            redact = redaction_of(attempt)
            report.user_properties += [(name, redact(value)) for name, value in properties_of(rows)]


def properties_of(rows: Sequence[CallRow]) -> list[tuple[str, str]]:
    """The names and values of the properties; the cost, in US dollars, is left out where a price is not known."""
    total = sum_of(rows)
    return [
        ("templates_calls", str(total.calls)),
        *([("templates_cost", f"{total.cost:f}")] if not total.unpriced else []),
        ("templates_models", visible(", ".join(dict.fromkeys(row["model"] for row in rows)))),
    ]
