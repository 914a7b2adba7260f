"""Recorded means replayable: a test that has recorded is played once more from that, offline, before it is kept.

What a replay would find wrong next week, elsewhere, is found while the test is at hand: a request that is another one
each time, an answer that something in the process has kept, an assertion that holds while recording alone. The
recording is not written then; its answers stay in the journal, so that the next one need not pay for them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from pytest_templates.cassettes.options import RECORD, RECORD_CHECK
from pytest_templates.run.attempt import Attempt, attempt_of
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.processes import is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.terminal import print_line
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.environment import is_users_module
from pytest_templates.support.text import OUTSIDE, counted, cut

if TYPE_CHECKING:
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.reading.calls import CallPair
    from pytest_templates.cassettes.recorded import Interaction
    from pytest_templates.errors import NotReplayable
    from pytest_templates.run.repetition import Repetition

UNCHECKED: Final = ReportData[str]("unchecked")  # why a test that recorded was not played once more
REPLAY: Final = pytest.StashKey["OpenCassette"]()  # of an attempt; what plays it once more
DOUBTED: Final = pytest.StashKey[bool]()  # of an attempt; whether its recording is not known to replay
_THREADS: Final = pytest.StashKey[set[Thread]]()  # of an attempt; those that are not its own
_NAMES: Final = pytest.StashKey[dict[str, Any]]()  # of the attempt of a doctest
_WHY_NOT: Final = pytest.StashKey[str]()
_BY_FIXTURES: Final = pytest.StashKey[list[tuple["pytest.FixtureDef[Any]", "list[Interaction]"]]]()
_SHOWN: Final = 12  # lines of a failure, and recordings that were not played


def watch(config: pytest.Config, key: pytest.StashKey[OpenCassette]) -> None:
    """Check recordings from now on, where there are any; an attempt has its cassette by the key."""
    if RECORD.of(config) != "none" and RECORD_CHECK.of(config) == "on":
        join(config, RecordCheck(config, key), "record-check")
        if not is_worker(config):
            join(config, Summary(), "record-check-summary")


class RecordCheck(Feature):
    """Plays tests that have recorded once more.

    Args:
        config: The run.
        key: Where an attempt has its cassette.
    """

    def __init__(self, config: pytest.Config, key: pytest.StashKey[OpenCassette]) -> None:
        self._under_way = under_way_in(config)
        self._key = key

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Note what a fixture asks that outlives the test: it is not set up again when the test is played once more."""
        attempt = self._under_way.attempt
        cassette = None if attempt is None else attempt.stash.get(self._key, None)
        if attempt is None or cassette is None or fixturedef.scope == "function":
            return (yield)
        before, threads = {id(interaction) for interaction in cassette.requests}, set(enumerate_threads())
        try:
            return (yield)
        finally:
            attempt.stash[_THREADS] |= set(enumerate_threads()) - threads
            asked = [interaction for interaction in cassette.requests if id(interaction) not in before]
            attempt.stash.setdefault(_BY_FIXTURES, []).append((fixturedef, asked))

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Note which threads there are, and give a doctest the names again that it began with: it drops them."""
        attempt.stash[_THREADS] = set(enumerate_threads())
        test = attempt.item.dtest if isinstance(attempt.item, pytest.DoctestItem) else None
        if test is not None:
            names = dict(test.globs) if attempt.repeats is None else attempt.repeats.stash[_NAMES]
            attempt.stash[_NAMES] = names
            test.globs.update(names)

    @hookimpl
    def may_be_repeated(self, attempt: Attempt) -> bool | None:
        """Every test with a cassette may."""
        return True if self._key in attempt.stash else None

    @hookimpl
    def attempt_has_gone_well(self, attempt: Attempt) -> None:
        """Play the test once more from what its cassette would hold, and add an error where that goes otherwise."""
        cassette = attempt.stash.get(self._key, None)
        if cassette is None:
            return
        cassette.captures.end()
        if not cassette.unsaved:
            return
        attempt.stash[_WHY_NOT] = _why_not(attempt, cassette)
        if attempt.stash[_WHY_NOT]:
            return
        attempt.whole.stash[DOUBTED] = True
        problem = problem_of(attempt, cassette)
        if problem is None:
            attempt.whole.stash[DOUBTED] = False
        else:
            attempt.failures.append(problem)

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send why the test was not played once more."""
        why = attempt.stash.get(_WHY_NOT, "")
        if why and report.when == "teardown":
            UNCHECKED.put(report, why)


