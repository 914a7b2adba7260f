"""``cassettes adopt``: give a test that was renamed or moved the recording that lies there under its old name.

Which tests miss what, pytest is asked: the tests that have no cassette are run, in replay, in a process of its own that
writes nothing. That process loads this module as a plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypedDict

import pytest

from pytest_templates.cassettes.identity import path_for
from pytest_templates.cassettes.options import MARKER
from pytest_templates.cassettes.paths import own_name
from pytest_templates.cassettes.places import place_of, store_in
from pytest_templates.cassettes.plugin import ORPHANS
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.commands.cassettes_prune import remove_empty
from pytest_templates.commands.cassettes_show import find_cassette, path_of_test
from pytest_templates.commands.survey import Survey, SurveyedStore, ask_pytest, shown
from pytest_templates.determinism.roles import write_nothing
from pytest_templates.errors import SurveyError, UnknownName
from pytest_templates.run.projects import project_of_run
from pytest_templates.support.text import command_line, counted, cut

_FILE: Final = "--templates-adoption"
_SNAPSHOTS: Final = "__snapshots__"
_CERTAIN: Final = 20  # characters of a test's name that stand in that of its cassette, however much is cut


def adopt(old: str, new: str, survey: Survey, say: Callable[[str], None], *, overwrite: bool) -> int:
    """Move a cassette without a test, and its snapshots, to where a test looks for them; returns 0.

    Args:
        old: The cassette: a path, the node id of the test that is gone, or a part of either.
        new: The node id of the test; it may be given from the current folder.
        survey: Which tests there are.
        say: Prints a line.
        overwrite: Whether a cassette of the test that holds recordings is replaced.

    Raises:
        UnknownName: There is no such cassette, or no such test with a cassette.
        SurveyError: The cassette has a test, or the test has recordings already.
    """
    surveyed, source = _cassette_named(old, survey)
    tests = surveyed.tests_of(own_name(source, surveyed.store.folder))
    if tests:
        raise SurveyError(f"{shown(source)} is the cassette of {', '.join(tests)}: it is moved when no test has it")
    move = _Move(surveyed, _base(source, surveyed.store), _cassette_of(new, survey, surveyed), new)
    if move.new == move.old:
        raise SurveyError(f"{shown(source)} is where {new} looks for it already")
    if not overwrite:
        move.refuse_to_overwrite()
    lines = move.lines()
    move.make()
    for line in lines:
        say(line)
    return 0


def adopt_all(survey: Survey, arguments: Sequence[str], say: Callable[[str], None], *, move: bool) -> int:
    """Say which cassettes without a test hold what tests without a cassette ask, and move them if `move`; returns 0.

    Args:
        survey: Which tests there are.
        arguments: What else pytest is given, such as where the cassettes lie.
        say: Prints a line.
        move: Whether they are moved.

    Raises:
        SurveyError: pytest does not start here.
    """
    adopted = 0
    answer = _asked(arguments)
    missed = [_Missed(**row) for row in answer["missed"]]
    for test, old, new, holds in _chosen(missed, say):
        surveyed = next((one for one in survey.stores if new.is_relative_to(one.store.folder)), None)
        if surveyed is None or surveyed.tests_of(own_name(old, surveyed.store.folder)):
            continue
        it = _Move(surveyed, _base(old, surveyed.store), new, test)
        try:
            it.refuse_to_overwrite()
        except SurveyError as error:
            say(f"{test}: {str(error).partition(';')[0]}; {_decide(old, test)}")
            continue
        adopted += 1
        first, *others = it.lines()
        if move:
            it.make()
        say(f"{first}  {test}: {holds}")
        for line in others:
            say(f"  {line}")
    if any(_without_a_test(survey)):
        for test, why in answer["failed"].items():
            say(f"{test}: failed before it asked anything, so what it misses is not known: {why}")
    what = f"{counted(adopted, 'cassette')} of a test that was renamed or moved"
    say("no test misses what a cassette without a test holds" if not adopted else what if move else f"{what}: {_YES}")
    return 0


_YES: Final = "--yes moves what is listed"


def _without_a_test(survey: Survey) -> Iterator[Path]:
    """The cassettes without a test."""
    for one in survey.stores:
        yield from (path for path in one.store.paths() if not one.tests_of(own_name(path, one.store.folder)))


@dataclass(frozen=True, slots=True)
class _Move:
    """A test's cassette, with what it has recorded with other models, and its snapshots, under another name.

    Attributes:
        surveyed: Where the cassettes lie.
        old: Where the cassette is, or would be if it were not one of another model.
        new: Where it is to be.
        test: The node id of the test that gets it.
    """

    surveyed: SurveyedStore
    old: Path
    new: Path
    test: str

    def refuse_to_overwrite(self) -> None:
        """Raise where a recording would be lost.

        Raises:
            SurveyError: The text says what to do.
        """
        for _, new in self._pairs():
            held = load_cassette(new, self.surveyed.store)
            if held:
                raise SurveyError(
                    f"{shown(new)} holds {counted(len(held), 'recording')} already: nothing is moved; --yes replaces it"
                )
        for _, new in self._snapshots():
            if new.exists():
                raise SurveyError(f"{shown(new)} is there already: nothing is moved; --yes replaces it")

    def lines(self) -> list[str]:
        """What is moved, the test's own cassette first."""
        store = self.surveyed.store
        pairs = [(store.place(old), store.place(new)) for old, new in self._pairs()]
        taken = " (replaced)"
        return [
            *(f"{shown(old)} -> {shown(new)}" for old, new in pairs),
            *(f"{shown(old)} -> {shown(new)}{taken if new.exists() else ''}" for old, new in self._snapshots()),
        ]

    def make(self) -> None:
        """Move the files."""
        store = self.surveyed.store
        pairs, snapshots = self._pairs(), self._snapshots()
        with store.lock():
            for old, new in pairs:
                if store.is_local:
                    _rename(old, new)
                else:
                    store.replace(new, [store.read(old) or b""])
                    store.remove(old)
        for old, new in snapshots:
            _rename(old, new)
            remove_empty(old.parent, old.parents[2])
        for old, _ in pairs:
            remove_empty(old.parent, store.folder)

    def _pairs(self) -> list[tuple[Path, Path]]:
        """The cassette, and those that were recorded with other models, with their new names."""
        store = self.surveyed.store
        name, new = (path.relative_to(store.folder) for path in (self.old, self.new))
        own = [path for path in store.paths() if own_name(path, store.folder) == name.as_posix()]
        own.sort(key=lambda path: path != self.old)
        return [(path, path.parents[len(name.parts) - 1] / new) for path in own]

    def _snapshots(self) -> list[tuple[Path, Path]]:
        """The conversations of the old test, with the new names; none where a cassette has a name of its own."""
        root = Path(self.surveyed.places[0].modules)
        folder = self.surveyed.store.folder
        old, new = (path.relative_to(folder).with_suffix("") for path in (self.old, self.new))
        if len(old.parts) == 1 or not self._is_called_after(self.test):
            return []
        old, new = root / old, root / new
        source, target = (one.parents[1] / _SNAPSHOTS / one.parent.name for one in (old, new))
        pairs = []
        for file in sorted(source.glob(f"{escape(old.name)}*.chat")):
            rest = file.name.removeprefix(old.name)
            if rest[0] in ".~":
                pairs.append((file, target / f"{new.name}{rest}"))
        return pairs

    def _is_called_after(self, test: str) -> bool:
        """Whether the new cassette is called after the test, and not by a marker."""
        module, _, inside = test.partition("::")
        parts = self.new.relative_to(self.surveyed.store.folder).with_suffix("").parts
        function = inside.partition("[")[0].replace("::", ".")
        return parts[-2:-1] == (PurePosixPath(module).stem,) and parts[-1].startswith(function[:_CERTAIN])


