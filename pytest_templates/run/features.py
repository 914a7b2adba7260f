"""Registers features: each has one plugin object, for pytest's hooks and for the private ones."""

from __future__ import annotations

from typing import Final

import pluggy
import pytest

_PROJECT: Final = "pytest_templates"
_MANAGER: Final = pytest.StashKey[pluggy.PluginManager]()

hookspec = pluggy.HookspecMarker(_PROJECT)
hookimpl = pluggy.HookimplMarker(_PROJECT)


class Feature:
    """Base of plugin objects.

    Pytest and pluggy look at every name of a plugin, so it has no other names than its own.
    """

    def __dir__(self) -> list[str]:
        return [name for name in dir(type(self)) if not name.startswith("_")]


def manager_of(config: pytest.Config) -> pluggy.PluginManager:
    """The plugin manager of the private hooks; each run of pytest has its own."""
    if _MANAGER not in config.stash:
        config.stash[_MANAGER] = pluggy.PluginManager(_PROJECT)
    return config.stash[_MANAGER]


def join(config: pytest.Config, feature: object, name: str) -> None:
    """Register the plugin object of a feature with pytest and for the private hooks.

    Args:
        config: The configuration of the run.
        feature: The plugin object.
        name: Its name; among pytest's plugins with ``templates-`` before it.
    """
    config.pluginmanager.register(feature, f"templates-{name}")
    manager_of(config).register(feature, name)
