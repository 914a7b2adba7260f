"""An open cassette: every request that the process makes meanwhile is replayed from it or recorded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from antiphon.trace import Caller, current_caller
from pytest_templates.cassettes.format.document import (
    CassetteText,
    FaultError,
    FormatError,
    check_readable,
    from_bytes,
    is_long,
)
from pytest_templates.cassettes.format.media import digested, with_digests
from pytest_templates.cassettes.http.capture import ResponseCaptures
from pytest_templates.cassettes.http.interception import intercepting
from pytest_templates.cassettes.http.routing import Decision
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.miss import MissReport
from pytest_templates.cassettes.player import Opinion, Player, Recording, SentRequests, of_model
from pytest_templates.cassettes.processes.forking import Resting, SharedLog, taking_part
from pytest_templates.cassettes.project_rules import UNANSWERED, Rules, in_pieces
from pytest_templates.cassettes.recorded import Interaction, Order, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.recorded_models import catching_models
from pytest_templates.cassettes.retry_waits import note_replay
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
from pytest_templates.cassettes.scrubbing.plain import as_kept, request_stays, scrub_inspected
from pytest_templates.cassettes.scrubbing.scrub import (
    is_altered,
    is_redacted,
    scrub,
    scrub_request,
)
from pytest_templates.cassettes.settings import Author, CassetteSettings
from pytest_templates.cassettes.storage.journal import Journal
from pytest_templates.cassettes.storage.merging import CassetteFile
from pytest_templates.cassettes.storage.parsed import Parsed, ParsedCassette
from pytest_templates.cassettes.storage.store import writing
from pytest_templates.errors import CassetteError, CassetteMiss
from pytest_templates.redaction.secrets import Secrets
from pytest_templates.support.client_errors import as_client_error


@contextmanager
def open_cassette(
    settings: CassetteSettings, environ: Mapping[str, str] = os.environ, rules: Rules | None = None
) -> Iterator[OpenCassette]:
    """Replay and record the requests that are made in a block.

    What is recorded is left to the next recording when the block ends: call `OpenCassette.save`. Several cassettes may
    be open at once, each in a thread or task of its own; threads that know of no cassette belong to the only one that
    is open.

    Args:
        settings: Which cassette, and what it may do.
        environ: The environment whose secret values are kept out of the file.
        rules: What is added to the built-in scrubbing and matching.

    Raises:
        CassetteError: The file is damaged or no cassette, a setting names what does not exist, or a library that is
            loaded cannot be caught.
    """
    cassette = OpenCassette(settings, environ, rules or Rules())
    try:
        with cassette.playing():
            yield cassette
    finally:
        cassette.leave()


class OpenCassette:
    """A cassette in use, also by the processes that are forked meanwhile.

    Args:
        settings: Which cassette, and what it may do.
        environ: The environment whose secret values are kept out of the file.
        rules: What is added to the built-in scrubbing and matching.
        held: What it holds; ``None`` for what its file does.

    Attributes:
        settings: What was asked for.
        path: The file; that of its copy on this machine where the cassette lies behind a URL.
        misses: What was wrong with every request that could be neither replayed nor sent, also where the program
            swallowed the error: mostly that it has no recording.
        orphans: The cassettes without a test that hold what was missed, and how many such requests.
        sought_in_orphans: How many requests were looked for in them.
        captures: The responses that are being recorded now.
        waiting: How many answers wait for the next recording, since they could not be saved.
        held_back: How many stay in the journal, since the test did not go well when it was played from them.
        has_left_alone: Whether a request was left alone, or may have been: its host is one of those ignored.
        sent_requests: The requests that were sent, and whether they were answered.
        file: The file as it is read and written.
    """

    def __init__(
        self,
        settings: CassetteSettings,
        environ: Mapping[str, str] | None = None,
        rules: Rules | None = None,
        held: Sequence[Interaction] | None = None,
    ) -> None:
        self.settings = settings
        self.path: Path = settings.path
        self.misses: list[CassetteError] = []
        self.orphans: Counter[Path] = Counter()
        self.sought_in_orphans = 0
        self.captures = ResponseCaptures()
        self.waiting = 0
        self.held_back = 0
        self.has_left_alone = False
        self._stand_in: OpenCassette | None = None
        self._refused: list[Interaction] = []
        self._plain: dict[RecordedRequest, bytes] = {}  # loaded requests without secrets, with their fingerprints
        self._live: dict[int, bool] = {}  # by `id`: what was recorded now; whether it is kept otherwise than it came
        self.sent_requests = SentRequests()
        self._is_writable = False
        self._rules = rules or Rules()
        self._environ = os.environ if environ is None else environ
        self._credentials = Credentials(self._environ)
        self._matcher = Matcher(settings.match_on, settings.ignore)
        self.file = CassetteFile(settings, self._matcher, self._kept, self._text)
        self._journal = Journal(self.file.store, settings.path, settings.author.test)
        if held is None:
            found = self.file.load(lambda: self._loaded(settings.path))
        else:
            found = self._known([Parsed.of(interaction, self._matcher) for interaction in held])
        self._exists = found is not None
        self._player = Player(found or [], self._from_journal(), self._fingerprint)
        self._base = Player(self._held_by_base(), [], self._fingerprint)
        self._process = os.getpid()
        self._is_over: SharedLog | None = None  # by which processes that were forked are told so
        self._has_ended = False  # as a process that was forked knows
        self._resting: list[Resting] = []
        self._sample: int | None = None  # the one that is played or recorded now, where there are several

    @property
    def test(self) -> str:
        """The test whose cassette it is; ``""`` for none."""
        return self.settings.author.test

    def leaves_alone(self, host: str, port: int | None) -> bool:
        """Whether requests to a host are neither recorded nor replayed; that this was asked of one is noted."""
        is_ignored = any(pattern.matches(host, port) for pattern in self.settings.ignore_hosts)
        self.has_left_alone = self.has_left_alone or is_ignored
        return is_ignored

    @contextmanager
    def playing(self, sample: int | None = None) -> Iterator[None]:
        """Answer the requests of a block. `save` or `leave` what was recorded, in the block or behind it.

        Args:
            sample: The number of the sample that the block is; what others have recorded is not for it, and it counts
                alone, in the block. ``None`` for a test without samples. Each sample has a block of its own.
        """
        self._sample = sample
        self._journal.reopen()
        try:
            with self._shared_with_forks(), intercepting(self), catching_models():
                yield
        finally:
            try:
                self.captures.end()
            finally:
                self._journal.close()
                self._sample = None

    @contextmanager
    def _shared_with_forks(self) -> Iterator[None]:
        """Let the processes that are forked in a block play and record as long as it lasts."""
        try:
            with taking_part(self):
                yield
        finally:
            if self._is_over is not None:
                with self._is_over.locked():
                    self._is_over.add(True)
                if not self._is_forked:
                    self._is_over = None

    def before_fork(self) -> None:
        """Share with the new process what was played, and the journal; the test fails where that cannot be done."""
        try:
            self._share()
        except OSError as error:
            self.note(CassetteError(f"{self.settings.place}: a process that is forked cannot share it: {error}"))
        except CassetteError as error:
            self.note(error)
        for part in (self._journal, self._base, self._player, self.captures, self.sent_requests):
            part.rest()
            self._resting.append(part)  # not before: another thread may be about to fork as well

    def _share(self) -> None:
        self._is_over = self._is_over or SharedLog()
        for player in (self._base, self._player):
            player.share()
        if self.settings.mode != "none":
            with writing(self.path, self.file.store):
                self._journal.share(self.secrets)

    def after_fork(self, *, in_child: bool) -> None:
        """Go on, in the new process in the place of the fork."""
        while self._resting:
            self._resting.pop().go_on(in_child=in_child)

    @property
    def played(self) -> int:
        """How many recorded interactions were replayed."""
        loaded = (*self._base.recordings(), *self._player.recordings())
        return sum(recording.played and self._is_meant(recording.interaction) for recording in loaded)

    @property
    def recorded(self) -> int:
        """How many interactions were recorded now."""
        self._gather()
        return sum(map(self._is_meant, self._player.recorded))

    @property
    def asked_without_engine(self) -> int:
        """How many interactions, replayed or recorded now, no model of the engine asked for."""
        self._gather()
        return sum(one.model is None and self._is_meant(one) for one in (*self._base.used(), *self._player.used()))

    @property
    def unused(self) -> int:
        """How many recorded interactions were loaded and not replayed yet; none where those are dropped."""
        drops = self.settings.mode == "changed" and not self.settings.author.run
        return 0 if drops else len(self.unplayed)

    @property
    def requests(self) -> list[Interaction]:
        """The requests so far, in order: those replayed and recorded, then those refused, which have no response."""
        self._gather()
        return [*filter(self._is_meant, (*self._base.used(), *self._player.used(), *self._refused))]

    @property
    def secrets(self) -> Secrets:
        """What may not be kept: secret values of the environment, and the keys that requests were sent with."""
        return self._credentials.secrets()

    @property
    def unplayed(self) -> list[Recording]:
        """The recorded interactions that were not replayed yet."""
        return [one for one in self._player.recordings() if not one.played and self._is_meant(one.interaction)]

    def _is_meant(self, interaction: Interaction) -> bool:
        """Whether an interaction is of the sample that is under way; all are where none is."""
        return self._sample is None or interaction.sample == self._sample

    @property
    def redacted_replays(self) -> list[Interaction]:
        """The replayed requests whose answers hold what stands for a secret."""
        return [one for one in self.requests if id(one) not in self._live and is_redacted(one.response)]

    @property
    def redacted(self) -> list[Interaction]:
        """The requests so far whose answers are kept without their secrets."""
        secrets = self.secrets  # some were learnt after the answer
        altered = [one for one in self.requests if self._live.get(id(one)) or scrub(one, secrets) is not one]
        return [*altered, *self.redacted_replays]

    def _gather(self) -> None:
        """Take in what forked processes have recorded."""
        with writing(self.path, self.file.store):
            for order, interaction in self._journal.from_forks():
                self._player.add(order, interaction)

    def save(self) -> None:
        """Write what was recorded, in one step; does nothing when nothing is new, and never in mode ``"none"``.

        New interactions follow the old ones; in mode ``"all"`` they replace what this run has not recorded. See
        `file` for what becomes of recordings that others have made meanwhile. In mode ``"changed"`` the old ones that
        were not used are dropped; where nothing at all was used the file stays. A stream that nobody has read to its
        end is kept as far as it was read.

        Raises:
            CassetteError: A secret would reach the disk, or the file cannot be written. The old file stays as it is,
                and what was recorded stays in the journal for the next recording of the test.
        """
        self.captures.end()
        self._gather()
        unsaved = self._player.unsaved()
        used = self._player.used() if self.settings.mode == "changed" else []
        if not unsaved and not self._journal.exists and not self.file.differs_from(used):
            return
        try:
            with writing(self.path, self.file.store), self.file.store.lock():
                if used:
                    self.file.replace(used)
                else:
                    self.file.add(list(unsaved.values()))
                self._player.mark_saved(unsaved)
                self._journal.remove()
        finally:
            self._let_go()

    def leave(self) -> None:
        """Leave what was recorded to the next recording of the test. The old file stays as it is.

        Raises:
            CassetteError: The file system refuses.
        """
        try:
            self.captures.end()
            self._gather()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self.waiting = self._journal.answers
        with writing(self.path, self.file.store):
            self._journal.leave()

    def learn(self, request: RecordedRequest) -> None:
        """Take in the credentials that a request carries: they are kept out of everything."""
        self._credentials.learn(request)

    def hold_back(self) -> None:
        """As `leave`, where the test went well, and not when it was played from what it had recorded."""
        self.held_back = self.unsaved
        self.leave()

    @property
    def unsaved(self) -> int:
        """How many interactions the file does not hold yet: recorded now, or left in the journal and played now."""
        self._gather()
        return sum(map(self._is_meant, self._player.unsaved().values()))

    @property
    def taken_over(self) -> int:
        """How many answers of earlier runs, whose recording was not kept, were played instead of asking for them."""
        return sum(recording.played for recording in self._player.left_by_earlier_runs())

    @property
    def given_up(self) -> int:
        """How many answers of earlier runs were not played: they go when what was recorded is saved."""
        return sum(not recording.played for recording in self._player.left_by_earlier_runs())

    @property
    def left(self) -> dict[Order, Interaction]:
        """What was asked and waits for the next recording, since it could not be saved; by its place in the test."""
        return self._player.unsaved() if self.waiting else {}

    def as_saved(self, complain: Callable[[Exception], None]) -> OpenCassette:
        """A cassette to be replayed that holds what the file will after `save`, as it is read there.

        Args:
            complain: As in its settings.

        Raises:
            CassetteError: As `save`.
        """
        test = Author(self.settings.author.test)
        settings = replace(
            self.settings, mode="none", complain=complain, before_sending=None, author=test, orphans=None
        )
        saved = OpenCassette(settings, self._environ, self._rules, self._to_be_saved())
        saved._sample = self._sample
        return saved

    def _to_be_saved(self) -> list[Interaction]:
        if self.settings.mode == "changed":
            return self._reread(self._player.used())
        with writing(self.path, self.file.store), self.file.store.lock():
            return self.file.with_added(self._reread(list(self._player.unsaved().values())))

    def _reread(self, interactions: Sequence[Interaction]) -> list[Interaction]:
        """The interactions as they are when they have been written and read; long ones are written as they are."""
        text = b"".join(self._text([one for one in interactions if not is_long(one)]))
        with self._noting_errors():  # `save` reads nothing, and would not meet it
            try:
                read = iter(from_bytes(text))
            except FormatError as error:
                raise CassetteError(f"{self.settings.place}: what was recorded {error}") from error
        return [one if is_long(one) else next(read) for one in interactions]

    @contextmanager
    def played_from(self, other: OpenCassette) -> Iterator[None]:
        """Let another cassette answer the requests of a block that belong to this one, which stays open."""
        self._stand_in = other
        try:
            with other._shared_with_forks():
                yield
        finally:
            self._stand_in = None

    def pass_over(self, interactions: Iterable[Interaction]) -> None:
        """Take recordings for replayed, in order; those that it does not hold are left out."""
        for one in interactions:
            fingerprint, caller = self._fingerprint(one), Caller(one.template, "", one.model or "")
            if self._base.play(fingerprint, caller) is None:
                self._player.play(fingerprint, caller)

    def decide(self, request: RecordedRequest) -> Decision:
        """Replay a request, send it, or refuse it.

        Raises:
            CassetteMiss: It has no recording left, and the mode does not allow to send it.
            CassetteError: A rule of the project failed, or this process has outlived the test that forked it.
        """
        if self._stand_in is not None:
            return self._stand_in.decide(request)
        with self._noting_errors():
            decision = self._decision(request, current_caller())
        note_replay(decision.replay)
        return decision

    def _decision(self, request: RecordedRequest, caller: Caller | None) -> Decision:
        self._check_that_test_goes_on(request)
        request = self._asked(request, caller)
        asked = Interaction.of(caller, request, UNANSWERED, self._sample or 1)
        fingerprint = self._fingerprint(asked)
        opinion = self._opinion(request, caller)
        replay = self._base.play(fingerprint, caller, opinion) or self._player.play(fingerprint, caller, opinion)
        if replay is not None:
            return Decision(request, caller, replay)
        if self.settings.mode == "none":
            self._refused.append(asked)
            raise as_client_error(self._missing(request, caller, fingerprint))
        self._check_writable()
        if self.settings.before_sending is not None:
            self.settings.before_sending()
        self.sent_requests.sent(fingerprint, caller.template_path if caller else None)
        return Decision(request, caller, order=self._player.reserve())

    def _asked(self, request: RecordedRequest, caller: Caller | None) -> RecordedRequest:
        """A request as it is kept and compared; one that was recorded just like this is not searched for secrets."""
        plain = as_kept(request)
        if plain in self._plain:
            self._credentials.learn_from_head(request)
            if request_stays(plain, self.secrets):
                return plain
        self.learn(request)
        if self._rules.scrub is None:
            return scrub_request(replace(request, body=digested(request)), self.secrets)
        return self._kept(Interaction.of(caller, request, UNANSWERED)).request

    def _check_that_test_goes_on(self, request: RecordedRequest) -> None:
        if self._is_over is not None and self._is_forked:
            with self._is_over.locked() as told:
                if told:  # to one thread alone
                    self._has_ended = True
            if self._has_ended:
                raise CassetteError(_outlived(self.settings, request))

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._process

    def _check_writable(self) -> None:
        """Raise before the first answer is paid for, not when it is to be written."""
        if not self._is_writable:
            with writing(self.path, self.file.store), self.file.store.lock():
                self.file.store.check_writable(self.path)
            self._is_writable = True

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Keep the response to a request that was sent, without its secrets.

        Raises:
            CassetteError: It cannot be kept, or a rule of the project failed.
        """
        interaction = Interaction.of(decision.caller, decision.request, response, self._sample or 1)
        self.sent_requests.answered(self._fingerprint(interaction), interaction)
        with self._noting_errors():
            self._credentials.learn_from_answer(response)
            interaction = self._kept(interaction)
            try:
                check_readable(interaction)
            except FaultError as fault:
                raise CassetteError(_unreadable(self.settings, interaction.request, fault)) from fault
            self._player.add(decision.order, interaction)
            self._live[id(interaction)] = is_altered(response, interaction.response)
        try:
            self._keep_in_journal(decision.order, interaction)
        except CassetteError as error:
            # not raised: a client would take it for a failed call and pay again; `save` of this process meets it, too
            if self._is_forked:
                self.note(error)

    def _keep_in_journal(self, order: Order, interaction: Interaction) -> None:
        secrets = self.secrets
        refuse_leaks(self.settings.place, CassetteText([interaction]), secrets)
        with writing(self.path, self.file.store):
            self._journal.append(order, interaction, secrets)

    def _kept(self, interaction: Interaction) -> Interaction:
        """An interaction as it may be kept: by the built-in rules, and by those of the project between them."""
        secrets, rule = self.secrets, self._rules.scrub
        scrubbed = scrub(with_digests(interaction), secrets)
        return scrubbed if rule is None else scrub(in_pieces(rule(scrubbed), scrubbed.response), secrets)

    def _loaded(self, path: Path) -> list[Interaction] | None:
        """What a cassette of the store holds, as it may be kept; ``None`` where there is none."""
        cassette = ParsedCassette(path, self.settings.home, self._matcher, self.settings.parsed)
        read = cassette.load()
        if read is None:
            return None
        known = self._known(read)
        if all(kept is one.interaction for kept, one in zip(known, read, strict=True)):
            cassette.keep(read)
        return known

    def _known(self, read: Sequence[Parsed]) -> list[Interaction]:
        """Interactions that were recorded, as they may be kept; their requests are known from now on."""
        if self._rules.scrub is not None:
            return [self._kept(one.interaction) for one in read]
        secrets = self.secrets
        self._plain |= {one.interaction.request: one.fingerprint for one in read if one.found.is_plain}
        return [scrub_inspected(one.interaction, one.found, secrets) for one in read]

    def _from_journal(self) -> list[Interaction]:
        """What earlier runs have left of this test's recordings."""
        if self.settings.mode == "none":
            return []
        with writing(self.path, self.file.store):
            return self._journal.take_over(self._kept)

    def _missing(self, request: RecordedRequest, caller: Caller | None, fingerprint: bytes) -> CassetteMiss:
        """The error for a request without a recording; says where the answer is, where it is anywhere."""
        is_kept, advice = self._is_kept(fingerprint), ""
        if self.settings.orphans is not None and not is_kept:
            found = self.settings.orphans.holding(fingerprint, self._matcher, self._kept)
            self.orphans.update(found)
            self.sought_in_orphans += 1
            advice = self.settings.orphans.advice(found)
        report = replace(self._report(request, caller), is_kept=is_kept, advice=advice)
        return report.miss(self._reason(fingerprint))

    def _is_kept(self, fingerprint: bytes) -> bool:
        """Whether the answer to a request waits for the next recording; a journal that cannot be read says nothing."""
        with suppress(OSError, CassetteError):  # `cassettes check` tells of damage; this is about a missing recording
            return any(self._fingerprint(self._kept(one)) == fingerprint for one in self._journal.waiting())
        return False

    def _held_by_base(self) -> list[Interaction]:
        return self._loaded(self.settings.base) or [] if self.settings.base else []

    def _opinion(self, request: RecordedRequest, caller: Caller | None) -> Opinion | None:
        rule, sample = self._rules.match, self._sample or 1
        opinion = (
            None
            if rule is None
            else lambda recorded: rule(request, recorded.request) if recorded.sample == sample else False
        )
        return of_model(caller.model, opinion) if caller and caller.model in self.settings.overriding else opinion

    def _text(self, interactions: Sequence[Interaction]) -> CassetteText:
        """The text of a cassette, without the secrets that were learnt after the recording as well."""
        secrets = self.secrets
        text = CassetteText([scrub(interaction, secrets) for interaction in interactions])
        refuse_leaks(self.settings.place, text, secrets)
        return text

    def _fingerprint(self, interaction: Interaction) -> bytes:
        return self._matcher.key(interaction, self._plain.get(interaction.request))

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Keep an error that the program may swallow."""
        try:
            yield
        except CassetteError as error:
            self.note(error)
            raise

    def note(self, error: CassetteError) -> None:
        """Add an error to those of the test, also where the program swallows it."""
        if self._stand_in is not None:
            self._stand_in.note(error)
            return
        self.misses.append(error)
        if self.settings.complain is not None:
            self.settings.complain(error)

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error for a program that reads on where the one that was recorded had left the stream."""
        if self._stand_in is not None:
            return self._stand_in.read_past(decision)
        miss = as_client_error(self._report(decision.request, decision.caller).miss("left-early"))
        self.note(miss)
        return miss

    def _report(self, request: RecordedRequest, caller: Caller | None) -> MissReport:
        return MissReport(self.settings, self._matcher, request, caller, self._of_sample(), self.secrets)

    def _of_sample(self) -> list[Recording]:
        return [one for one in self._player.recordings() if one.interaction.sample == (self._sample or 1)]

    def _reason(self, fingerprint: bytes) -> str:
        if not self._exists:
            return "no-cassette"
        if (self._sample or 1) > 1 and not self._of_sample():
            return "no-sample"
        return "already-played" if self._player.has_played(fingerprint) else "no-match"


def _unreadable(settings: CassetteSettings, request: RecordedRequest, fault: FaultError) -> str:
    return (
        f"{settings.place}: the answer to {request.method} {request.uri.partition('?')[0]} cannot be recorded: "
        f"what would be written {fault}.\n"
        "Look at what the server, or a rule of the project (pytest_templates_scrub), makes of it."
    )


def _outlived(settings: CassetteSettings, request: RecordedRequest) -> str:
    return (
        f"{request.method} {request.uri.partition('?')[0]} is asked for by process {os.getpid()}, which was forked "
        f"while {settings.place} was open, and has outlived that test.\n"
        "Start the workers of a test in the test, or in a fixture of its own, so that they end with it."
    )
