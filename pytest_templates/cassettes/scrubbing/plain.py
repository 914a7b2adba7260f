"""What holds nothing secret as it stands: seen once, it need not be searched again.

Whatever looks like a secret is found by what it looks like, in any environment: that is found out once, and may be kept
beside a recording (`Inspection`). The values that are secret change, with every key that a client sends: whether one of
them stands in a text can be seen in a moment (`stays`), as long as nothing in the text hides behind escapes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pytest_templates.cassettes.format.bodies import EVENTS, LINES, has_type, transferred
from pytest_templates.cassettes.format.media import digested
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse, header
from pytest_templates.cassettes.scrubbing.headers import kept_of_request, sized
from pytest_templates.cassettes.scrubbing.scrub import (
    needs_reading,
    scrub_around,
    scrub_request,
    scrub_response,
    spread_texts,
)
from pytest_templates.redaction.secrets import Secrets
from pytest_templates.redaction.windows import WINDOW

_NOTHING: Final = Secrets({})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found of an interaction as it was read.

    Attributes:
        is_plain: Whether its request is plain: JSON without anything that looks secret, or hides behind escapes. It
            gives no credential in its body either.
        said: The texts that are spread over the events of its response, where that is plain; ``None`` where it is not.
    """

    is_plain: bool
    said: tuple[str, ...] | None

    @classmethod
    def of(cls, interaction: Interaction) -> Inspection:
        """That of an interaction: a search through all of it."""
        return cls(_is_plain(interaction.request), _said_in(interaction.response))


def _is_plain(request: RecordedRequest) -> bool:
    if not _is_json(request) or "%" in request.uri or digested(request) is not request.body:
        return False
    head = RecordedRequest(request.method, request.uri, request.headers, b"")
    return _is_plain_head(head) and not needs_reading(_text(request.body), _NOTHING)


def _said_in(response: RecordedResponse) -> tuple[str, ...] | None:
    head = RecordedResponse(
        response.status,
        response.reason,
        response.headers,
        b"",
        cut=response.cut,
        http_version=response.http_version,
        encoding=response.encoding,
    )
    if not _is_plain_head(head) or not _fits(response) or needs_reading(_text(response.body), _NOTHING):
        return None
    return _spread(response)


@lru_cache(maxsize=256)  # many calls of a program differ in their bodies alone
def _is_plain_head(head: RecordedRequest | RecordedResponse) -> bool:
    """Whether what stands around a body is kept as it is, and hides nothing."""
    if isinstance(head, RecordedRequest):
        return scrub_request(head, _NOTHING) == head
    has_own = any(name == "set-cookie" or "%" in value for name, value in head.headers)  # cookies expire
    return not has_own and not header(head.headers, "content-encoding") and scrub_response(head, _NOTHING) == head


def _fits(response: RecordedResponse) -> bool:
    """Whether the headers and the pieces of a response are those of its body."""
    headers, body, is_cut = response.headers, response.body, response.cut is not None
    again = bool(response.encoding)
    return (
        sized(headers, body, body, encoded=False, again=again, cut=is_cut) == headers
        and transferred(headers, body, body, response.arrivals) == response.arrivals
    )


def _spread(response: RecordedResponse) -> tuple[str, ...] | None:
    """The texts that are spread over events or items; ``None`` for a response of another kind or with a secret."""
    if not has_type(response.headers, EVENTS + LINES) and not _is_json(response):
        return None
    is_short = len(response.body) <= WINDOW
    texts = tuple(spread_texts(response.headers, _text(response.body))) if is_short else None
    return None if texts is None or any(needs_reading(text, _NOTHING) for text in texts) else texts


def _is_json(sent: RecordedRequest | RecordedResponse) -> bool:
    media_type = header(sent.headers, "content-type").partition(";")[0].strip().lower()
    return media_type == "application/json" and len(sent.body) <= WINDOW


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def as_kept(request: RecordedRequest) -> RecordedRequest | None:
    """A request with the headers that are kept, whatever they hold; ``None`` where its body would be read first."""
    if header(request.headers, "content-encoding"):
        return None
    return RecordedRequest(request.method, request.uri, kept_of_request(request.headers), request.body)


def request_stays(request: RecordedRequest, secrets: Secrets) -> bool:
    """Whether a plain request is kept as it is: none of the secret values stands in it."""
    return secrets.is_empty or not secrets.may_hold_values(_joined(request, request.method, request.uri))


def response_stays(response: RecordedResponse, said: tuple[str, ...], secrets: Secrets) -> bool:
    """Whether a plain response is kept as it is: none of the secret values stands in it."""
    return secrets.is_empty or not secrets.may_hold_values(_joined(response, response.reason, *said))


def _joined(sent: RecordedRequest | RecordedResponse, *texts: str) -> str:
    return "\n".join((*texts, *(value for _, value in sent.headers), _text(sent.body)))


def scrub_inspected(interaction: Interaction, found: Inspection, secrets: Secrets) -> Interaction:
    """The interaction as it may be kept, with digests of media; the same one where it may."""
    request, response = interaction.request, interaction.response
    if not (found.is_plain and request_stays(request, secrets)):
        request = scrub_request(replace(request, body=digested(request)), secrets)
    if found.said is None or not response_stays(response, found.said, secrets):
        response = scrub_response(response, secrets)
    return scrub_around(interaction, request, response, secrets)
