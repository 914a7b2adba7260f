"""One attempt of a test, from setup to teardown: what happened in it, and what must be held against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_templates.cassettes.redaction.reports import Hiding, hidden, hide
from pytest_templates.isolation.plugin import guard_for
from pytest_templates.run import markers
from pytest_templates.run.engine import Watch
from pytest_templates.run.options import OPTIONS
from pytest_templates.run.telling import tell_of
from pytest_templates.spending.cost_limit import ACCOUNT, Spending
from pytest_templates.support.environment import require_packages

if TYPE_CHECKING:
    from antiphon import LiveCall, ModelCall, Trace
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.isolation.guard import Guard
    from pytest_templates.run.calls import Source
    from pytest_templates.scripting.script import Script
    from pytest_templates.spending.budget import Budget


REPORTED = "templates"  # the attribute of a report that carries what models did
WATCH = pytest.StashKey[Watch]()
HIDING = pytest.StashKey[Hiding]()
_ATTEMPT = pytest.StashKey["Attempt"]()


class Settled(Protocol):
    """What a test has to use up."""

    @property
    def remaining(self) -> int:
        """How much is left."""
        ...

    @property
    def unused(self) -> str:
        """What is left, in words."""
        ...


class Attempt:
    """One attempt of one test; a test that is run again begins another.

    Attributes:
        item: The test.
        calls: The model calls so far, each with where its answer came from.
        verdicts: What fails the test even where the program swallowed it, in order.
        failed: Whether a phase of the test failed, and was not expected to.
        skipped: Whether the test was skipped, by itself or by pytest, or failed as expected.
        script: What scripted models without steps of their own play.
        scripted: What has to be used up at the end: the scripts of models and users, faults.
        in_phase: Whether a phase of the test is under way.
        said: What the phase that is just over was failed with; ``""`` where it was not.
        cassette: The open cassette of a test marked ``llm_cassette``.
        spending: What real models may still cost in the run; ``None`` for any sum.
        budget: What a test marked ``llm_budget`` may spend.
    """

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.options = item.config.stash[OPTIONS]
        self.calls: list[tuple[ModelCall, Source]] = []
        self.verdicts: list[Exception] = []
        self.failed = False
        self.skipped = False
        self._failed_as_expected = False
        self.scripted: list[Settled] = []
        self.script: Script | None = None
        self.cassette: OpenCassette | None = None
        account = item.config.stash.get(ACCOUNT, None)
        self.spending = None if account is None else Spending(account, item.nodeid, self.verdicts.append)
        self.budget: Budget | None = None
        self._settled = 0
        self._told: int | None = None
        self.in_phase = False
        self.said = ""
        self._making = Lock()
        self._guard: Guard | None = None
        self._trace: Trace | None = None
        self._resources = ExitStack()

    @property
    def guard(self) -> Guard | None:
        """What watches the subroutines; ``None`` where it is turned off."""
        with self._making:
            if self._guard is None:
                self._guard = guard_for(self.item, self.verdicts.append)
            return self._guard

    @property
    def trace(self) -> Trace:
        """The model calls so far, by any runner, thread or task."""
        with self._making:
            if self._trace is None:
                from antiphon import Trace

                self._trace = Trace()
            return self._trace

    def calling(self, event: LiveCall) -> None:
        """Object to a call of a real model that the test did not ask for, or may not pay for; see `live.check`."""
        from pytest_templates.live_calls import check

        check(self, event)
        if self.budget is not None:
            self.budget.check(event.model)

    def called(self, call: ModelCall) -> None:
        """Note a model call, and where its answer came from."""
        from pytest_templates.run.calls import source_of

        self.trace.calls.append(call)
        was_sent = self._was_sent(call)
        source = source_of(call, self.cassette, is_new=was_sent)
        self.calls.append((call, source))
        if self.spending is not None and source != "script" and was_sent:
            self.spending.add(call)
        if self.budget is not None:
            self.budget.add(call, source)
        self.verdicts.extend(tell_of(call, self.item))

    def _was_sent(self, call: ModelCall) -> bool:
        """Whether a real model was called, and not just replayed."""
        if self.cassette is not None:
            return self.cassette.outgoing.was_sent(call.template_path, call.model)
        return markers.has(self.item, "llm_live")

    def reported(self, report: pytest.TestReport) -> None:
        """Send what models did in the test along with its last report, as plain data; hide what a cassette hides."""
        refuse_what_says_nothing(report, self.item, self.verdicts)
        self._hear(report)
        if report.when == "teardown" and (self.calls or self.subroutines or self.cassette is not None):
            from pytest_templates.run.calls import rows_of

            vars(report)[REPORTED] = rows_of(self)
            self._hide_for_file(report)
        if markers.has(self.item, "llm_cassette") or markers.has(self.item, "llm_live"):
            from pytest_templates.cassettes.redaction.secrets import secrets_of

            secrets = secrets_of() if self.cassette is None else self.cassette.secrets
            self.item.config.stash[HIDING].learn(secrets)
            hide(report, secrets, REPORTED)

    def _hide_for_file(self, report: pytest.TestReport) -> None:
        """Let no secret reach the files of --templates-json and --templates-twice, also of tests without a cassette."""
        if self.options.json is not None or self.options.twice:
            from pytest_templates.cassettes.redaction.secrets import secrets_of

            vars(report)[REPORTED] = hidden(vars(report)[REPORTED], secrets_of())

    def _hear(self, report: pytest.TestReport) -> None:
        """Take a phase's outcome from its report: unittest's tests tell it in no other way."""
        self.failed = self.failed or report.failed
        if self.in_phase:
            return  # the report of a subtest: that one of them was skipped skips nothing else
        self.skipped = self.skipped or report.skipped
        if report.skipped and hasattr(report, "wasxfail") and not self.verdicts:
            self.failed, self._failed_as_expected = False, True
        if self._told is not None and not report.failed and not hasattr(report, "wasxfail"):
            self._settled = self._told  # what failed the phase was not heard: it is said again in the next one
        elif self.said and self.said not in report.longreprtext:  # unittest's test has failed by itself, too
            report.sections.append((f"Captured templates {report.when}", self.said))
        self._told, self.said = None, ""

    @property
    def subroutines(self) -> int:
        """How many subroutines were checked."""
        return 0 if self._guard is None else self._guard.checked

    @property
    def unseen(self) -> list[str]:
        """What of their parents could not be compared."""
        return [] if self._guard is None else sorted(self._guard.unseen)

    @property
    def keeps_recording(self) -> bool:
        """Whether what the test recorded is kept: it passed, or failed as expected."""
        return not self.failed and (not self.skipped or self._failed_as_expected)

    def begin(self) -> None:
        """From now on what the engine does belongs to this attempt."""
        self.item.config.stash[WATCH].attempt = self

    def open(self) -> None:
        """Open what the test's markers ask for."""
        try:
            markers.check(self.item)  # tests that are not collected as functions were not looked at yet
        except pytest.Collector.CollectError as error:
            pytest.fail(str(error), pytrace=False)
        script = markers.read(self.item, "llm_script")
        if script is not None:
            require_packages("the marker llm_script")
            from pytest_templates.scripting.files import load_script

            self.script = load_script(self.options.fixtures / script)
            self.scripted.append(self.script)
        if markers.has(self.item, "llm_budget"):
            from pytest_templates.spending.budget import budget_of

            self.budget = budget_of(self.item, self.verdicts.append)
        if self.options.overrides and (markers.has(self.item, "llm_cassette") or markers.has(self.item, "llm_live")):
            from pytest_templates.model_override.replacement import overriding

            self._resources.enter_context(overriding(self.options.overrides))
        mark = markers.read(self.item, "llm_cassette")
        if mark is not None:
            require_packages("the marker llm_cassette")
            from pytest_templates.cassettes.recording import open_for, placeholder_keys

            self.cassette = open_for(self.item, mark, self.options, self.spending, self.verdicts.append)
            if self.cassette.settings.mode == "none":
                from pytest_templates.cassettes.network_guard import guarded
                from pytest_templates.cassettes.retry_waits import virtual_waits

                self._resources.enter_context(placeholder_keys())
                self._resources.enter_context(guarded(self.item.nodeid, self.verdicts.append))
                self._resources.enter_context(virtual_waits())
            self._resources.enter_context(self.cassette.playing())

    def settle(self) -> None:
        """Hold the test to its scripts: a step that nobody asked for is a verdict.

        A test that failed or was skipped has said why, and what is left over then is no news.
        """
        if self.scripted and not self.failed and not self.skipped:
            from pytest_templates.errors import UnusedSteps

            self.verdicts.extend(UnusedSteps(one.unused) for one in self.scripted if one.remaining)

    def close(self) -> None:
        """End: let go of everything, and keep a recording if all went well."""
        try:
            self._resources.close()
        except BaseException:
            self.failed = True
            raise
        finally:
            self.item.config.stash[WATCH].attempt = None
            self._keep_recording()

    def abandon(self) -> None:
        """Let go of everything where the run ends in the midst of the test; its journal stays."""
        try:
            self._resources.close()
        finally:
            if self.cassette is not None:
                self.cassette.leave()

    def _keep_recording(self) -> None:
        if self.cassette is not None:
            (self.cassette.save if self.keeps_recording else self.cassette.drop)()

    def unsettled(self) -> list[Exception]:
        """The verdicts that came up since this was last asked."""
        unsettled = self.verdicts[self._settled :]
        self._told = self._settled if unsettled else None
        self._settled = len(self.verdicts)
        return unsettled


