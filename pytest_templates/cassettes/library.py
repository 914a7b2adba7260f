"""Opening a cassette: for the length of a block, every request of the process is replayed from it or recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from antiphon.calls import Caller, current_caller
from pytest_templates.cassettes import persister
from pytest_templates.cassettes.format import to_text
from pytest_templates.cassettes.interception import intercepting
from pytest_templates.cassettes.leaks import refuse_leaks
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.miss import MissReport
from pytest_templates.cassettes.recorder import Decision
from pytest_templates.cassettes.scrub import scrub, scrub_request
from pytest_templates.cassettes.secrets import Secrets, secrets_of
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.takes import Takes
from pytest_templates.cassettes.tape import Tape
from pytest_templates.cassettes.values import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.errors import CassetteMiss


@contextmanager
def open_cassette(settings: CassetteSettings, environ: Mapping[str, str] = os.environ) -> Iterator[OpenCassette]:
    """Replay and record the requests that are made in a block.

    Nothing is written when the block ends: call `OpenCassette.save`. Several cassettes may be open at once, each in a
    thread or task of its own; threads that know of no cassette belong to the only one that is open.

    Args:
        settings: Which cassette, and what it may do.
        environ: The environment whose secret values are kept out of the file.

    Raises:
        CassetteError: The file is damaged or no cassette, a setting names what does not exist, or a library that is
            loaded cannot be caught.
    """
    cassette = OpenCassette(settings, environ)
    with intercepting(cassette):
        yield cassette


class OpenCassette:
    """A cassette in use.

    Attributes:
        settings: What was asked for.
        path: The file.
        misses: Every request that had no recording and could not be sent, also where the program swallowed the error.
        takes: The responses that are being recorded now.
    """

    def __init__(self, settings: CassetteSettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.path: Path = settings.path
        self.misses: list[CassetteMiss] = []
        self.takes = Takes()
        self._environ = environ
        self._matcher = Matcher(settings.match_on, settings.ignore)
        self._store = settings.store or Store(settings.path.parent)
        found = None if settings.mode == "all" else persister.existing(self.path, self._store)
        self._exists = found is not None
        loaded = [scrub(interaction, self._secrets()) for interaction in found or []]
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

    def save(self) -> None:
        """Write what was recorded, in one step; does nothing when nothing was, and never in mode ``"none"``.

        In mode ``"missing"`` the new interactions follow the old ones, in mode ``"all"`` they replace them. A stream
        that nobody has read to its end is kept as far as it was read.

        Raises:
            CassetteError: A secret would reach the disk, or the file cannot be written. The old file stays as it is.
        """
        self.takes.end()
        if self.settings.mode == "none" or not self._tape.changed:
            return
        interactions = self._tape.interactions()
        secrets = self._secrets()
        text = to_text([scrub(interaction, secrets) for interaction in interactions])
        refuse_leaks(self.path, text, secrets)
        persister.write(self.path, text, self._store)
        self._tape.mark_saved(interactions)

    def decide(self, request: RecordedRequest) -> Decision:
        """Replay a request, send it, or refuse it.

        Raises:
            CassetteMiss: It has no recording left, and the mode does not allow to send it.
        """
        request, caller = scrub_request(request, self._secrets()), current_caller()
        fingerprint = self._matcher.fingerprint(request)
        replay = self._tape.take(fingerprint)
        if replay is not None:
            return Decision(request, caller, replay)
        if self.settings.mode == "none":
            raise self._miss(request, caller, fingerprint)
        return Decision(request, caller, order=self._tape.reserve())

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Keep the response to a request that was sent, without its secrets."""
        template, model = (decision.caller.template_path, decision.caller.model) if decision.caller else (None, None)
        interaction = Interaction(template, model, decision.request, response)
        self._tape.add(decision.order, scrub(interaction, self._secrets()))

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error for a program that reads on where the one that was recorded had left the stream."""
        report = MissReport(self.settings, self._matcher, decision.request, decision.caller, self._tape.tracks())
        miss = report.miss("left-early")
        self.misses.append(miss)
        return miss

    def _secrets(self) -> Secrets:
        return secrets_of(self._environ)

    def _miss(self, request: RecordedRequest, caller: Caller | None, fingerprint: bytes) -> CassetteMiss:
        report = MissReport(self.settings, self._matcher, request, caller, self._tape.tracks())
        miss = report.miss(self._reason(fingerprint))
        self.misses.append(miss)
        return miss

    def _reason(self, fingerprint: bytes) -> str:
        if not self._exists:
            return "no-cassette"
        return "already-played" if self._tape.knows(fingerprint) else "no-match"

    def __bool__(self) -> bool:
        return True  # an open cassette is one, also while it is empty

    def __repr__(self) -> str:
        return f"<OpenCassette {self.path}: {self.played} played, {self.recorded} recorded, {self.unused} unused>"
