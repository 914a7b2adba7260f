"""The cassettes of marked tests: opened, replayed, recorded, kept or dropped, and summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, TypedDict
from uuid import uuid4

import pytest

from pytest_templates.cassettes import unused
from pytest_templates.cassettes.collection import collection_of
from pytest_templates.cassettes.options import MARKER, OPTIONS, RECORD, CassetteMark
from pytest_templates.cassettes.places import Place, as_main_knows, is_settled, place_of, store_in, stores_of
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CALLS, CallSource, asked_in
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.late import late_failures_in
from pytest_templates.run.processes import is_worker, worker_input
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.under_way import attempt_of_fixture
from pytest_templates.support.environment import placeholder_keys, require_packages
from pytest_templates.support.text import OUTSIDE, counted

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.processes.messages import Messages

_NAMED: Final = 5  # how many tests or programs a line of the summary names
_KEPT: Final = "answers are kept for the next recording, which does not ask for them again"
_ASK_ANEW: Final = "to ask anew: python -m pytest_templates cassettes prune --kept --yes"
_RUN_ID: Final = "templates_run"  # in what the main process sends to workers
PLACE: Final = ReportData[list[str]]("place")  # where the cassette lies, as `Place` takes it
CASSETTE: Final = pytest.StashKey["OpenCassette"]()  # of an attempt
_MESSAGES: Final[pytest.StashKey[list[Messages]]] = pytest.StashKey()  # of a whole attempt, one for each sample: what
# other processes told it


class CassetteUse(TypedDict):
    """What became of the cassette of a test.

    Attributes:
        test: The test, named from the folder of its project.
        played: How many interactions were replayed.
        recorded: How many were recorded, and saved.
        without_engine: How many of both no model of the engine asked for: they are no model calls.
        waiting: How many answers wait for the next recording, because the test failed or was skipped.
        held_back: How many stay in the journal, since the test went otherwise when it was played from them.
        taken_over: How many answers of earlier runs, which had not been saved, are saved now.
        given_up: How many answers of earlier runs were dropped then, since nothing has asked for them any more.
        skipped: Whether the test was skipped.
        programs: The names of programs that the test has started, and that neither a cassette nor a guard reaches.
        unanswered: Of a test that went well: the paths of the templates whose calls ended before their answer came;
            ``None`` for code outside of templates.
    """

    test: str
    played: int
    recorded: int
    without_engine: int
    waiting: int
    held_back: int
    taken_over: int
    given_up: int
    skipped: bool
    programs: list[str]
    unanswered: list[str | None]


class OrphansFound(TypedDict):
    """The cassettes without a test that hold what a test has missed.

    Attributes:
        missed: How many requests were missed.
        held: How many of these each cassette holds.
    """

    missed: int
    held: dict[str, int]


CASSETTE_USE: Final = ReportData[CassetteUse]("recordings")
UNSETTLED: Final = ReportData[str]("unsettled")  # the root of a test that recorded, where no ini file settles it
ORPHANS: Final = ReportData[OrphansFound]("orphans")
LATE: Final = ReportData[list[str]]("late")  # what threads and tasks asked whose test was over


@pytest.fixture
def llm_cassette() -> OpenCassette:
    """The open cassette of a test marked ``llm_cassette``."""
    attempt = attempt_of_fixture()
    if CASSETTE not in attempt.stash:
        pytest.fail("the fixture llm_cassette belongs to tests marked @pytest.mark.llm_cassette", pytrace=False)
    return attempt.stash[CASSETTE]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Open cassettes from now on."""
    OPTIONS.read(config)
    MARKER.register(config)
    join(config, Cassettes(config), "cassettes")
    records = RECORD.of(config) != "none"
    if records:
        from pytest_templates.cassettes import record_check

        record_check.watch(config, CASSETTE)
    collection_of(config)  # also tells a missing recording which tests are gone
    unused.watch(config)
    if RECORD.of(config) == "changed":
        from pytest_templates.cassettes import shared

        shared.watch(config)
    if records:
        from pytest_templates.cassettes import rerecorded

        rerecorded.watch(config)
    if not is_worker(config):
        summary = Summary(config)
        join(config, summary, "cassettes-summary")
        if records:
            join(config, ReportedTests(summary), "cassettes-reported-tests")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say at the start of a run that it records, and where."""
    if not _records(config):
        return []
    from pytest_templates.cassettes import progress

    return [progress.header_of(config)]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Show what a run records while it does, in the process that users started."""
    if _records(session.config) and not is_worker(session.config):
        from pytest_templates.cassettes import progress

        progress.show_on_terminal(session.config)


