"""``cassettes prune``: remove the cassettes that no test has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pytest_templates.cassettes.storage.catalog import orphans
from pytest_templates.commands.survey import Survey, SurveyError, shown
from pytest_templates.support.text import counted


def prune(survey: Survey, say: Callable[[str], None], *, remove: bool) -> int:
    """Say which cassettes no test has, and remove them if `remove`; returns 0.

    Raises:
        SurveyError: Not every test could be collected, or there is none: a cassette without a known test may have one.
    """
    found = survey.found
    if found is None or found["errors"]:
        reasons = [f"{name}: {reason}" for name, reason in (found["errors"] if found else {}).items()]
        raise SurveyError("\n  ".join(["nothing is removed, as not every test could be collected:", *reasons]))
    if not found["tests"]:
        raise SurveyError(f"nothing is removed, as there are no tests in {shown(survey.root)}")
    left = [(one.store, path) for one in survey.stores for path in orphans(one.found, one.store)]
    for store, path in left:
        if remove:
            with store.lock():
                store.remove(path)
            _remove_empty(path.parent, store.folder)
        say(shown(store.place(path)))
    say(_summary(len(left), remove=remove))
    return 0


def _remove_empty(folder: Path, top: Path) -> None:
    with suppress(OSError):  # it is not empty
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _summary(count: int, *, remove: bool) -> str:
    if not count:
        return "every cassette has a test"
    cassettes = f"{counted(count, 'cassette')} without a test"
    return f"{cassettes} removed" if remove else f"{cassettes}: --yes removes {'it' if count == 1 else 'them'}"