class Summary(Feature):
    """Counts the recordings that were not checked."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings."""
        self._reasons.update(set(UNCHECKED.all_of(report)))

    @hookimpl
    def summary_lines(self) -> list[str]:
        """A line for each reason."""
        return [
            f"{counted(tests, 'test')} not played once more from the recording: {why}"
            for why, tests in self._reasons.items()
        ]


def _why_not(attempt: Attempt, cassette: OpenCassette) -> str:
    """Why a test cannot be played by itself, in words; ``""`` where it can."""
    if cassette.has_left_alone:
        return "a host that is left alone would have been asked twice"
    threads = [one for one in enumerate_threads() if one not in attempt.stash[_THREADS] and _is_users(one)]
    return "a thread that outlives the test would have run beside it" if threads else ""


def _is_users(thread: Thread) -> bool:
    """Whether a thread runs code of the user's, and not of a library, such as the idle workers of a pool."""
    runs = getattr(thread, "_target", None) or type(thread).run  # the former as `threading.Thread` keeps it
    return is_users_module(getattr(getattr(runs, "func", runs), "__module__", None) or "")


def problem_of(attempt: Attempt, cassette: OpenCassette) -> NotReplayable | None:
    """The error of a test that does not go the same way from what its cassette would hold; ``None`` where it does."""
    from pytest_templates.errors import CassetteError, NotReplayable
    from pytest_templates.run.repetition import repeat

    def complain(error: Exception) -> None:
        attempt_of(attempt.item).failures.append(error)  # of the attempt that is under way then

    try:
        replay = attempt.stash[REPLAY] = cassette.as_saved(complain)
    except CassetteError:
        return None  # it cannot be saved: `save` says why
    replay.pass_over(_asked_by_what_lasts(attempt))
    _mark_what_is_printed(attempt.item)
    verdict = _verdict(cassette, replay, repeat(attempt), went_well=attempt.went_well)
    if verdict is None:
        return None
    lines = (f"  {line}".rstrip() for line in verdict.lines)
    title = _TITLE if attempt.went_well else _TITLE_OF_FAILED
    return NotReplayable("\n".join([title, *lines, "", *_way_out(cassette, verdict)]))


def _mark_what_is_printed(item: pytest.Item) -> None:
    """Say whose output follows, where pytest shows it as it comes (``-s``)."""
    if item.config.getoption("capture") == "no":
        print_line(item.config, "templates: played once more from the recording, to check it:")


def _asked_by_what_lasts(attempt: Attempt) -> list[Interaction]:
    """What was asked by fixtures that are still set up, each request once."""
    noted = attempt.stash.get(_BY_FIXTURES, [])
    return [*{id(one): one for fixture, asked in noted if fixture.cached_result is not None for one in asked}.values()]


_TITLE: Final = "the test went well while it recorded, and otherwise when it was played once more from that, offline:"
_TITLE_OF_FAILED: Final = (
    "the sample failed while it recorded, and went otherwise when it was played once more from that, offline:"
)
_KEPT: Final = (
    "Something in this process has kept an answer, such as a cache, a variable of a module or a fixture of a wider",
    "scope: clear it in a fixture. Otherwise the test needs fewer recordings here than in a process of its own.",
)
_LEFT_BEHIND: Final = (
    "What the test leaves behind is still there the second time, such as files, rows of a database and variables of",
    "modules: make them anew in a fixture. In a replay llm_cassette.recorded is 0, and what was recorded is played.",
)
_READ_ON: Final = (
    "A stream was left before its end, and read further the second time: a replay gives at once what had come, so what",
    "leaves by a clock, or as another thread says, goes on. Leave by what was heard, or by a timeout of the task",
    "(asyncio.timeout), or read to the end.",
)
_UNANSWERED: Final = (
    "Its call ended before the answer came, by a timeout or a lost connection, and cannot be recorded: play a fault",
    "there instead (llm_faults).",
)


