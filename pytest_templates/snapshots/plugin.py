"""Conversation snapshots in tests: the fixture ``llm_snapshot``.

In CI no conversation is written: a snapshot that is updated there checks nothing. Neither is one in a mere repetition
of a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.processes import has_workers, is_worker
from pytest_templates.support.environment import in_ci, known_ci, require_packages

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

_FIXTURE: Final = "llm_snapshot"
_FLAG: Final = "templates_snapshots_refused"
_REFUSED: Final = pytest.StashKey[bool]()


@pytest.fixture
def llm_snapshot(request: pytest.FixtureRequest) -> SnapshotAssertion:
    """Syrupy's assertion for conversations: ``assert session == llm_snapshot``.

    A session, a trace, a message or a list of messages is compared with the file of this test below ``__snapshots__``,
    which ``--snapshot-update`` writes, though not in continuous integration.
    """
    require_packages("the fixture llm_snapshot", "syrupy", "yaml")
    from pytest_templates.snapshots.extension import ConversationExtension

    _refuse_update(request.config)
    snapshot: SnapshotAssertion = request.getfixturevalue("snapshot")
    return snapshot.use_extension(ConversationExtension)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse updates in CI, and in repetitions."""
    config.pluginmanager.register(UpdateGuard(config), "templates-snapshots")
    join(config, Repetitions(), "snapshots-repetitions")
    if is_worker(config):
        from pytest_templates.snapshots.sending import SnapshotSender

        join(config, SnapshotSender(config), "snapshots-sender")
    elif has_workers(config):
        from pytest_templates.snapshots.sending import SnapshotReceiver

        join(config, SnapshotReceiver(config), "snapshots-receiver")


class Repetitions(Feature):
    """In an attempt that only repeats another one, snapshots are compared, and neither written nor counted."""

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Turn updates off for the length of a repetition."""
        config = attempt.item.config
        if attempt.repeats is not None and hasattr(config, "_syrupy"):
            attempt.resources.enter_context(_only_compared(config))


@contextmanager
def _only_compared(config: pytest.Config) -> Iterator[None]:
    option: Any = config.option
    counted: list[object] = config._syrupy._assertions  # type: ignore[attr-defined]  # syrupy has no other way
    before = option.update_snapshots, option.update_new_snapshots_only, len(counted)
    option.update_snapshots = option.update_new_snapshots_only = False
    try:
        yield
    finally:
        option.update_snapshots, option.update_new_snapshots_only, end = before
        del counted[end:]


class UpdateGuard(Feature):
    """Disables ``--snapshot-update`` in continuous integration if a test compares conversations.

    Args:
        config: The configuration of this process, a worker or not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Disable the option if a test compares conversations."""
        if any(_FIXTURE in getattr(item, "fixturenames", ()) for item in items):
            _refuse_in_ci(self._config)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Disable it here if a worker of xdist did, before unused snapshots are removed."""
        if (getattr(node, "workeroutput", None) or {}).get(_FLAG):
            _refuse(self._config)


def _refuse_update(config: pytest.Config) -> None:
    """Fail a test that compares a conversation in a run with ``--snapshot-update``, in CI."""
    __tracebackhide__ = True
    _refuse_in_ci(config)  # a test may also request the fixture while it runs
    if config.stash.get(_REFUSED, False):
        pytest.fail(
            f"--snapshot-update was given where {known_ci()}: no snapshot is written or removed "
            "here. Update it elsewhere and commit it, or run it with CI=false.",
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
