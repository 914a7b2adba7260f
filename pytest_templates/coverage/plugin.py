"""``--templates-coverage``: every process observes, the one that the user started reports."""

from __future__ import annotations

import argparse

import pytest

from pytest_templates.run.features import join
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker


def percentage(given: str) -> float:
    """Read a percentage, from 0 to 100, for `argparse`.

    Raises:
        argparse.ArgumentTypeError: The text is none.
    """
    try:
        percent = float(given)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{given}: it takes a percentage, from 0 to 100")
    return percent


COVERAGE = Option[bool](
    "--templates-coverage",
    help="list the templates and branches that no test rendered",
    action="store_true",
    default=False,
    repeated=False,
)
FAIL_UNDER = Option[float | None](
    "--templates-fail-under",
    metavar="N",
    type=percentage,
    help="fail a run that rendered less than N percent of the templates and branches",
    repeated=None,
)
OPTIONS = Options(COVERAGE, FAIL_UNDER)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Observe from now on, if the options say so."""
    OPTIONS.read(config)
    least = FAIL_UNDER.of(config)
    if COVERAGE.of(config) or least is not None:
        from pytest_templates.coverage.report import CoverageReport, CoverageSender

        config.pluginmanager.register(CoverageSender(config), "templates-coverage-sender")
        if not is_worker(config):
            join(config, CoverageReport(least), "coverage")
