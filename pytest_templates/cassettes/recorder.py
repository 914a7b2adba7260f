"""What a cassette is for the code that catches requests: it decides about them and takes their responses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from antiphon.calls import Caller
from pytest_templates.cassettes.secrets import Secrets
from pytest_templates.cassettes.takes import Takes
from pytest_templates.cassettes.values import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.errors import CassetteError, CassetteMiss


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen with one request.

    Attributes:
        request: The request, scrubbed.
        caller: Who asks.
        replay: The interaction to replay; ``None`` when the request is to be sent.
        order: The place of its recording among the new ones, when it is to be sent.
    """

    request: RecordedRequest
    caller: Caller | None
    replay: Interaction | None = None
    order: int = -1


class Recorder(Protocol):
    """What decides about requests and takes responses.

    Attributes:
        path: The file, by which it is named.
        takes: The responses that are being recorded now.
    """

    path: Path
    takes: Takes

    @property
    def secrets(self) -> Secrets:
        """What may not be kept of all that was sent and heard."""
        ...

    def note(self, error: CassetteError) -> None:
        """Hold an error against the test, also where the program swallows it."""
        ...

    def decide(self, request: RecordedRequest) -> Decision:
        """Say what is to happen with a request; raises where nothing may."""
        ...

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Take the response to a request that was sent."""
        ...

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error for a program that reads further than the one that was recorded."""
        ...