class Opening:
    """Opens what a test's markers ask for: after pytest has seen whether the test is skipped, before its fixtures."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Open it."""
        of(item).open()


def begin(item: pytest.Item) -> Attempt:
    """Begin an attempt of a test."""
    attempt = item.stash[_ATTEMPT] = Attempt(item)
    return attempt


def interrupt(config: pytest.Config) -> None:
    """Let go of a test whose run ends in its midst, as by Ctrl-C: it has no teardown."""
    attempt = config.stash[WATCH].attempt
    if attempt is not None:
        attempt.abandon()


def forget(item: pytest.Item) -> None:
    """Let go of a test that is over."""
    if _ATTEMPT in item.stash:
        del item.stash[_ATTEMPT]


def of(item: pytest.Item) -> Attempt:
    """The attempt of a test that is under way."""
    return item.stash[_ATTEMPT] if _ATTEMPT in item.stash else begin(item)


def refuse_what_says_nothing(report: pytest.TestReport, item: pytest.Item, verdicts: Sequence[Exception]) -> None:
    """Let a test fail that "failed as expected" while a recording was missing, or a call or another host was refused.

    That says nothing of the program. A test about such errors names what it expects: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail") and verdicts):
        return
    what = next(_unmeant(verdicts, tuple(_named(item))), None)
    if what is not None:
        report.outcome = "failed"
        del report.wasxfail
        report.sections.append(
            (f"Captured templates {report.when}", f"{what} fails a test also where it is expected to fail")
        )


def _unmeant(verdicts: Iterable[Exception], named: tuple[type[BaseException], ...]) -> Iterator[str]:
    from pytest_templates.errors import CassetteMiss, LiveCallRefused, NetworkRefused

    kinds = {
        CassetteMiss: "a missing recording",
        NetworkRefused: "reaching for another host",
        LiveCallRefused: "a refused call of a real model",  # last: NetworkRefused is one
    }
    meant = tuple(error for error in named if issubclass(error, tuple(kinds)))  # Exception names nothing
    for verdict in verdicts:
        if not isinstance(verdict, meant):
            yield from (what for kind, what in kinds.items() if isinstance(verdict, kind))


def _named(item: pytest.Item) -> Iterator[type[BaseException]]:
    """The errors that the test's marks expect."""
    for mark in item.iter_markers("xfail"):
        raises = mark.kwargs.get("raises")
        given = getattr(raises, "expected_exceptions", raises)  # of a pytest.RaisesExc
        yield from (one for one in (given if isinstance(given, tuple) else (given,)) if isinstance(one, type))
