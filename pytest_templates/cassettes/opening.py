"""Opens the cassette of a marked test: its file, its mode, and the rules of the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from weakref import ref

import pytest

from pytest_templates.cassettes.cassette import OpenCassette
from pytest_templates.cassettes.hosts import HostPattern, patterns_of
from pytest_templates.cassettes.identity import identity_of, inside_of, path_for, path_in
from pytest_templates.cassettes.matching import DEFAULT_MATCH_ON
from pytest_templates.cassettes.options import IGNORE_HOSTS, RECORD, CassetteMark, RecordMode
from pytest_templates.cassettes.orphans import Orphans
from pytest_templates.cassettes.paths import overridden_path
from pytest_templates.cassettes.places import CASSETTES, is_settled, other_places, place_of, store_in
from pytest_templates.cassettes.project_rules import rules_for
from pytest_templates.cassettes.settings import Author, CassetteSettings, Override
from pytest_templates.cassettes.storage.store import existing_cassette
from pytest_templates.errors import CassetteError
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import manager_of
from pytest_templates.run.names import repetition
from pytest_templates.run.projects import project_at
from pytest_templates.support.environment import known_ci
from pytest_templates.support.files import refuse_unportable
from pytest_templates.support.text import command_line

_NO_BEGINNING: Final = (
    ", so no cassette is begun here, whatever --templates-record says:\n"
    "record it elsewhere and commit it, or run it with CI=false."
)


def open_for(attempt: Attempt, mark: CassetteMark, run_id: str, complain: Callable[[Exception], None]) -> OpenCassette:
    """Open the cassette of a test.

    Args:
        attempt: The attempt.
        mark: What the test's marker says.
        run_id: The same in all processes of a run.
        complain: Called with the error of every request that can be neither replayed nor sent.

    Raises:
        CassetteError: The file cannot be read, or has a name that no file should have.
    """
    item = attempt.item
    _check_name(mark)
    store = store_in(place_of(item.path, item.config), item.config)
    overrides, wanted = overrides_in(item.config), RECORD.of(item.config)
    own = path_for(item, mark)
    path = overridden_path(own, store.folder, overrides)
    known_by = known_ci() if wanted != "none" else ""
    refusal = known_by if known_by and existing_cassette(path, store) is None else ""
    settings = CassetteSettings(
        path=path,
        base=own if overrides else None,
        overriding=frozenset(override.model for override in overrides),
        mode="none" if refusal else _mode(item, mark, wanted),
        ignore=mark.ignore,
        record_command=_record_command(item, overrides),
        caution="\n".join(filter(None, [_caution(refusal), _elsewhere(item, mark, own)])),
        before_sending=partial(_announce_sending, ref(attempt)),
        complain=complain,
        store=store,
        author=_author(item, mark, run_id),
        ignore_hosts=(*mark.ignore_hosts, *_ignored_by_project(item)),
        orphans=Orphans(item, path),
        match_on=DEFAULT_MATCH_ON if mark.match_on is None else mark.match_on,
        parsed=_parsed_folder(item.config),
    )
    return OpenCassette(settings, rules=rules_for(item))


def _announce_sending(attempt: ref[Attempt]) -> None:
    """Let features refuse a request that is about to be sent.

    A connection that the test has left open belongs to its cassette. Were the attempt kept by that, so were its calls,
    the models that they asked, and hence the connection.
    """
    current = attempt()
    if current is None:  # it is there as long as the cassette is open
        raise CassetteError("a request was not sent, since its test is gone, and with it what may refuse requests")
    current.hook.before_sending(attempt=current)


def _parsed_folder(config: pytest.Config) -> Path | None:
    """Where what was found in cassettes is kept; ``None`` without pytest's cache, or where that cannot be written."""
    if _PARSED not in config.stash:
        cache: pytest.Cache | None = getattr(config, "cache", None)
        config.stash[_PARSED] = None
        with suppress(OSError):
            config.stash[_PARSED] = None if cache is None else cache.mkdir("antiphon-cassettes")
    return config.stash[_PARSED]


_PARSED: Final = pytest.StashKey[Path | None]()


def _caution(known_by: str) -> str:
    """What is said where a cassette would have been begun, were this not continuous integration."""
    return f"{known_by[0].upper()}{known_by[1:]}{_NO_BEGINNING}" if known_by else ""


def _elsewhere(item: pytest.Item, mark: CassetteMark, path: Path) -> str:
    """What is said of a cassette that is not looked for, since another folder was taken for the project once."""
    if path.exists():
        return ""
    for place in other_places(item.path, item.config):
        file = path_in(Path(place.root, place.location), place, item, mark)
        if file != path and file.is_file():
            if is_settled(item.path, item.config):
                return f"There is one at {file}: move it to where it is looked for now."
            return (
                f"There is one at {file}. Without an ini file it depends on where pytest is started which one is\n"
                f"looked for: put an empty pytest.ini into {place.root}"
            )
    return ""


def _check_name(mark: CassetteMark) -> None:
    """Refuse what not every system has as a name: here, where no other test is kept from being collected."""
    try:
        refuse_unportable(mark.name or "")
    except ValueError as error:
        raise CassetteError(f"the name {mark.name!r} of a cassette: {error}: {_RENAME}") from error


_RENAME: Final = "give it a name that files have on every system"


def overrides_in(config: pytest.Config) -> tuple[Override, ...]:
    """Which templates ask other models in a run."""
    return manager_of(config).hook.models_in_place() or ()


def _record_command(item: pytest.Item, overrides: tuple[Override, ...]) -> str:
    """The command that runs a test as it was run now, to be typed where pytest was started; without a record mode."""
    started = item.config.invocation_params.dir
    words = ["pytest", f"{Path(os.path.relpath(item.path, started)).as_posix()}::{inside_of(item)}"]
    given = CASSETTES.given(item.config)
    if given:
        words.append(f"--templates-cassettes={given}")
    words += [override.option for override in overrides]
    samples = item.config.getoption("--templates-samples", None)
    words += [f"--templates-samples={samples}"] if samples else []
    return command_line(words)


def _mode(item: pytest.Item, mark: CassetteMark, wanted: RecordMode) -> RecordMode:
    """What may be done with a cassette: what a test does not use of a named one may be another's.

    Of the repetitions of a test only the first makes a recording anew, and the others play it.
    """
    if (wanted == "changed" and mark.name is not None) or (wanted != "none" and repetition(item)):
        return "missing"
    return wanted


def _ignored_by_project(item: pytest.Item) -> tuple[HostPattern, ...]:
    project = project_at(item.path.parent, item.config)
    if project.values is None:
        return IGNORE_HOSTS.of(item.config)
    try:
        return patterns_of(project.words(item.config, "templates_ignore_hosts"))
    except ValueError as error:
        raise pytest.UsageError(f"templates_ignore_hosts in {project.inipath}: {error}") from error


def _author(item: pytest.Item, mark: CassetteMark, run_id: str) -> Author:
    test = identity_of(item)
    if mark.name is None or RECORD.of(item.config) == "none":
        return Author(test)
    items = item.session.items
    place = next((place for place, other in enumerate(items) if other is item), len(items))
    return Author(test, run_id, place)
