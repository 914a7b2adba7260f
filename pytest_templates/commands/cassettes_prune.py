"""``cassettes prune``: remove cassettes that no test has, and answers that are kept for nothing, or are to be new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pytest_templates.cassettes.reading.llm import opening_of
from pytest_templates.cassettes.shared import drop, unplayed_by_all
from pytest_templates.cassettes.storage.catalog import is_known, orphans
from pytest_templates.cassettes.storage.journal import LeftJournal, left_journals, remove_journal
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.commands.survey import Survey, SurveyedStore, ask_pytest, shown
from pytest_templates.errors import SurveyError, UnknownName
from pytest_templates.reporting.document import Report, Test, read
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import OUTSIDE, counted


def prune(survey: Survey, say: Callable[[str], None], *, remove: bool) -> int:
    """Say which cassettes no test has, and which answers wait for none, and remove them if `remove`; returns 0.

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
            remove_empty(path.parent, store.folder)
        say(shown(store.place(path)))
    journals = [(one.store, journal) for one in survey.stores for journal in _journals_of_none(one)]
    for store, journal in journals:
        if remove:
            with store.lock():
                remove_journal(journal.path)
        say(f"{journal.waiting} for a recording of this test, which is gone")
    say(_summary(len(left), sum(journal.answers for _, journal in journals), remove=remove))
    return 0


def drop_unplayed(survey: Survey, reports: Sequence[Report], say: Callable[[str], None], *, remove: bool) -> int:
    """Say which recordings of cassettes that have a name no test of a full run has played; remove them if `remove`.

    Args:
        survey: Which tests there are.
        reports: Of that run, or of its shards.
        say: Prints a line.
        remove: Whether they are removed.

    Returns:
        The exit status, 0.

    Raises:
        SurveyError: Not every test of the cassettes has passed in these reports, or not all tests are known.
    """
    found = survey.found
    if found is None or found["errors"] or any(place["left_out"] for place in found["places"]):
        raise SurveyError("nothing is removed, as not every test could be collected: see `cassettes list`")
    told = {test.nodeid: test for report in reports for test in report.tests}
    named = [
        (one.store, one.store.folder / name, one.tests_of(name))
        for one in survey.stores
        for name in sorted({name for place in one.found for name in place["named"]})
    ]
    unplayed: list[tuple[Store, Path, Counter[str]]] = []
    unknown: list[str] = []
    for store, path, tests in named:
        if not load_cassette(path, store):
            continue  # there is nothing to remove
        place = shown_in(survey.root, store.place(path)).replace("\\", "/")
        left = {test: _left(told.get(test), place) for test in tests}
        unknown += [f"{test} {reason}, and plays {place}" for test, reason in left.items() if isinstance(reason, str)]
        known = [one for one in left.values() if not isinstance(one, str)]
        unplayed += [(store, path, unplayed_by_all(known))] if len(known) == len(left) else []
    if unknown:
        raise SurveyError("\n  ".join(["nothing is removed, as what some tests need is not known:", *unknown]))
    dropped = [(store, path, drop(path, store, digests, write=False)) for store, path, digests in unplayed]
    for store, path, interactions in dropped:
        for interaction in interactions:
            say(f"{shown(store.place(path))}  {interaction.template or OUTSIDE}  {opening_of(interaction)}".rstrip())
    if remove:
        for store, path, digests in unplayed:
            drop(path, store, digests, write=True)
    total = sum(len(interactions) for *_, interactions in dropped)
    what = f"{counted(total, 'recording')} that no test has played"
    say("every recording was played" if not total else f"{what} removed" if remove else f"{what}: --yes removes them")
    return 0


def _left(test: Test | None, cassette: str) -> tuple[str, ...] | str:
    """What a test has left of a cassette; where that is not known, why, in words."""
    if test is None:
        return "is not in these reports"
    if test.outcome != "passed":
        return "has not passed in these reports"
    shared = test.shared_cassette
    if shared is None:
        return "says in these reports nothing of a cassette that it shares"
    return shared.unplayed if shared.file == cassette else f"has played {shared.file} in these reports"


def replayed(arguments: Sequence[str]) -> Report:
    """The report of a replay of all tests, in a process of its own.

    Args:
        arguments: What else pytest is given, such as where the cassettes lie.

    Raises:
        SurveyError: pytest does not start here.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "run.json")
        words = ["--templates-record=none", f"--templates-json={file}", "-q", "-k", "", "-m", "", *arguments]
        ask_pytest(["-o", f"cache_dir={folder}", *words], file)
        return read(file)


def drop_kept(survey: Survey, tests: Sequence[str], say: Callable[[str], None], *, remove: bool) -> int:
    """Say which answers are kept for the next recording, and remove them if `remove`, to ask anew; returns 0.

    Args:
        survey: Where the cassettes lie.
        tests: Node ids of tests, or of what holds some; none for all tests.
        say: Prints a line.
        remove: Whether they are removed.

    Raises:
        UnknownName: Nothing is kept of one of the tests.
    """
    kept = [(one.store, journal) for one in survey.stores for journal in left_journals(one.store) if journal.answers]
    for test in tests:
        if not any(_is_of(journal.test, test) for _, journal in kept):
            there = ", ".join(sorted({journal.test for _, journal in kept})) or "no test"
            raise UnknownName(f"no answers are kept of {test}; there are some of {there}")
    chosen = [pair for pair in kept if not tests or any(_is_of(pair[1].test, test) for test in tests)]
    for store, journal in chosen:
        if remove:
            with store.lock():
                remove_journal(journal.path)
        say(f"{counted(journal.answers, 'answer')} of {journal.test}")
    answers = sum(journal.answers for _, journal in chosen)
    what = f"{counted(answers, 'answer')} kept for the next recording"
    say("no answers are kept" if not chosen else f"{what} removed" if remove else f"{what}: --yes removes them")
    return 0


def _is_of(test: str, given: str) -> bool:
    """Whether a test is meant by a node id, which may be that of its module, its class or all of its parameters."""
    return test == given or test.startswith((f"{given}::", f"{given}["))


def _journals_of_none(surveyed: SurveyedStore) -> Iterator[LeftJournal]:
    """The journals in a store whose tests are gone; what waits for one that may not have been collected is kept."""
    tests = {test for place in surveyed.found for test in place["tests"]}
    for journal in left_journals(surveyed.store):
        name, _, inside = journal.test.partition("::")
        module = PurePosixPath(name.removesuffix(".py"))
        if inside and journal.test not in tests and all(is_known(module, place) for place in surveyed.found):
            yield journal


def remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder, and those around it below the top one, as far as they are empty."""
    with suppress(OSError):  # it is not empty
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _summary(cassettes: int, answers: int, *, remove: bool) -> str:
    parts = [f"{counted(cassettes, 'cassette')} without a test"] if cassettes else []
    parts += [f"{counted(answers, 'answer')} for tests that are gone"] if answers else []
    if not parts:
        return "every cassette has a test"
    found = " and ".join(parts)
    return f"{found} removed" if remove else f"{found}: --yes removes {'it' if cassettes + answers == 1 else 'them'}"
