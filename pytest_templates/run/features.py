"""Joining the life of a test: each feature registers one plugin object, for pytest's hooks and our private ones."""

from __future__ import annotations

from typing import Final

import pluggy
import pytest

_PROJECT: Final = "pytest_templates"
_MANAGER: Final = pytest.StashKey[pluggy.PluginManager]()

hookspec = pluggy.HookspecMarker(_PROJECT)
hookimpl = pluggy.HookimplMarker(_PROJECT)


def manager_of(config: pytest.Config) -> pluggy.PluginManager:
    """The features that take part in a run."""
    if _MANAGER not in config.stash:
        config.stash[_MANAGER] = pluggy.PluginManager(_PROJECT)
    return config.stash[_MANAGER]


def join(config: pytest.Config, feature: object, name: str) -> None:
    """Register a feature's plugin object.

    Args:
        config: The run.
        feature: The object.
        name: What it is called among pytest's plugins, without ``templates-``.
    """
    config.pluginmanager.register(feature, f"templates-{name}")
    manager_of(config).register(feature, name)
