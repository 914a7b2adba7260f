"""What a cassette holds, as values: a request, its response, and who asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from antiphon.trace import Caller

Headers: TypeAlias = tuple[tuple[str, str], ...]
# The place of a request among those of a test. In a process that was forked it begins with the place of the fork among
# the requests of the parent: (3, 0) is its first request, and comes between (2,) and (4,) of the parent.
Order: TypeAlias = tuple[int, ...]
USUAL_VERSION: Final = "HTTP/1.1"
# what has broken a body off, where that was the program: it has left, or its task was cancelled while it read
CLIENT: Final = "client"
CANCELLATION: Final = "cancellation"
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


def header(headers: Headers, name: str) -> str:
    """The first value of a header, or ``""``; names are lower-case."""
    for key, value in headers:
        if key == name:
            return value
    return ""


def unusual_version(version: str) -> str:
    """A version of HTTP as `RecordedResponse` holds it: ``""`` for HTTP/1.1."""
    return "" if version == USUAL_VERSION else version


def usual_reason(status: int) -> str:
    """The reason phrase that belongs to a status code; ``""`` for an unknown one."""
    return _REASONS.get(status, "")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it is kept and matched: without secrets, its body not compressed.

    Attributes:
        method: In capitals.
        uri: The whole address, secrets in it replaced.
        headers: Pairs of lower-case name and value.
        body: The bytes that were sent; empty for none.
    """

    method: str
    uri: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed body: what came at once.

    Attributes:
        size: How many bytes of the body it is.
        at: When it came, in seconds since the request was sent.
    """

    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Truncation:
    """Where a body was broken off before its end.

    Attributes:
        at: When, in seconds since the request was sent.
        by: ``"client"`` where the program left early, ``"cancellation"`` where its task was cancelled, as by a timeout;
            else the name of the error that httpx raised.
    """

    at: float
    by: str

    @property
    def is_leaving(self) -> bool:
        """Whether it was the program that broke the body off, and not the server or the connection."""
        return self.by in {CLIENT, CANCELLATION}


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response as it is kept and replayed.

    Attributes:
        status: The HTTP status code.
        reason: The reason phrase; ``""`` where the code's usual one was sent, or none.
        headers: Pairs of lower-case name and value.
        body: The bytes that came back, not compressed.
        arrivals: The pieces in which a stream came; together they are the body. Empty for a body that is one piece.
        cut: Where the body was broken off; ``None`` where it came to its end.
        http_version: Such as ``"HTTP/2"``; ``""`` for HTTP/1.1.
        encoding: How the body was compressed when it came, as ``content-encoding`` says it; ``""`` where it was not, or
            where the program could not see it.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes
    arrivals: tuple[Chunk, ...] = ()
    cut: Truncation | None = None
    http_version: str = ""
    encoding: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether it is no answer: the server has refused or failed, or the connection broke before its end."""
        return self.status >= HTTPStatus.BAD_REQUEST or (self.cut is not None and not self.cut.is_leaving)

    @property
    def pieces(self) -> list[bytes]:
        """The body in the pieces in which it came."""
        return list(self.each_piece())

    def each_piece(self) -> Iterator[bytes]:
        """The same pieces, one after the other."""
        start = 0
        for arrival in self.arrivals:
            yield self.body[start : start + arrival.size]
            start += arrival.size
        if not self.arrivals:
            yield self.body


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its response.

    Attributes:
        template: The path of the template that asked; ``None`` for a call from outside of templates.
        model: The name of the model that was asked, where the engine said so.
        request: What was sent.
        response: What came back.
        sample: The sample that it belongs to, from 1; 1 for all of a test that is not run in samples.
    """

    template: str | None
    model: str | None
    request: RecordedRequest
    response: RecordedResponse
    sample: int = 1

    @classmethod
    def of(
        cls, caller: Caller | None, request: RecordedRequest, response: RecordedResponse, sample: int = 1
    ) -> Interaction:
        """A request and its response, with the template that made the call."""
        return cls(None, None, request, response, sample).asked_by(caller)

    def asked_by(self, caller: Caller | None) -> Interaction:
        """The same, as a call of another template."""
        template, model = (caller.template_path, caller.model) if caller else (None, None)
        if (template, model) == (self.template, self.model):
            return self
        return Interaction(template, model, self.request, self.response, self.sample)