def _rename(old: Path, new: Path) -> None:
    """Rename a file, in git where that knows it. Raises `OSError`."""
    new.parent.mkdir(parents=True, exist_ok=True)
    command = ["git", "mv", "--force", "--", str(old), str(new)]
    try:
        run = subprocess.run(command, cwd=old.parent, capture_output=True, check=False)  # noqa: S603 - git that the user has
    except OSError:  # there is no git
        run = None
    if run is None or run.returncode:
        old.replace(new)


def _cassette_named(name: str, survey: Survey) -> tuple[SurveyedStore, Path]:
    """The cassette of a name, and where it lies."""
    path = Path(name).resolve()
    for one in survey.stores:
        if one.store.is_local and path.is_file() and path.is_relative_to(one.store.folder.resolve()):
            return one, one.store.folder / path.relative_to(one.store.folder.resolve())
    store, found = find_cassette(name, survey)
    return next(one for one in survey.stores if one.store is store), found


def _cassette_of(test: str, survey: Survey, surveyed: SurveyedStore) -> Path:
    """Where a test looks for its cassette."""
    module, separator, inside = test.partition("::")
    if not separator:
        raise UnknownName(f"{test!r} is no node id of a test, such as tests/test_it.py::test_it")
    from_root = Path(os.path.relpath(Path(module).resolve(), survey.root.resolve())).as_posix()
    wanted = {test, f"{from_root}::{inside}"}
    for place in surveyed.found:
        for name, tests in place["owners"].items():
            if wanted.intersection(tests):
                return surveyed.store.folder / name
    _, path = path_of_test(f"{from_root}::{inside}", survey)
    raise UnknownName(
        f"no test that is marked llm_cassette is called {test}: nothing is moved to {shown(path)}; "
        "`cassettes list` says which tests there are"
    )


def _base(path: Path, store: Store) -> Path:
    """The cassette without the folder of other models."""
    return store.folder / own_name(path, store.folder)


@dataclass(frozen=True, slots=True)
class _Missed:
    """What a test without a cassette has missed.

    Attributes:
        test: Its node id.
        cassette: Where it looks for its cassette.
        requests: How many requests it has missed.
        orphans: The cassettes without a test that hold something of it, with how many of the missed requests.
    """

    test: str
    cassette: str
    requests: int
    orphans: dict[str, int]


