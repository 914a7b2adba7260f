"""In CI no conversation is written: a snapshot that updates itself there checks nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_templates.support.environment import in_ci

FIXTURE: Final = "llm_snapshot"
_FLAG: Final = "templates_snapshots_refused"
_REFUSED = pytest.StashKey[bool]()


class Refusal:
    """Takes back ``--snapshot-update`` where CI is set and a test compares conversations.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Look whether a test compares conversations."""
        if any(FIXTURE in getattr(item, "fixturenames", ()) for item in items):
            _refuse_in_ci(self._config)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear of it from a worker of xdist, before unused snapshots are removed here."""
        if (getattr(node, "workeroutput", None) or {}).get(_FLAG):
            _refuse(self._config)


def refuse_update(config: pytest.Config) -> None:
    """Fail a test that compares a conversation in a run that was to write it, in CI."""
    __tracebackhide__ = True
    _refuse_in_ci(config)  # a test may also ask for the fixture while it runs
    if config.stash.get(_REFUSED, False):
        pytest.fail(
            "--snapshot-update was given where the environment variable CI is set: no snapshot is written or removed "
            "here. Update it elsewhere and commit it, or unset CI.",
            pytrace=False,
        )


def _refuse_in_ci(config: pytest.Config) -> None:
    if _updates(config) and in_ci():
        _refuse(config)


def _refuse(config: pytest.Config) -> None:
    config.option.update_snapshots = config.option.update_new_snapshots_only = False
    config.stash[_REFUSED] = True
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output[_FLAG] = True


def _updates(config: pytest.Config) -> bool:
    option = config.option
    return bool(getattr(option, "update_snapshots", False) or getattr(option, "update_new_snapshots_only", False))
