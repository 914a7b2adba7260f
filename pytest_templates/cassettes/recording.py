"""Opens the cassette of a marked test: its file, its mode, and the rules of the project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from pytest_templates.cassettes.cassette import OpenCassette
from pytest_templates.cassettes.options import CASSETTES, RECORD, CassetteMark, RecordMode, path_for
from pytest_templates.cassettes.paths import overridden_path
from pytest_templates.cassettes.project_rules import rules_for
from pytest_templates.cassettes.settings import Author, CassetteSettings, Override
from pytest_templates.cassettes.storage.store import existing_cassette
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import manager_of
from pytest_templates.support.environment import in_ci
from pytest_templates.support.text import command_line

_CAUTION: Final = (
    "The environment variable CI is set, so no cassette is begun here, whatever --templates-record says:\n"
    "record it elsewhere and commit it, or unset CI."
)


def open_for(attempt: Attempt, mark: CassetteMark, run_id: str) -> OpenCassette:
    """Open the cassette of a test.

    Args:
        attempt: The attempt; every request that can be neither replayed nor sent is added to its failures.
        mark: What the test's marker says.
        run_id: The same in all processes of a run.

    Raises:
        CassetteError: The file cannot be read.
    """
    item, store = attempt.item, CASSETTES.of(attempt.item.config)
    overrides, wanted = overrides_in(item.config), RECORD.of(item.config)
    own = path_for(item, mark)
    path = overridden_path(own, store.folder, overrides)
    refused = wanted != "none" and in_ci() and existing_cassette(path, store) is None
    settings = CassetteSettings(
        path=path,
        base=own if overrides else None,
        overriding=frozenset(override.model for override in overrides),
        mode="none" if refused else _mode(mark, wanted),
        ignore=mark.ignore,
        record_command=_record_command(item, overrides),
        caution=_CAUTION if refused else "",
        before_sending=lambda: attempt.hook.before_sending(attempt=attempt),
        complain=attempt.failures.append,
        store=store,
        author=_author(item, mark, run_id),
        **({} if mark.match_on is None else {"match_on": mark.match_on}),
    )
    return OpenCassette(settings, rules=rules_for(item))


def overrides_in(config: pytest.Config) -> tuple[Override, ...]:
    """Which templates ask other models in a run."""
    return manager_of(config).hook.models_in_place() or ()


def _record_command(item: pytest.Item, overrides: tuple[Override, ...]) -> str:
    """The command that runs a test as it was run now, to be typed where pytest was started; without a record mode."""
    started = item.config.invocation_params.dir
    inside = item.nodeid.partition("::")[1:]
    words = ["pytest", Path(os.path.relpath(item.path, started)).as_posix() + "".join(inside)]
    given = CASSETTES.given(item.config)
    if given:
        words.append(f"--templates-cassettes={given}")
    words += [override.option for override in overrides]
    return command_line(words)


def _mode(mark: CassetteMark, wanted: RecordMode) -> RecordMode:
    """What may be done with a cassette: what a test does not use of a named one may be another's."""
    return "missing" if wanted == "changed" and mark.name is not None else wanted


def _author(item: pytest.Item, mark: CassetteMark, run_id: str) -> Author:
    if mark.name is None or RECORD.of(item.config) == "none":
        return Author(item.nodeid)
    items = item.session.items
    place = next((place for place, other in enumerate(items) if other is item), len(items))
    return Author(item.nodeid, run_id, place)