def _records(config: pytest.Config) -> bool:
    return RECORD.of(config) != "none" and not config.option.collectonly


class Cassettes(Feature):
    """Opens the cassettes of marked tests, and keeps what went well.

    The run has an id, the same in all of its processes, by which its recordings are known from older ones.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run_id: str = worker_input(config).get(_RUN_ID) or uuid4().hex
        self._shared_fixtures = SharedFixtures()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the id of the run to a worker of pytest-xdist."""
        node.workerinput[_RUN_ID] = self._run_id

    def pytest_unconfigure(self) -> None:
        """Remove the files that only this run needed."""
        if RECORD.of(self._config) != "none" and not is_worker(self._config):
            from pytest_templates.cassettes.storage import merging

            for store in stores_of(self._config):
                merging.remove_ledgers(store, self._run_id)

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Open the cassette of a marked test, and let nothing pass it by."""
        mark = MARKER.read(attempt.item)
        if mark is None:
            return
        require_packages("the marker llm_cassette", "vcr", "yaml", "filelock")
        from pytest_templates.cassettes.network_guard import guarded
        from pytest_templates.cassettes.processes.started import guarding_started, messages_to
        from pytest_templates.redaction.logs import redacted_logs

        messages = messages_to(attempt.failures.append)
        told = attempt.whole.stash.setdefault(_MESSAGES, [])
        told.append(messages)
        if attempt.repeats is None:

            def complain(error: Exception) -> None:
                told[-1].complain(error)  # of the sample that is under way

            cassette = self._cassette_of(attempt.whole, mark, complain)
            catching = cassette.playing(None if attempt.part_of is None else attempt.sample)
        else:
            from pytest_templates.cassettes.record_check import REPLAY

            cassette = attempt.repeats.stash[REPLAY]
            catching = attempt.repeats.stash[CASSETTE].played_from(cassette)
        attempt.stash[CASSETTE] = cassette
        self._shared_fixtures.begin(self._config)
        attempt.resources.enter_context(redacted_logs(self._config, lambda: cassette.secrets))
        test, replays = attempt.item.nodeid, cassette.settings.mode == "none"
        attempt.resources.enter_context(messages.received())
        attempt.resources.enter_context(guarding_started(test, messages, cassette.settings.ignore_hosts))
        attempt.resources.enter_context(guarded(test, messages.complain, replays=replays))
        if replays:
            from pytest_templates.cassettes.retry_waits import virtual_waits

            attempt.resources.enter_context(placeholder_keys())
            attempt.resources.enter_context(virtual_waits())
        attempt.resources.enter_context(catching)

    def _cassette_of(self, whole: Attempt, mark: CassetteMark, complain: Callable[[Exception], None]) -> OpenCassette:
        """The cassette of a test, which is opened for its first sample."""
        if CASSETTE not in whole.stash:
            from pytest_templates.cassettes.opening import open_for

            whole.stash[CASSETTE] = open_for(whole, mark, self._run_id, complain)
        return whole.stash[CASSETTE]

    @hookimpl
    def asks_real_models(self, attempt: Attempt) -> bool | None:
        """A marked test does."""
        return True if MARKER.is_on(attempt.item) else None

    @hookimpl
    def catches_live_calls(self, attempt: Attempt) -> bool | None:
        """An open cassette does."""
        return True if CASSETTE in attempt.stash else None

    @hookimpl
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """While a cassette is open, real models are replayed or recorded, and so are those that say so themselves."""
        if CASSETTE not in attempt.stash:
            return None
        cassette = attempt.stash[CASSETTE]
        from antiphon.connect import ConnectedModel
        from pytest_templates.cassettes.http.routing import is_recorded_at_model_level

        if is_recorded_at_model_level():  # a part of another model's answer, which counts with that
            return CallSource("recorded")
        is_whole = bool(call.inner) and getattr(call.asked, "recordable", False)
        asked = [*asked_in(call), *([call] if is_whole else [])]  # a recordable one is sent for as a whole
        sent = [cassette.sent_requests.was_sent(one.template_path, one.model) for one in asked]  # each counts once
        was_sent = any(sent)
        if not isinstance(call.origin, ConnectedModel) and not getattr(call.origin, "recordable", False):
            return CallSource("model", was_sent)
        return CallSource("recorded" if was_sent else "cassette", was_sent)

    @hookimpl
    def redaction_of(self, attempt: Attempt) -> Callable[[str], str] | None:
        """The cassette knows the secrets that requests have carried."""
        cassette = attempt.stash.get(CASSETTE, None)
        return None if cassette is None else cassette.secrets.replace

    @hookimpl
    def answered_outside_of_engine(self, attempt: Attempt) -> bool | None:
        """The cassette knows the requests that no model call has made."""
        cassette = attempt.stash.get(CASSETTE, None)
        return None if cassette is None else cassette.sent_requests.was_answered(None, None)

    @hookimpl
    def attempt_closes(self, attempt: Attempt) -> None:
        """Save what was recorded if all went well, else leave it to the next recording."""
        self._shared_fixtures.end()
        if CASSETTE not in attempt.stash or attempt.part_of is not None:
            return
        cassette = attempt.stash[CASSETTE]
        from pytest_templates.cassettes.record_check import DOUBTED

        if attempt.went_well:
            cassette.save()
        elif attempt.stash.get(DOUBTED, False):
            cassette.hold_back()
        else:
            cassette.leave()

    @hookimpl
    def attempt_is_interrupted(self, attempt: Attempt) -> None:
        """Leave what was recorded to the next recording of the test."""
        cassette = attempt.stash.get(CASSETTE, None)
        if cassette is not None:
            cassette.leave()

    @hookimpl(trylast=True)
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send what became of the cassette, and redact the report."""
        if CASSETTE not in attempt.stash and not MARKER.is_on(attempt.item):
            return
        cassette = attempt.stash.get(CASSETTE, None)
        if cassette is not None and attempt.part_of is None and report.when == "teardown":
            from pytest_templates.cassettes import rerecorded, sending, shared
            from pytest_templates.cassettes.http.routing import take_late

            is_kept = not cassette.unsaved
            row = CassetteUse(
                test=cassette.test,
                played=cassette.played,
                recorded=cassette.recorded if is_kept else 0,
                without_engine=cassette.asked_without_engine if is_kept else 0,
                waiting=cassette.waiting,
                held_back=cassette.held_back,
                taken_over=cassette.taken_over if is_kept and not cassette.waiting else 0,
                given_up=0 if cassette.waiting else cassette.given_up,
                skipped=attempt.skipped,
                programs=sorted({name for told in attempt.stash[_MESSAGES] for name in told.programs}),
                unanswered=cassette.sent_requests.unanswered if attempt.went_well else [],
            )
            CASSETTE_USE.put(report, row)
            LATE.put(report, take_late())
            if cassette.misses:
                held = {str(path): count for path, count in cassette.orphans.items()}
                ORPHANS.put(report, {"missed": cassette.sought_in_orphans, "held": held})
            place = place_of(attempt.item.path, attempt.item.config)
            sending.send(cassette, place, report, attempt.item.config)
            seen = as_main_knows(place, attempt.item.config)
            PLACE.put(report, seen.as_data())
            if row["recorded"] and not is_settled(attempt.item.path, attempt.item.config):
                UNSETTLED.put(report, seen.root)
            rerecorded.report(cassette, report, attempt.item.config)
            unused.report(cassette, report, passed=attempt.passed)
            shared.report(cassette, attempt, report)
        if cassette is not None and report.failed:
            from pytest_templates.cassettes.reading.causes import about_secrets

            about = about_secrets(cassette.redacted_replays)
            report.sections += [("what was replayed", "\n".join(about))] if about else []
        if MARKER.is_on(attempt.item):
            from pytest_templates.redaction.reports import redact
            from pytest_templates.redaction.secrets import secrets_of

            redact(report, secrets_of() if cassette is None else cassette.secrets, attempt.item.config)


