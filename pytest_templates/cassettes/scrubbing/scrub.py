"""An interaction without secrets: headers, addresses, forms, JSON, and secrets split across the events of a stream.

The pieces of one answer stand at the same place of event after event, so the texts at each place are joined and
searched as one: a secret in them is replaced in the event in which it begins, and taken out of those that follow. No
event is added or lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote, unquote_plus

from pytest_templates.cassettes.format.bodies import DATA_LINES, EVENTS, LINES, LONGEST, has_type, transferred
from pytest_templates.cassettes.format.canonical_json import Json, JsonError, dumps, may_be_json, parse, style_of
from pytest_templates.cassettes.format.decompression import decoded
from pytest_templates.cassettes.format.forms import boundary_of, line_of, parts_of, with_boundary
from pytest_templates.cassettes.recorded import (
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    header,
    usual_reason,
)
from pytest_templates.cassettes.scrubbing.headers import HeaderScrubber, sized
from pytest_templates.cassettes.scrubbing.members import may_hold_members, member_spans, without_members
from pytest_templates.cassettes.scrubbing.values import placeholder, without_document, without_values
from pytest_templates.redaction.policy import (
    Certainty,
    certainty_of,
    is_document_member,
    is_name_member,
    is_secret_pair,
    is_value_member,
    looks_random,
)
from pytest_templates.redaction.secrets import PLACEHOLDER, Secrets, Span, merged
from pytest_templates.redaction.windows import OVERLAP, WINDOW

_USER: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#]*@")


@lru_cache(maxsize=256)  # most requests go to a few addresses
def scrub_uri(uri: str, secrets: Secrets) -> str:
    """The address without user, secret parameters and secret values."""
    address, fragment_mark, fragment = _USER.sub(rf"\g<1>{PLACEHOLDER}@", uri).partition("#")
    start, mark, query = address.partition("?")
    path = "/".join(_part(part, secrets) for part in start.split("/"))
    scrubbed = secrets.replace(path + mark + scrub_form(query, secrets) + fragment_mark + _part(fragment, secrets))
    return uri if scrubbed == uri else scrubbed


def scrub_form(query: str, secrets: Secrets) -> str:
    """Parameters, as they stand in an address or in the body of a form, without the secret ones."""
    return "&".join(_parameter(pair, secrets) for pair in query.split("&"))


def _part(part: str, secrets: Secrets) -> str:
    if "%" in part and secrets.find(unquote(part)):
        return PLACEHOLDER
    name, *parameters = part.split(";")
    if "=" in name:  # as some servers sign a path
        signed = (
            _parameter(pair, secrets) if looks_random(pair.partition("=")[2]) else pair for pair in name.split("&")
        )
        name = "&".join(signed)
    return ";".join([name, *(_parameter(pair, secrets) for pair in parameters)])


def _parameter(pair: str, secrets: Secrets) -> str:
    name, _, value = pair.partition("=")
    if not value:
        return pair
    read = unquote_plus(value)
    is_secret = is_secret_pair(unquote_plus(name), read) or secrets.find(read) or any(member_spans(read))
    return f"{name}={PLACEHOLDER}" if is_secret else pair


_LINE: Final = re.compile(r"(data: ?)?([^\r\n]+)")
_ESCAPED: Final = re.compile(r"(?<!\\)\\++u00(?!22|5c)([2-7][0-9a-f])", re.IGNORECASE)


def scrub_body(headers: Headers, body: bytes, secrets: Secrets) -> bytes:
    """A body, not compressed, without secrets.

    Args:
        headers: The headers that came with it; their content type says what it is.
        body: The bytes.
        secrets: What may not be kept.
    """
    if not body:
        return body
    if len(body) > WINDOW and not any(part != _scrubbed(headers, part, secrets) for part in _overlapping(body)):
        return body  # most hold no secret, and that needs less memory to see than all of it in one piece
    text = _scrubbed(headers, body.decode("utf-8", "surrogateescape"), secrets)
    scrubbed = text.encode("utf-8", "surrogateescape")
    return body if scrubbed == body else scrubbed  # held once where nothing is to be replaced


def _overlapping(body: bytes) -> Iterator[str]:
    """A body in parts, each of whole lines where it has any, and with the end of the one before it."""
    start = 0
    while start < len(body):
        end = _end_of_line(body, start + WINDOW)
        yield body[_end_of_line(body, max(0, start - OVERLAP)) : end].decode("utf-8", "surrogateescape")
        start = end


def _end_of_line(body: bytes, place: int) -> int:
    """The end of the line that a place is in, or the place where none is near."""
    return (body.find(b"\n", place, place + OVERLAP) + 1 or place) if place else 0


def _scrubbed(headers: Headers, text: str, secrets: Secrets) -> str:
    kind = header(headers, "content-type").lower()
    if kind.startswith(EVENTS + LINES):
        text = _lines(scrub_split_secrets(headers, text, secrets), secrets)
    elif may_be_json(headers, text) and len(text) <= LONGEST:
        text = _document(text, secrets)
    elif kind.startswith("application/x-www-form-urlencoded"):
        text = secrets.replace(scrub_form(text, secrets))
    elif kind.startswith("multipart/"):
        text = _plain(_without_fields(headers, text), secrets)
    else:
        text = _plain(text, secrets)
    return text


def _without_fields(headers: Headers, text: str) -> str:
    """The parts of a form without the content of those whose names are secret."""
    body = text.encode("utf-8", "surrogateescape")
    parts, done = [], 0
    for part in parts_of(headers, body):
        content = body[part.content : part.end].decode("utf-8", "replace")
        if part.name is not None and content and is_secret_pair(part.name, content):
            parts += [body[done : part.content], PLACEHOLDER.encode()]
            done = part.end
    return b"".join([*parts, body[done:]]).decode("utf-8", "surrogateescape")


def _lines(text: str, secrets: Secrets) -> str:
    if not needs_reading(text, secrets):
        return text
    return _LINE.sub(lambda line: (line[1] or "") + _document(line[2], secrets), text)


def _document(text: str, secrets: Secrets) -> str:
    """A text that may be JSON: in JSON only whole strings are touched, so that it stays JSON."""
    if not needs_reading(text, secrets):
        return text
    try:
        value = parse(text)
        replaced = _value(value, secrets)
    except (JsonError, RecursionError):
        return _plain(text, secrets)
    return text if replaced == value else dumps(replaced, style_of(text, value) or "compact-ascii")


def needs_reading(text: str, secrets: Secrets) -> bool:
    """Whether there may be a secret in it, also behind escapes: most documents hold none, and reading takes time."""
    may_hide = "\\" in text and ("\\u" in text or "\\/" in text)
    return may_hide or may_hold_members(text) or secrets.stand_in(text)


def _value(value: Json, secrets: Secrets) -> Json:
    if isinstance(value, str):
        return secrets.replace(without_members(value))
    if isinstance(value, list):
        return [_value(inner, secrets) for inner in value]
    if isinstance(value, dict):
        return _object(value, secrets)
    return value


def _object(fields: dict[str, Json], secrets: Secrets) -> dict[str, Json]:
    """The fields; two names that would become one are told apart by a number."""
    scrubbed: dict[str, Json] = {}
    called = _name_of_value(fields)
    for name, value in fields.items():
        key, count = secrets.replace(name), 2
        while key in scrubbed or (key != name and key in fields):
            key, count = f"{PLACEHOLDER}-{count}", count + 1
        scrubbed[key] = _value(_unnamed(name, value, called), secrets)
    return scrubbed


def _unnamed(name: str, value: Json, called: Certainty | None) -> Json:
    """The value of a field without what is secret in it by its name, or by what another field calls it."""
    if isinstance(value, str) and is_document_member(name):
        return without_document(value)
    certainty = certainty_of(name) or (called if is_value_member(name) else None)
    return value if certainty is None else without_values(value, certainty)


def _name_of_value(fields: dict[str, Json]) -> Certainty | None:
    """How sure the name is that a field gives to the value in another one: ``{"name": "PASSWORD", "value": …}``."""
    names = (value for name, value in fields.items() if isinstance(value, str) and is_name_member(name))
    return next(filter(None, map(certainty_of, names)), None)


def _plain(text: str, secrets: Secrets) -> str:
    """A text of no known kind; letters that are escaped as in JSON are read where they hide something."""
    read = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    return secrets.replace(without_members(read if read != text and secrets.find(read) else text))


_NEXT_DATA: Final = re.compile(r"(\r\n|\r|\n)data: ?")
_PAYLOAD: Final = re.compile(r"[^\r\n]+")
# a line with the mark of server-sent events, of Vercel's AI SDK (0:"Hel"), of RFC 7464, or with none
_MARKED: Final = re.compile(r"(data: ?|[0-9a-z]:|\x1e)?([^\r\n]+)")
_MORE: Final = re.compile(r"\s*\S")
_NO_PAYLOAD: Final = re.compile(r"(?:\s|(?:event|id|retry)?:[^\r\n]*)*+")  # what may stand before the first one
Place: TypeAlias = tuple[str | int, ...]


@dataclass(eq=False)
class _Event:
    """The payload of one event, read.

    Attributes:
        start: Where it stands in the stream.
        text: As it stands there.
        root: A list with the value; a payload that is no JSON is a text.
        is_json: Whether it is JSON.
        kind: What marks it, where others have other marks: texts of two kinds are no pieces of one.
        line_end: What stands between its lines, where it has several.
    """

    start: int
    text: str
    root: list[Json]
    is_json: bool
    kind: str = ""
    line_end: str = ""

    @classmethod
    def of(cls, start: int, text: str, kind: str = "", line_end: str = "") -> _Event:
        """That of a payload. Numbers count as texts: a text that comes in pieces of its own may hold such a piece."""
        try:
            value = parse(text.replace(line_end, "\n") if line_end else text)
        except JsonError:
            value = None
        is_json = isinstance(value, (str, list, dict))
        return cls(start, text, [value if is_json else text], is_json, kind, line_end)

    @property
    def is_text(self) -> bool:
        """Whether it says a text alone."""
        return isinstance(self.root[0], str)

    def replace(self, value: Json) -> bool:
        """Take another value; returns whether it is another one."""
        before, self.root = self.root, [value]
        return before != self.root

    def unread(self) -> _Event:
        """The same, of which the marks of a text in JSON are letters as others."""
        return replace(self, root=[self.text], is_json=False) if self.is_text else self

    def written(self) -> str:
        """The payload as it is now."""
        if not self.is_json:
            return str(self.root[0])
        text = self.text.replace(self.line_end, "\n") if self.line_end else self.text
        written = dumps(self.root[0], style_of(text, parse(text)) or "compact-ascii")
        return written.replace("\n", self.line_end) if self.line_end else written


class _Piece(NamedTuple):
    """A text in an event: where it is, and what holds it."""

    event: _Event
    holder: Json
    key: str | int

    @property
    def text(self) -> str:
        return str(self.holder[self.key])


def scrub_split_secrets(headers: Headers, text: str, secrets: Secrets) -> str:
    """A stream without the secrets that are spread over its events.

    Args:
        headers: The headers that came with it; their content type says what an event is.
        text: The stream: one event, or one field of an event, a line.
        secrets: What may not be kept.
    """
    events = list(_events(headers, text))
    text = _without_split_secrets(text, events, secrets)
    if _is_mixed(events):
        text = _without_split_secrets(text, [event.unread() for event in _events(headers, text)], secrets)
    return text


def _without_split_secrets(text: str, events: list[_Event], secrets: Secrets) -> str:
    changed = _scrub_pieces(events, secrets)
    for event in sorted(changed, key=lambda event: event.start, reverse=True):
        text = text[: event.start] + event.written() + text[event.start + len(event.text) :]
    return text


def _scrub_pieces(events: Sequence[_Event], secrets: Secrets) -> set[_Event]:
    """Take the secrets that are spread over events, or over lines, out of these; returns the events that changed."""
    changed = {event for event in events if event.line_end and event.replace(_value(event.root[0], secrets))}
    for pieces, texts in _texts_by_place(events):
        spans = _spans("".join(texts), secrets)
        if spans:
            _replace(pieces, texts, spans)
            changed.update(piece.event for piece, text in zip(pieces, texts, strict=True) if piece.text != text)
    return changed


def _without_split_unsaid(headers: Headers, body: bytes, secrets: Secrets) -> bytes:
    """An answer whose type says nothing of pieces, and that comes in some, without secrets spread over them.

    Gemini sends a list where no events are wanted; others send lines of JSON, or events, as plain text.
    """
    is_one = not body.lstrip().startswith(b"[") and b"\n" not in body and b"\r" not in body
    if is_one or len(body) > LONGEST or has_type(headers, EVENTS + LINES):
        return body
    text = body.decode("utf-8", "surrogateescape")
    if _is_of_lines(text):
        return scrub_split_secrets(headers, text, secrets).encode("utf-8", "surrogateescape")
    items, pieces = _items(text) if may_be_json(headers, text) else ([], [])
    if not _scrub_pieces(pieces, secrets):
        return body
    return dumps(items, style_of(text, parse(text)) or "compact-ascii").encode("utf-8", "surrogateescape")


def _items(text: str) -> tuple[list[Json], list[_Event]]:
    """The items of a text that is a list in JSON, and those of them that are pieces of an answer."""
    if not text.lstrip().startswith("["):
        return [], []
    try:
        value = parse(text)
    except JsonError:
        return [], []
    items = value if isinstance(value, list) else []
    return items, [_Event(number, "", [item], is_json=True) for number, item in enumerate(items) if _is_piece(item)]


def _is_piece(item: Json) -> bool:
    """Whether it is a piece of an answer as providers stream it."""
    if not isinstance(item, dict):
        return False
    answers = item.get("candidates", item.get("choices"))
    is_one_of_answers = isinstance(answers, list) and all(isinstance(answer, dict) for answer in answers)
    is_of_ollama = isinstance(item.get("done"), bool)
    return is_one_of_answers or is_of_ollama or any(map(_is_delta, item.items()))


def _is_delta(member: tuple[str, Json]) -> bool:
    """Whether it is a piece of a text by its name, such as ``delta`` or ``argsTextDelta``."""
    name, value = member
    return name.lower().endswith("delta") and isinstance(value, (str, dict))


def spread_texts(headers: Headers, text: str) -> Iterator[str]:
    """What the events or lines of a stream, or the items of a list, say in pieces, each text as one."""
    is_stream = has_type(headers, EVENTS + LINES) or _is_of_lines(text)
    events = list(_events(headers, text)) if is_stream else _items(text)[1]
    readings = [events, [event.unread() for event in events]] if _is_mixed(events) else [events]
    return ("".join(texts) for reading in readings for _, texts in _texts_by_place(reading))


def _is_mixed(events: list[_Event]) -> bool:
    """Whether texts come in JSON and as they are: then what looks like JSON may be a piece of a text, in quotes."""
    return len({event.is_json for event in events if event.is_text}) > 1


def _is_of_lines(text: str) -> bool:
    """Whether a text is a stream whatever its type says: several lines, and the first that counts is one of JSON."""
    before = _NO_PAYLOAD.match(text)
    first = _MARKED.match(text, before.end() if before else 0)
    return first is not None and _MORE.match(text, first.end()) is not None and _Event.of(0, first[2]).is_json


def _events(headers: Headers, text: str) -> Iterator[_Event]:
    """The payloads of a stream: of events, of lines of JSON, or, where the type says nothing, of lines with JSON."""
    if has_type(headers, EVENTS):
        for data in DATA_LINES.finditer(text):
            yield from _events_of_data(data)
    elif has_type(headers, LINES):
        yield from (_Event.of(line.start(), line[0]) for line in _PAYLOAD.finditer(text))
    else:
        lines = (_Event.of(line.start(2), line[2], line[1] or "") for line in _MARKED.finditer(text))
        yield from (event for event in lines if event.is_json and (event.is_text or _is_piece(event.root[0])))


def _events_of_data(data: re.Match[str]) -> Iterator[_Event]:
    """What the lines of data that stand one below the other say: one document of JSON, or each a text."""
    line_end = _NEXT_DATA.search(data[0])
    if line_end is not None:
        payload = data[0].removeprefix("data:").removeprefix(" ")
        whole = _Event.of(data.end() - len(payload), payload, line_end=line_end[0])
        if whole.is_json:
            yield whole
            return
    for line in _PAYLOAD.finditer(data[0]):
        payload = line[0].removeprefix("data:").removeprefix(" ")
        yield _Event.of(data.start() + line.end() - len(payload), payload)


def _texts_by_place(events: Sequence[_Event]) -> Iterator[tuple[list[_Piece], list[str]]]:
    """The texts at each place, in order, where there are several."""
    pieces_by_place: defaultdict[Place, list[_Piece]] = defaultdict(list)
    for event in events:
        _gather_texts(event, pieces_by_place)
    for pieces in pieces_by_place.values():
        texts = [piece.text for piece in pieces]
        if len(set(texts)) > 1:
            yield pieces, texts


def _gather_texts(event: _Event, found: defaultdict[Place, list[_Piece]]) -> None:
    """Every text with its place; answers with different numbers, such as ``index``, have different places."""
    waiting: list[tuple[Json, Place]] = [(event.root, (event.kind,))]
    while waiting:
        node, place = waiting.pop()
        if isinstance(node, dict):
            numbers = [value for name, value in node.items() if name.endswith("index") and isinstance(value, int)]
            place = (*place, *numbers)
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, str):
                found[*place, key].append(_Piece(event, node, key))
            elif isinstance(value, (dict, list)):
                waiting.append((value, (*place, key)))


def _spans(joined: str, secrets: Secrets) -> list[Span]:
    """What is to be replaced, and may be spread over texts, or named in another one than it stands in."""
    return merged(sorted([*secrets.spans(joined), *member_spans(joined)]))


def _replace(pieces: list[_Piece], texts: Sequence[str], spans: list[Span]) -> None:
    """Write a placeholder where a span begins, and nothing in the rest of it."""
    start = 0
    for piece, text in zip(pieces, texts, strict=True):
        end = start + len(text)
        parts, done = [], start
        for begin, until, source in spans:
            if begin < end and until > start:
                parts.append(text[done - start : max(begin, start) - start])
                if begin >= start:
                    parts.append(placeholder(source))
                done = min(until, end)
        piece.holder[piece.key] = "".join([*parts, text[done - start :]])
        start = end


_FIXED_BOUNDARY: Final = "antiphon-boundary"


def scrub(interaction: Interaction, secrets: Secrets) -> Interaction:
    """The interaction as it may be kept; the same one where it may."""
    request, response = scrub_request(interaction.request, secrets), scrub_response(interaction.response, secrets)
    return scrub_around(interaction, request, response, secrets)


def scrub_around(
    interaction: Interaction, request: RecordedRequest, response: RecordedResponse, secrets: Secrets
) -> Interaction:
    """The same, of a request and a response as they may be kept."""
    template = interaction.template and _text(interaction.template, secrets)
    model = interaction.model and _text(interaction.model, secrets)
    scrubbed = (template, model, request, response)
    if scrubbed == (interaction.template, interaction.model, interaction.request, interaction.response):
        return interaction
    return Interaction(*scrubbed, interaction.sample)


def scrub_request(request: RecordedRequest, secrets: Secrets) -> RecordedRequest:
    """The request as it may be kept."""
    body = _unpacked(request.headers, request.body)
    headers, body = _fixed_boundary(_headers(secrets).request(request.headers), body)
    return RecordedRequest(
        method=_text(request.method, secrets),
        uri=scrub_uri(_storable(request.uri), secrets),
        headers=headers,
        body=scrub_body(headers, body, secrets),
    )


def scrub_response(response: RecordedResponse, secrets: Secrets) -> RecordedResponse:
    """The response as it may be kept."""
    body = _unpacked(response.headers, response.body)
    headers = _headers(secrets).response(response.headers)
    scrubbed = scrub_body(headers, _without_split_unsaid(headers, body, secrets), secrets)
    encoding = header(response.headers, "content-encoding")
    again = response.encoding if body is response.body else encoding
    return RecordedResponse(
        status=response.status,
        reason=_reason(response, secrets),
        headers=sized(headers, body, scrubbed, encoded=bool(encoding), again=bool(again), cut=response.cut is not None),
        body=scrubbed,
        arrivals=transferred(headers, body, scrubbed, response.arrivals),
        cut=response.cut,
        http_version=response.http_version,
        encoding=again,
    )


def is_altered(live: RecordedResponse, kept: RecordedResponse) -> bool:
    """Whether a test that reads an answer sees something else in its recording, since a secret was in it."""
    return _unpacked(live.headers, live.body) != kept.body or _has_redacted_header(kept)


def is_redacted(kept: RecordedResponse) -> bool:
    """Whether a recorded answer holds what stands for a secret; that of a number shows nowhere."""
    return PLACEHOLDER.encode() in kept.body or _has_redacted_header(kept)


def _has_redacted_header(kept: RecordedResponse) -> bool:
    """Whether a header lost its value, other than those of cookies, which come with nearly every answer."""
    return any(PLACEHOLDER in value for name, value in kept.headers if name != "set-cookie")


def _unpacked(headers: Headers, body: bytes) -> bytes:
    encoding = header(headers, "content-encoding")
    return decoded(body, encoding) if encoding else body


def _headers(secrets: Secrets) -> HeaderScrubber:
    return HeaderScrubber(
        text=lambda text: _text(text, secrets), address=lambda address: scrub_uri(_storable(address), secrets)
    )


def _fixed_boundary(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """A multipart body with the same boundary every time; clients draw a random one for each request."""
    boundary = boundary_of(headers)
    if not boundary or not body:
        return headers, body
    fixed = tuple((name, with_boundary(value, _FIXED_BOUNDARY)) for name, value in headers)
    return fixed, line_of(boundary).sub(rb"\1--" + _FIXED_BOUNDARY.encode(), body)


def _reason(response: RecordedResponse, secrets: Secrets) -> str:
    """The reason phrase where it is an unusual one; clients take nothing but ASCII."""
    reason = "" if response.reason == usual_reason(response.status) else response.reason
    return _text(reason, secrets).encode("ascii", "replace").decode("ascii")


def _text(text: str, secrets: Secrets) -> str:
    return secrets.replace(_storable(text))


def _storable(text: str) -> str:
    """The text with surrogate characters escaped: no file can hold them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
