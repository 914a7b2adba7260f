"""The reports of a run: its summary, page and files, what GitHub and JUnit are told, a project's own sections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.conversation_section import ConversationSections
from pytest_templates.reporting.results import RunResults
from pytest_templates.reporting.sections import ReportSections
from pytest_templates.reporting.terminal import LateSection, TerminalSummary
from pytest_templates.run.features import join
from pytest_templates.run.late import late_failures_in
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker

if TYPE_CHECKING:
    from pytest_templates.reporting.baseline import Baseline
    from pytest_templates.reporting.markdown_file import Destination
    from pytest_templates.reporting.regression import Rule

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
PAGE = Option[Path | None](
    "--templates-report",
    metavar="FILE",
    help="write what was said in each test, and what it took, to a file: a page for a browser",
    read=lambda given, config: None if given is None else config.invocation_params.dir / given,
    repeated=None,
)
BASELINE = Option[Path | None](
    "--templates-baseline",
    metavar="FILE",
    help="compare the run with an earlier one, of which --templates-json wrote this file",
    read=lambda given, config: None if given is None else config.invocation_params.dir / given,
    repeated=None,
)


def _rules(given: str | None, config: pytest.Config) -> tuple[Rule, ...]:
    del config
    if given is None:
        return ()
    from pytest_templates.reporting.regression import rules_of

    return rules_of(given)


FAIL_ON = Option["tuple[Rule, ...]"](
    "--templates-fail-on",
    metavar="RULES",
    help="with --templates-baseline: fail the run where it is worse: cost>+10%%,tokens>+500,models,pass_rate<-5%%",
    read=_rules,
    repeated=(),
)


def _destinations(given: str | None, config: pytest.Config) -> tuple[Destination, ...]:
    if given is None and not os.environ.get("GITHUB_STEP_SUMMARY"):
        return ()
    from pytest_templates.reporting.markdown_file import destinations

    return destinations(given, config)


MARKDOWN = Option["tuple[Destination, ...]"](
    "--templates-markdown",
    metavar="FILE",
    help="write a summary of the run for a pull request to a file, as GitHub's Markdown (always: where "
    "GITHUB_STEP_SUMMARY says)",
    read=_destinations,
    repeated=(),
)
OPTIONS = Options(SUMMARY, PAGE, JSON, BASELINE, FAIL_ON, MARKDOWN)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Report, in the process that receives the reports of all tests; capture conversations in those that run them.

    Raises:
        pytest.UsageError: A file cannot be written.
    """
    OPTIONS.read(config)
    _check_apart(config)
    join(config, ConversationSections(config, has_page=PAGE.of(config) is not None), "conversation-sections")
    if config.getoption("xmlpath", None):  # of pytest's --junitxml
        from pytest_templates.reporting.junit import JUnitProperties

        join(config, JUnitProperties(), "junit-properties")
    results = None if is_worker(config) else RunResults(config)
    if not config.option.collectonly:
        _write_files(config, results)
        _annotate(config, results)
    if results is None:
        return
    baseline = _hold_to_baseline(config, results)
    _summarise(config, results, baseline)
    config.pluginmanager.register(results, "templates-results")
    join(config, TerminalSummary(config, wants_table=SUMMARY.of(config)), "terminal")
    config.pluginmanager.register(LateSection(late_failures_in(config)), "templates-late-section")
    config.pluginmanager.register(ReportSections(config, results), "templates-sections")


def _check_apart(config: pytest.Config) -> None:
    """Check that nothing is written over what is written or read under another name.

    Raises:
        pytest.UsageError: Two options name one file.
    """
    named = [
        ("--templates-report", PAGE.of(config)),
        ("--templates-json", JSON.of(config)),
        ("--templates-baseline", BASELINE.of(config)),
        *((one.named_by, one.path) for one in MARKDOWN.of(config)),
    ]
    names: dict[Path, str] = {}
    for name, path in named:
        other = name if path is None else names.setdefault(path.resolve(), name)
        if other != name:
            raise pytest.UsageError(f"{other} and {name} both name {path}: each needs a file of its own")


def _write_files(config: pytest.Config, results: RunResults | None) -> None:
    """Capture conversations, and write them to files when the run is over, where that is asked for.

    Raises:
        pytest.UsageError: A file cannot be written.
    """
    data, page = JSON.of(config), PAGE.of(config)
    if data is None and page is None:
        return
    from pytest_templates.reporting.capture import ConversationCapture
    from pytest_templates.reporting.files import ReportFiles, json_file, page_file

    join(config, ConversationCapture(config), "conversations")
    if results is None:
        return
    files = [*([] if data is None else [json_file(data)]), *([] if page is None else [page_file(page)])]
    for file in files:
        file.check()
    results.is_wanted = True
    config.pluginmanager.register(ReportFiles(results, files), "templates-report-files")


def _annotate(config: pytest.Config, results: RunResults | None) -> None:
    """Annotate failures in GitHub Actions, which reads the output for it."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from pytest_templates.reporting.github_annotations import Annotations, FailedCalls

    join(config, FailedCalls(config), "failed-calls")
    if results is not None:
        config.pluginmanager.register(Annotations(config), "templates-annotations")


def _summarise(config: pytest.Config, results: RunResults, baseline: Baseline | None) -> None:
    """Write a summary for a pull request when the run is over, where that is asked for, or GitHub shows it.

    Raises:
        pytest.UsageError: It cannot be written where the option says.
    """
    where = MARKDOWN.of(config)
    if where and not config.option.collectonly:
        from pytest_templates.reporting.markdown_file import MarkdownSummary

        for destination in where:
            destination.check()
        results.is_wanted = True
        config.pluginmanager.register(MarkdownSummary(config, results, where, baseline), "templates-markdown")


def _hold_to_baseline(config: pytest.Config, results: RunResults) -> Baseline | None:
    """Compare the run with an earlier one when it is over, where that is asked for.

    Returns:
        What compares them; ``None`` where that is not asked for.

    Raises:
        pytest.UsageError: There are rules and no earlier run, or its file is no report.
    """
    path, rules = BASELINE.of(config), FAIL_ON.of(config)
    if path is None:
        if rules:
            raise pytest.UsageError("--templates-fail-on compares with an earlier run: add --templates-baseline=FILE")
        return None
    if config.option.collectonly:
        return None
    from pytest_templates.errors import ReportError
    from pytest_templates.reporting.baseline import Baseline

    try:
        baseline = Baseline(results, path, rules)
    except ReportError as error:
        raise pytest.UsageError(f"--templates-baseline: {error}") from error
    results.is_wanted = True
    config.pluginmanager.register(baseline, "templates-baseline")
    return baseline
