"""Opening a cassette: for the length of a block, every request of the process is replayed from it or recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from antiphon.calls import Caller, current_caller
from pytest_templates.cassettes import persister
from pytest_templates.cassettes.credentials import Credentials
from pytest_templates.cassettes.format import to_text
from pytest_templates.cassettes.interception import intercepting
from pytest_templates.cassettes.leaks import refuse_leaks
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.miss import MissReport
from pytest_templates.cassettes.recorder import Decision
from pytest_templates.cassettes.rules import UNANSWERED, Rules, in_pieces
from pytest_templates.cassettes.scrub import scrub
from pytest_templates.cassettes.secrets import Secrets
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.takes import Takes
from pytest_templates.cassettes.tape import Opinion, Tape
from pytest_templates.cassettes.values import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.clients import passed_on
from pytest_templates.errors import CassetteError, CassetteMiss


@contextmanager
def open_cassette(
    settings: CassetteSettings, environ: Mapping[str, str] = os.environ, rules: Rules | None = None
) -> Iterator[OpenCassette]:
    """Replay and record the requests that are made in a block.

    Nothing is written when the block ends: call `OpenCassette.save`. Several cassettes may be open at once, each in a
    thread or task of its own; threads that know of no cassette belong to the only one that is open.

    Args:
        settings: Which cassette, and what it may do.
        environ: The environment whose secret values are kept out of the file.
        rules: What is added to the built-in scrubbing and matching.

    Raises:
        CassetteError: The file is damaged or no cassette, a setting names what does not exist, or a library that is
            loaded cannot be caught.
    """
    cassette = OpenCassette(settings, environ, rules or Rules())
    with intercepting(cassette):
        yield cassette


class OpenCassette:
    """A cassette in use.

    Attributes:
        settings: What was asked for.
        path: The file.
        misses: What was wrong with every request that could be neither replayed nor sent, also where the program
            swallowed the error: mostly that it has no recording.
        takes: The responses that are being recorded now.
    """

    def __init__(self, settings: CassetteSettings, environ: Mapping[str, str], rules: Rules) -> None:
        self.settings = settings
        self.path: Path = settings.path
        self.misses: list[CassetteError] = []
        self.takes = Takes()
        self._answered: list[tuple[str | None, str | None]] = []
        self._rules = rules
        self._credentials = Credentials(environ)
        self._matcher = Matcher(settings.match_on, settings.ignore)
        self._exists = settings.path.exists()
        loaded = self._written = self._loaded()
        self._tape = Tape(loaded, (self._matcher.fingerprint(interaction.request) for interaction in loaded))

    @property
    def played(self) -> int:
        """How many recorded interactions were replayed."""
        return self._tape.played

    @property
    def recorded(self) -> int:
        """How many interactions were recorded now."""
        return self._tape.recorded

    @property
    def unused(self) -> int:
        """How many recorded interactions were loaded and not replayed yet."""
        return self._tape.unused

    @property
    def secrets(self) -> Secrets:
        """What may not be kept: secret values of the environment, and the keys that requests were sent with."""
        return self._credentials.secrets()

    def save(self) -> None:
        """Write what was recorded, in one step; does nothing when nothing is new, and never in mode ``"none"``.

        In mode ``"missing"`` the new interactions follow the old ones, in mode ``"all"`` they replace them. In mode
        ``"changed"`` the old ones that were not used are dropped; where nothing at all was used the file stays. A
        stream that nobody has read to its end is kept as far as it was read.

        Raises:
            CassetteError: A secret would reach the disk, or the file cannot be written. The old file stays as it is.
        """
        self.takes.end()
        interactions = self._tape.used() if self.settings.mode == "changed" else self._tape.interactions()
        if self.settings.mode == "none" or interactions in ([], self._written):
            return
        secrets = self.secrets
        text = to_text([scrub(interaction, secrets) for interaction in interactions])
        refuse_leaks(self.path, text, secrets)
        persister.write(self.path, text)
        self._written = interactions

    def decide(self, request: RecordedRequest) -> Decision:
        """Replay a request, send it, or refuse it.

        Raises:
            CassetteMiss: It has no recording left, and the mode does not allow to send it.
            CassetteError: A rule of the project failed.
        """
        with self._noting_errors():
            return self._decision(request, current_caller())

    def _decision(self, request: RecordedRequest, caller: Caller | None) -> Decision:
        self._credentials.learn(request)
        request = self._kept(_interaction(caller, request, UNANSWERED)).request
        fingerprint = self._matcher.fingerprint(request)
        replay = self._tape.take(fingerprint, caller, self._opinion(request))
        if replay is not None:
            return Decision(request, caller, replay)
        if self.settings.mode == "none":
            raise passed_on(self._miss(request, caller, fingerprint))
        if self.settings.before_sending is not None:
            self.settings.before_sending()
        return Decision(request, caller, order=self._tape.reserve())

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Keep the response to a request that was sent, without its secrets."""
        interaction = _interaction(decision.caller, decision.request, response)
        if response.status < HTTPStatus.BAD_REQUEST:
            self._answered.append((interaction.template, interaction.model))
        with self._noting_errors():
            self._tape.add(decision.order, self._kept(interaction))

    def _kept(self, interaction: Interaction) -> Interaction:
        """An interaction as it may be kept: by the built-in rules, and by those of the project between them."""
        secrets, rule = self.secrets, self._rules.scrub
        scrubbed = scrub(interaction, secrets)
        return scrubbed if rule is None else scrub(in_pieces(rule(scrubbed), scrubbed.response), secrets)

    def _opinion(self, request: RecordedRequest) -> Opinion | None:
        rule = self._rules.match
        return None if rule is None else (lambda recorded: rule(request, recorded.request))

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Keep an error that the program may swallow."""
        try:
            yield
        except CassetteError as error:
            self.misses.append(error)
            raise

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error for a program that reads on where the one that was recorded had left the stream."""
        miss = passed_on(self._report(decision.request, decision.caller).miss("left-early"))
        self.misses.append(miss)
        return miss

    def was_sent(self, template: str | None, model: str | None) -> bool:
        """Whether a model answered somebody's request, and was not just replayed; each answer is told once.

        Args:
            template: The path of the template that asked; ``None`` for a call from outside of templates.
            model: The name of the model; ``None`` where a client was used without the engine.
        """
        try:
            self._answered.remove((template, model))
        except ValueError:
            return False
        return True

    def _loaded(self) -> list[Interaction]:
        """What the file holds, scrubbed by today's environment; nothing in mode ``"all"``, which replaces it."""
        if self.settings.mode == "all":
            return []
        return [self._kept(interaction) for interaction in persister.load(self.path)]

    def _miss(self, request: RecordedRequest, caller: Caller | None, fingerprint: bytes) -> CassetteMiss:
        return self._report(request, caller).miss(self._reason(fingerprint))

    def _report(self, request: RecordedRequest, caller: Caller | None) -> MissReport:
        return MissReport(self.settings, self._matcher, request, caller, self._tape.tracks(), self.secrets)

    def _reason(self, fingerprint: bytes) -> str:
        if not self._exists:
            return "no-cassette"
        return "already-played" if self._tape.has_played(fingerprint) else "no-match"

    def __bool__(self) -> bool:
        return True  # an open cassette is one, also while it is empty

    def __repr__(self) -> str:
        return f"<OpenCassette {self.path}: {self.played} played, {self.recorded} recorded, {self.unused} unused>"


def _interaction(caller: Caller | None, request: RecordedRequest, response: RecordedResponse) -> Interaction:
    return Interaction(None, None, request, response).asked_by(caller)
