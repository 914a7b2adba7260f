"""The reports of a run: its summary, the file of ``--templates-json``, and sections of a project's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_templates.reporting import json_file
from pytest_templates.reporting.results import RunResults
from pytest_templates.reporting.sections import ReportSections
from pytest_templates.reporting.terminal import LateSection, TerminalSummary
from pytest_templates.run.late import late_failures_in
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker

SUMMARY = Option[bool](
    "--templates-summary",
    help="print which template called which model, with tokens and cost",
    action="store_true",
    default=False,
    repeated=False,
)
JSON = Option[Path | None](
    "--templates-json",
    metavar="FILE",
    help="write what models did in each test to a file, as JSON",
    read=lambda given, config: None if given is None else config.invocation_params.dir / given,
    repeated=None,
)
OPTIONS = Options(SUMMARY, JSON)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Report, in the process that receives the reports of all tests.

    Raises:
        pytest.UsageError: The JSON file cannot be written.
    """
    OPTIONS.read(config)
    if is_worker(config):
        return
    results = RunResults(config)
    path = JSON.of(config)
    if path is not None and not config.option.collectonly:
        json_file.check(path)
        results.is_wanted = True
        config.pluginmanager.register(json_file.JsonReport(results, path), "templates-json")
    config.pluginmanager.register(results, "templates-results")
    config.pluginmanager.register(TerminalSummary(config, wants_table=SUMMARY.of(config)), "templates-terminal")
    config.pluginmanager.register(LateSection(late_failures_in(config)), "templates-late-section")
    config.pluginmanager.register(ReportSections(config, results), "templates-sections")
