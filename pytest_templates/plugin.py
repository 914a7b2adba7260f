"""The pytest plugin: a list of rooms, each a plugin module with its own options, markers, fixtures and hooks.

This module, and those that it lists, are imported by every pytest run on a machine where antiphon is installed, so they
load nothing heavy: what a room works with is imported when an option, a marker or a fixture asks for it.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest

from pytest_templates import hooks

ROOMS = [  # in the order of their parts of the summary
    "pytest_templates.run.plugin",
    "pytest_templates.samples.plugin",
    "pytest_templates.scripting.plugin",
    "pytest_templates.live_calls",
    "pytest_templates.caches",
    "pytest_templates.cassettes.plugin",
    "pytest_templates.isolation.plugin",
    "pytest_templates.spending.plugin",
    "pytest_templates.model_override.plugin",
    "pytest_templates.snapshots.plugin",
    "pytest_templates.coverage.plugin",
    "pytest_templates.lock.plugin",
    "pytest_templates.determinism.plugin",
    "pytest_templates.reporting.plugin",
]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that projects may implement, and the rooms."""
    pluginmanager.add_hookspecs(_for_pytest(hooks))
    for room in ROOMS:  # not `pytest_plugins`, which would search all that is installed for each, and rewrite asserts
        if not pluginmanager.is_blocked(room):
            pluginmanager.register(_for_pytest(import_module(room)), room)


def _for_pytest(room: ModuleType) -> ModuleType:
    """A room with its hooks and fixtures alone: pytest looks at every name of a plugin, and a module imports many."""
    part = ModuleType(room.__name__, room.__doc__)
    named = {
        name: found for name, found in vars(room).items() if name.startswith("pytest_") or isinstance(found, _FIXTURE)
    }
    vars(part).update(named, __dir__=lambda: list(named))
    return part


_FIXTURE = type(pytest.fixture(lambda: None))