class Verdict(NamedTuple):
    """How the second time went otherwise.

    Attributes:
        lines: How, why, and what to do.
        fits_again: Whether the next recording can play all that this one was answered.
    """

    lines: Sequence[str]
    fits_again: bool = True


def _verdict(cassette: OpenCassette, replay: OpenCassette, second: Repetition, *, went_well: bool) -> Verdict | None:
    """How the second time went otherwise; ``None`` where it did not."""
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.reading.calls import paired, recorded_calls
    from pytest_templates.cassettes.reading.causes import about_secrets, difference, remedies
    from pytest_templates.cassettes.scrubbing.scrub import scrub

    matcher = Matcher(cassette.settings.match_on, cassette.settings.ignore)
    secrets = cassette.secrets  # of both times; the paths of templates may hold some, too
    calls, calls_again = (
        recorded_calls([scrub(request, secrets) for request in one.requests], matcher) for one in (cassette, replay)
    )
    pairs = [pair for pair in paired(calls, calls_again) if not pair.is_same]
    about = about_secrets(cassette.redacted)
    secret = [*about, "If the test compares none:"] if about else []
    others = sorted((pair for pair in pairs if pair.new is not None), key=lambda pair: pair.old is None)
    if others:
        is_unanswered = others[0].old is None and others[0].template in cassette.sent_requests.unanswered
        why = _UNANSWERED if is_unanswered else remedies(others[0]) or _LEFT_BEHIND
        return Verdict([*difference(others), "", *secret, *why], all(pair.old is None for pair in others))
    if second.attempt.went_well != went_well:
        reads_on = any(map(_is_read_on, replay.misses))
        return Verdict([*_ending(second), "", *secret, *(_READ_ON if reads_on else _LEFT_BEHIND)])
    left = {one.number: matcher.key(one.interaction).hex() for one in replay.unplayed}
    return Verdict([*_unplayed(pairs, left), "", *secret, *_KEPT]) if pairs else None


def _is_read_on(error: Exception) -> bool:
    from pytest_templates.errors import CassetteMiss

    return isinstance(error, CassetteMiss) and error.reason == "left-early"


def _ending(second: Repetition) -> Iterator[str]:
    """How a second time ended that has asked nothing else; the whole of it goes to a section of the report."""
    if second.attempt.went_well:
        yield "it asked the same, and passed"
        return
    report = next((report for report in second.reports if not report.passed), None)
    if report is None:
        yield "it asked the same, but one of its subtests failed"
        return
    if report.skipped:
        yield f"it was skipped: {report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longreprtext}"
        return
    lines = report.longreprtext.splitlines()
    yield f"it asked the same, but its {report.when} failed:"
    yield from (f"  {cut(line)}" for line in lines[-_SHOWN:])
    if len(lines) > _SHOWN:
        second.attempt.item.add_report_section("teardown", "failure when it was played once more", report.longreprtext)


def _unplayed(pairs: Sequence[CallPair], left: dict[int, str]) -> Iterator[str]:
    """Which recordings were not played; ``left`` has the keys of their requests by number."""
    yield f"{counted(len(pairs), 'recording')} {'was' if len(pairs) == 1 else 'were'} not played:"
    for pair in pairs[:_SHOWN]:
        key = pair.old["key"] if pair.old else ""
        number = next((number for number, other in left.items() if other == key), None)
        if number is not None:
            del left[number]
        yield f"  {pair.template or OUTSIDE}" if number is None else f"  {number}  {pair.template or OUTSIDE}"
    yield from ["  …"] if len(pairs) > _SHOWN else []


def _way_out(cassette: OpenCassette, verdict: Verdict) -> Iterator[str]:
    settings, answers = cassette.settings, counted(cassette.unsaved, "answer")
    yield f"{settings.place} is not written."
    if verdict.fits_again:
        yield f"What was recorded ({answers}) stays in the journal, and the next recording pays for nothing again:"
    else:
        yield f"What was recorded ({answers}) stays in the journal. The next recording asks the prompt anew if it is"
        yield "another one again; it pays for nothing once what differs is left out of the comparison (ignore=…):"
    yield f"  {settings.record_command} --templates-record=missing"
    yield "A test that cannot run twice in one process is recorded with --templates-record-check=off."
