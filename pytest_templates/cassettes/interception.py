"""The seam to vcrpy: its interception of HTTP libraries, with our matching, scrubbing and storage.

vcrpy patches every HTTP library it knows and asks a cassette what to do with each request; this cassette hands the
question on. vcrpy's own data, its file handling and its matchers are not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vcr.cassette import Cassette
from vcr.patch import CassettePatcherBuilder
from vcr.record_mode import RecordMode as VcrRecordMode
from vcr.request import Request as VcrRequest
from vcr.util import read_body

from antiphon.calls import Caller
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.unreset import without_reset
from pytest_templates.cassettes.values import Headers, Interaction, RecordedRequest, RecordedResponse, usual_reason
from pytest_templates.errors import CassetteError

_VCR_MODES: Final = {
    "none": VcrRecordMode.NONE,
    "missing": VcrRecordMode.NEW_EPISODES,
    "all": VcrRecordMode.ALL,
}
_DECISION: Final = "antiphon_decision"


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
    """What decides about requests and takes responses."""

    settings: CassetteSettings

    def decide(self, request: RecordedRequest) -> Decision:
        """Say what is to happen with a request; raises where nothing may."""
        ...

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Take the response to a request that was sent."""
        ...


class InterceptingCassette(Cassette):  # type: ignore[misc]  # vcrpy has no types
    """Answers vcrpy's questions by a `Recorder`.

    A request is decided about once: vcrpy asks several times about the same request, and from several threads, so the
    decision is kept on the request.
    """

    def __init__(self, recorder: Recorder) -> None:
        settings = recorder.settings
        super().__init__(path=str(settings.path), record_mode=_VCR_MODES[settings.mode])
        self._recorder = recorder

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Whether to replay; raises `CassetteMiss` where the request may not be sent either."""
        return self._decision(request).replay is not None

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """The recorded response, in vcrpy's form."""
        replay = self._decision(request).replay
        if replay is None:
            raise CassetteError(f"{self._path}: {request.method} {request.uri.partition('?')[0]} has no recording")
        return _vcr_response(replay.response)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Take the response to a request that was sent."""
        self._recorder.record(self._decision(request), _recorded_response(response))

    def find_requests_with_most_matches(self, request: VcrRequest) -> list[tuple[VcrRequest, list[Any], list[Any]]]:
        """The request itself: vcrpy asks for the recording of a redirect's next request this way."""
        return [(request, [], [])]

    def _decision(self, request: VcrRequest) -> Decision:
        decision: Decision | None = getattr(request, _DECISION, None)
        if decision is None:
            decision = self._recorder.decide(_recorded_request(request))
            setattr(request, _DECISION, decision)
        return decision

    def _load(self) -> None:
        """Nothing: the recorder has loaded the file."""

    def _save(self, force: bool = False) -> None:
        """Nothing: a cassette is saved on demand, not when it is closed."""

    def __bool__(self) -> bool:
        return True


@contextmanager
def intercepting(recorder: Recorder) -> Iterator[None]:
    """Send every request of this process past a recorder, for the length of a block."""
    builder: Any = CassettePatcherBuilder(InterceptingCassette(recorder))
    with without_reset(), ExitStack() as patches:
        for patcher in builder.build():
            patches.enter_context(patcher)
        yield


def _recorded_request(request: VcrRequest) -> RecordedRequest:
    return RecordedRequest(
        method=_text(request.method),
        uri=str(request.uri),
        headers=_headers(request.headers.items()),
        body=_bytes(read_body(request)),
    )


def _recorded_response(response: dict[str, Any]) -> RecordedResponse:
    headers = response["headers"]
    return RecordedResponse(
        status=response["status"]["code"],
        reason=response["status"]["message"] or "",
        headers=_headers(headers.items() if isinstance(headers, dict) else headers),
        body=_bytes(response["body"].get("string")),
    )


def _vcr_response(response: RecordedResponse) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    message = response.reason or usual_reason(response.status)
    return {
        "status": {"code": response.status, "message": message},
        "headers": headers,
        "body": {"string": response.body},
    }


def _headers(items: Iterable[tuple[Any, Any]]) -> Headers:
    """Pairs of vcrpy's headers, whose values may be texts, bytes or lists of these."""
    return tuple((_text(name).lower(), _text(value)) for name, values in items for value in _listed(values))


def _listed(values: Any) -> Iterable[Any]:
    return values if isinstance(values, (list, tuple)) else [values]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    """A body as vcrpy passes it on: some clients give it before it was written out."""
    if body is None or isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body or b"")
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode()
    raise CassetteError(f"a request body of the type {type(body).__name__} cannot be recorded")
