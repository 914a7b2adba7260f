"""Answers that a program's own caches keep: each test begins without, and calls say where their answer came from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource, asked_in, is_from_cache
from pytest_templates.run.features import Feature, hookimpl, join

if TYPE_CHECKING:
    from antiphon import ModelCall


def pytest_configure(config: pytest.Config) -> None:
    """Take part in every test from now on."""
    join(config, Caches(), "caches")


class Caches(Feature):
    """Lets what models keep in memory be forgotten from test to test."""

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Forget what earlier tests were answered; without the engine nothing was."""
        caching = sys.modules.get("antiphon.caching")
        if caching is not None:
            caching.begin_afresh()
            attempt.resources.callback(caching.begin_afresh)

    @hookimpl(tryfirst=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Say of an answer that was kept that it was, where nothing else was asked for it."""
        del attempt
        return CallSource("cache") if all(map(is_from_cache, asked_in(call))) else None