class SharedFixtures(Feature):
    """Lets the threads and loops of fixtures that tests share serve all these tests, while a cassette is open.

    It joins the run with the first cassette: pytest asks it about every fixture of every test.
    """

    def __init__(self) -> None:
        self._has_joined = False
        self._is_open = False

    def begin(self, config: pytest.Config) -> None:
        """A cassette is open."""
        self._is_open = True
        if not self._has_joined:
            self._has_joined = True
            join(config, self, "cassettes-shared-fixtures")

    def end(self) -> None:
        """None is any more."""
        self._is_open = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Let those that tests share serve all of them."""
        if not self._is_open or fixturedef.scope == "function":
            return (yield)
        from pytest_templates.cassettes.http.routing import set_up_for_several_tests

        with set_up_for_several_tests():
            return (yield)


class Summary(Feature):
    """Adds up what became of the cassettes of all tests.

    Args:
        config: Of the main process, which knows from the reports where the cassettes lie.

    Attributes:
        reported: The tests that were reported, in a run that records; see `ReportedTests`.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tests: list[CassetteUse] = []
        self._has_calls = False
        self._unrecorded: list[str] = []
        self._late: list[str] = []
        self._unsettled: set[str] = set()
        self.reported: set[str] = set()
        self._died: list[str] = []

    @hookimpl
    def report_arrives(self, report: pytest.TestReport) -> None:
        """Take what a report brings, and keep what a worker has recorded elsewhere."""
        row = CASSETTE_USE.of(report)
        self._has_calls = self._has_calls or bool(CALLS.all_of(report))
        if row is not None:
            self._tests.append(row)
            self.reported.add(row["test"])
            self._unrecorded += [f"{report.nodeid}: {what}" for what in _unrecorded(row)]
        self._late += LATE.of(report) or []
        unsettled = UNSETTLED.of(report)
        self._unsettled |= set() if unsettled is None else {unsettled}
        place = PLACE.of(report)
        if place is not None:
            store_in(Place(*place), self._config)
        self._keep(report)

    def _keep(self, report: pytest.TestReport) -> None:
        from pytest_templates.cassettes import sending
        from pytest_templates.errors import CassetteError

        sent = sending.SENT.of(report)
        if sent is None:
            return

        try:
            sending.receive(sent, self._config)
        except CassetteError as error:  # the test is over: the run fails
            late_failures_in(self._config).add(report.nodeid, error, "in what its worker sent")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note a worker that has died with what it had not sent yet."""
        if not error or RECORD.of(self._config) == "none":
            return
        from pytest_templates.run.machines import shares_folder

        if not shares_folder(node, self._config):
            self._died.append(f"{node.gateway.id} ({node.gateway.spec})")

    @hookimpl
    def summary_counts(self) -> list[str]:
        """How many interactions were replayed, recorded and held back."""
        played, recorded = (sum(test[what] for test in self._tests) for what in ("played", "recorded"))
        counts = [f"{played} replayed"] if played else []
        counts += [f"{recorded} recorded"] if recorded else []
        others = sum(test["without_engine"] for test in self._tests) if self._has_calls else 0
        counts += [f"{others} of these by {OUTSIDE}"] if others else []
        held_back = sum(test["held_back"] for test in self._tests)
        counts += [f"{counted(held_back, 'recording')} kept in the journal"] if held_back else []
        return counts

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What a replay will not find or a cassette not see, what was refused late, and the answers that wait."""
        waiting = [] if RECORD.of(self._config) == "none" else self._waiting()
        about_places = map(_unsettled, sorted(self._unsettled))
        late = dict.fromkeys(self._late)
        lost = _lost(self._died)
        kept = [*_taken_over(self._tests), *_given_up(self._tests), *waiting]
        return [*self._unrecorded, *late, *_out_of_reach(self._tests), *about_places, *lost, *kept]

    def _waiting(self) -> list[str]:
        """What is said of the answers that were paid for and are in no cassette; by name of the tests of this run."""
        from pytest_templates.cassettes.storage.journal import waiting_answers

        waiting = [pair for store in stores_of(self._config) for pair in waiting_answers(store).items()]
        own = [f"{test} ({counted(answers, 'answer')})" for test, answers in waiting if test in self.reported]
        others = sum(answers for test, answers in waiting if test not in self.reported)
        which = [*([_first(own)] if own else []), *([f"{counted(others, 'answer')} of other tests"] if others else [])]
        if not which:
            return []
        return [f"{_KEPT}: {', and '.join(which)}; {_ASK_ANEW}"]

    @hookimpl
    def test_facts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:
        """Where answers came from, as cassettes know it: clients that are used without the engine make no calls."""
        rows = CASSETTE_USE.all_within(reports)
        sources = {"cassette" for row in rows if row["played"]} | {"recorded" for row in rows if row["recorded"]}
        from pytest_templates.cassettes import shared

        return {"sources": sources, **shared.facts_of_test(reports, self._config)}


