"""The option ``--templates-lock``: what templates say and which models answer, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from pytest_templates.run.features import join
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker
from pytest_templates.support.environment import known_ci

if TYPE_CHECKING:
    from pytest_templates.lock.comparison import Facts

LOCK = Option[Literal["check", "update"] | None](
    "--templates-lock",
    choices=("check", "update"),
    help="what templates say and which models answer, in templates.lock: 'check' fails where it has changed, 'update' "
    "writes it",
    repeated=None,
)
OPTIONS = Options(LOCK)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Compare or write, if the option says so.

    Raises:
        pytest.UsageError: There is nothing to compare with, the file cannot be read, or it is not written here.
    """
    OPTIONS.read(config)
    wanted = LOCK.of(config)
    if wanted is None or config.option.collectonly:
        return
    from pytest_templates.cassettes.collection import collection_of
    from pytest_templates.lock.features import PromptLock, PromptSender

    join(config, PromptSender(config), "lock-sender")
    collected = collection_of(config)
    if not is_worker(config):
        join(config, PromptLock(config, wanted, _locked(config, wanted), collected), "lock")


def _locked(config: pytest.Config, wanted: Literal["check", "update"]) -> Facts | None:
    from pytest_templates.errors import LockError
    from pytest_templates.lock.file import NAME, read_lock

    known_by = known_ci() if wanted == "update" else ""
    if known_by:
        raise pytest.UsageError(
            f"--templates-lock=update was given where {known_by}: {NAME} is not written here.\n"
            "Write it elsewhere and commit it, or run it with CI=false."
        )
    try:
        locked = read_lock(config.rootpath / NAME)
    except LockError as error:
        raise pytest.UsageError(str(error)) from error
    if wanted == "check" and locked is None:
        raise pytest.UsageError(
            f"--templates-lock=check: there is no {NAME} in {config.rootpath}\n"
            "Write it with --templates-lock=update, and commit it."
        )
    return locked