class _Answer(TypedDict):
    """What the other process writes.

    Attributes:
        missed: What tests have missed, as `_Missed` takes it.
        failed: The tests that failed before they missed anything, and why.
    """

    missed: list[dict[str, Any]]
    failed: dict[str, str]


def _asked(arguments: Sequence[str]) -> _Answer:
    """Run the tests without a cassette."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "missed.json")
        words = ["-p", __name__, _FILE, str(file), "-q", "-k", "", "-m", "", "-o", f"cache_dir={folder}", *arguments]
        ask_pytest(words, file)
        answer: _Answer = json.loads(file.read_text(encoding="utf-8"))
    return answer


def _chosen(missed: Sequence[_Missed], say: Callable[[str], None]) -> list[tuple[str, Path, Path, str]]:
    """Which test gets which cassette, and how much that holds; what is not certain is told, with the command for it."""
    chosen = []
    for one in missed:
        best = _best(one)
        rivals = [other.test for other in missed if other is not one and _best(other) == best]
        [path, *others] = best
        if not others and not rivals and _is_certain(one, path, missed):
            chosen.append((one.test, Path(path), Path(one.cassette), _holds(one, path)))
            continue
        say(f"{one.test}: not certain whose recording it is:")
        for path in sorted(best):
            say(f"  {shown(Path(path))} {_holds(one, path)}; {_decide(Path(path), one.test)}")
    return chosen


def _is_certain(one: _Missed, path: str, missed: Sequence[_Missed]) -> bool:
    """Whether a cassette holds all that was missed, and is called like the test or fits no other, nor another it."""
    own, found = Path(one.cassette), Path(path)
    is_alike = own.name == found.name or own.parent == found.parent
    is_only = len(one.orphans) == 1 and not any(path in other.orphans for other in missed if other is not one)
    return one.orphans[path] == one.requests and (is_alike or is_only)


def _holds(one: _Missed, path: str) -> str:
    return f"holds {one.orphans[path]} of {counted(one.requests, 'request')} that it asks"


def _decide(old: Path, test: str) -> str:
    """The command that gives a test a cassette."""
    words = ["python", "-m", "pytest_templates", "cassettes", "adopt", shown(old), test]
    return f"to give it that: {command_line(words)}"


def _best(missed: _Missed) -> frozenset[str]:
    """The cassettes that fit best: called as the test is, else in the same folder, else any that hold the most."""
    own = Path(missed.cassette)

    def claim(path: str) -> tuple[bool, bool, int]:
        return Path(path).name == own.name, Path(path).parent == own.parent, missed.orphans[path]

    most = max(map(claim, missed.orphans))
    return frozenset(path for path in missed.orphans if claim(path) == most)


# In the process that is asked:


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of this plugin."""
    parser.getgroup("templates-adoption").addoption(_FILE, metavar="FILE", help="where the answer is written")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """See to it that nothing is recorded, nothing written, and no test run in another process."""
    write_nothing(config)
    for name, value in (("numprocesses", 0), ("distload", False), ("dist", "no"), ("tx", [])):  # of pytest-xdist
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def pytest_configure(config: pytest.Config) -> None:
    """Collect from the whole project, wherever pytest was started."""
    config.args[:] = map(str, project_of_run(config).places_of_tests(config))
    config.pluginmanager.register(MissedTests(config), "templates-adoption")


class MissedTests:
    """Runs the tests that have no cassette, and writes what they have missed.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cassettes: dict[str, str] = {}
        self._requests = Counter[str]()
        self._orphans: dict[str, Counter[str]] = {}
        self._failed: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect the tests that have one, or want none."""
        for item in items:
            mark = MARKER.read(item)
            if mark is not None:
                store, path = store_in(place_of(item.path, self._config), self._config), path_for(item, mark)
                if store.read(path) is None:
                    self._cassettes[item.nodeid] = str(path)
        others = [item for item in items if item.nodeid not in self._cassettes]
        items[:] = [item for item in items if item.nodeid in self._cassettes]
        self._config.hook.pytest_deselected(items=others)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test has missed, or why it failed."""
        if report.failed:
            self._failed.setdefault(report.nodeid, _reason(report))
        for found in ORPHANS.all_of(report):
            self._orphans.setdefault(report.nodeid, Counter()).update(found["held"])
            self._requests[report.nodeid] += found["missed"]

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        rows = [
            {"test": test, "cassette": self._cassettes[test], "requests": self._requests[test], "orphans": found}
            for test, found in self._orphans.items()
            if found and test in self._cassettes
        ]
        failed = {test: why for test, why in self._failed.items() if test in self._cassettes.keys() - self._orphans}
        answer = _Answer(missed=rows, failed=failed)
        Path(str(self._config.getoption(_FILE))).write_text(json.dumps(answer), encoding="utf-8")


def _reason(report: pytest.TestReport) -> str:
    """The first line of why a test failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (report.longreprtext if crash is None else str(crash.message)).strip().splitlines()
    return cut(lines[0]) if lines else report.when or ""