class ReportedTests(Feature):
    """Knows which tests were reported: of a worker that was killed nothing else comes."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test."""
        self._summary.reported.add(report.nodeid)


def _unrecorded(row: CassetteUse) -> Iterator[str]:
    """The requests of a test that did not fail which a replay will not find."""
    for template in row["unanswered"]:
        asked = f"the call of {template}" if template else f"a request of {OUTSIDE}"
        yield f"{asked} ended before its answer came: it is not recorded, and a replay will miss it"
    if row["skipped"] and row["waiting"]:
        yield "the test was skipped after it had asked: nothing is recorded, and a replay will miss it; skip it before"


def _taken_over(tests: list[CassetteUse]) -> list[str]:
    """What is said of answers that were kept, and are in cassettes now."""
    which = [f"{test['test']} ({counted(test['taken_over'], 'answer')})" for test in tests if test["taken_over"]]
    return [f"kept answers were taken, and not asked for again: {_first(which)}"] if which else []


def _given_up(tests: list[CassetteUse]) -> list[str]:
    """What is said of answers that were kept for nothing."""
    which = [f"{test['test']} ({counted(test['given_up'], 'answer')})" for test in tests if test["given_up"]]
    return [f"kept answers are dropped, as nothing asks for them any more: {_first(which)}"] if which else []


def _out_of_reach(tests: list[CassetteUse]) -> list[str]:
    """What is said of programs that tests have started."""
    programs = Counter(name for test in tests for name in test["programs"])
    if not programs:
        return []
    which = _first([f"{name} ({counted(number, 'test')})" for name, number in sorted(programs.items())])
    return [f"started by tests with a cassette, which does not see what these programs ask of models: {which}"]


def _lost(died: list[str]) -> list[str]:
    """What is said of workers in other folders that have died while tests were recorded."""
    if not died:
        return []
    where = "in .journal of its cassettes"
    return [f"a worker in another folder died, and the answers of its test stay there, {where}: {', '.join(died)}"]


def _unsettled(root: str) -> str:
    """What is said where the next run may look for the cassettes elsewhere."""
    return (
        "there is no ini file, so where cassettes are looked for depends on where pytest is started: "
        f"put an empty pytest.ini into {root}"
    )


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
