"""What is said at the end of a run: the summary, the file of ``--templates-json``, and sections of a project's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_templates.reporting import json_file
from pytest_templates.reporting.gathering import Gathering
from pytest_templates.reporting.sections import Sections
from pytest_templates.reporting.terminal import Terminal
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
    """Hear of every test, in the process that does.

    Raises:
        pytest.UsageError: Nothing can be written where the JSON file is wanted.
    """
    OPTIONS.read(config)
    if is_worker(config):
        return
    gathering = Gathering(config)
    path = JSON.of(config)
    if path is not None and not config.option.collectonly:
        json_file.check(path)
        gathering.is_wanted = True
        config.pluginmanager.register(json_file.JsonFile(gathering, path), "templates-json")
    config.pluginmanager.register(gathering, "templates-gathering")
    config.pluginmanager.register(Terminal(config, wants_table=SUMMARY.of(config)), "templates-terminal")
    config.pluginmanager.register(Sections(config, gathering), "templates-sections")
