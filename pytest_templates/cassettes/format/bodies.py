"""Bodies as YAML, without loss: JSON, server-sent events, JSON lines, text, and base64 for everything else."""

from __future__ import annotations

import base64
import re
from array import array
from bisect import bisect_right
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, Final

from pytest_templates.cassettes.format.canonical_json import (
    STYLES,
    Json,
    JsonError,
    dumps,
    is_json,
    may_be_json,
    parse,
    style_of,
)
from pytest_templates.cassettes.format.runs import compacted, expanded
from pytest_templates.cassettes.recorded import Chunk, Headers, RecordedResponse, Truncation, header
from pytest_templates.support.yaml_text import Items, TextParts

MAX_KEY_LENGTH: Final = 120  # of a name in a mapping, in characters; YAML allows 1024 written ones
MAX_DEPTH: Final = 48  # of nested lists and mappings
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def fits_yaml(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value can be written as YAML: surrogate characters, long names and deep nesting cannot."""
    if isinstance(value, str):
        return not _SURROGATE.search(value)
    if isinstance(value, dict):
        return depth < MAX_DEPTH and all(_fits_entry(key, inner, depth + 1) for key, inner in value.items())
    if isinstance(value, list):
        return depth < MAX_DEPTH and all(fits_yaml(inner, depth + 1) for inner in value)
    return True


def _fits_entry(key: str, value: Any, depth: int) -> bool:
    return len(key) <= MAX_KEY_LENGTH and fits_yaml(key) and fits_yaml(value, depth)


EVENTS: Final = ("text/event-stream",)
DATA_LINES: Final = re.compile(r"data:(?<![^\r\n]data:)[^\r\n]*(?:(?:\r\n|\r|\n)data:[^\r\n]*)*")  # of one event
LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
LONGEST: Final = 4 * 2**20  # characters of a body that is taken apart: that needs many times its memory
_MOST_VALUES: Final = 100_000  # of JSON in it
_OTHERS: Final = ("application/vnd.amazon.eventstream",)
CHECKSUMS: Final = frozenset(  # headers that are true of one body only, byte by byte
    [
        *("content-md5", "digest", "content-digest", "repr-digest", "x-goog-hash", "x-ms-content-crc64"),
        *(f"x-amz-checksum-{kind}" for kind in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")),
    ]
)
LAST_EVENT: Final = 40  # bytes in which the last event of a stream is, where it says that it is the last
_LAST_EVENT: Final = re.compile(rb"(?:^|\n)data: ?\[DONE\]\r?\n\r?\n$")


def is_stream(headers: Headers) -> bool:
    """Whether a body of this content type is made to be read in pieces."""
    return has_type(headers, EVENTS + LINES + _OTHERS)


def is_readable(body: bytes) -> bool:
    """Whether a body is small enough to be taken apart for people: nobody reads more values than that."""
    return len(body) <= LONGEST and body.count(b",") + body.count(b"\n") <= _MOST_VALUES


def has_type(headers: Headers, types: tuple[str, ...]) -> bool:
    """Whether the content type is one of these."""
    return header(headers, "content-type").lower().startswith(types)


def is_over(headers: Headers, body: bytes) -> bool:
    """Whether a stream ends with the event that says so, as OpenAI's do; clients leave then without reading on."""
    return has_type(headers, EVENTS) and bool(_LAST_EVENT.search(body[-LAST_EVENT:]))


def separator(text: str) -> str:
    """What ends an event of a stream."""
    return "\r\n\r\n" if "\r\n" in text else "\n\n"


def aligned(headers: Headers, body: bytes, arrivals: Sequence[Chunk]) -> tuple[Chunk, ...]:
    """The same pieces, each of whole units; those of bodies without units as they are."""
    return transferred(headers, body, body, arrivals)


def transferred(headers: Headers, old: bytes, new: bytes, arrivals: Sequence[Chunk]) -> tuple[Chunk, ...]:
    """The pieces of a body for what became of it, each of whole units; none where they cannot be told apart any more.

    Args:
        headers: Of both bodies.
        old: The body that came in these pieces.
        new: The same one with other texts in its units.
        arrivals: The pieces.
    """
    if not has_type(headers, EVENTS + LINES) and len(old) == len(new):
        return tuple(arrivals)
    old_ends = _unit_ends(headers, old) if arrivals else array("q")
    new_ends = old_ends if old == new else _unit_ends(headers, new)
    if not arrivals or len(old_ends) != len(new_ends):
        return ()
    pieces: list[Chunk] = []
    start = 0
    for arrival, size in zip(arrivals, accumulate(arrival.size for arrival in arrivals), strict=True):
        units = bisect_right(old_ends, size)
        end = new_ends[units - 1] if units else 0
        if end > start:
            pieces.append(arrival if arrival.size == end - start else Chunk(end - start, arrival.at))
            start = end
    last = pieces.pop() if pieces else Chunk(0, arrivals[-1].at)
    return (*pieces, Chunk(last.size + len(new) - start, last.at))


def _unit_ends(headers: Headers, body: bytes) -> array[int]:
    end_mark = (b"\r\n\r\n" if b"\r\n" in body else b"\n\n") if has_type(headers, EVENTS) else b"\n"
    return array("q", (found.end() for found in re.finditer(re.escape(end_mark), body)))


def stamp(nodes: Sequence[dict[str, Any]], sizes: Sequence[int], arrivals: Sequence[Chunk]) -> list[dict[str, Any]]:
    """The nodes of units, the first one of each piece with the time at which it came."""
    times = dict(zip(_starts([arrival.size for arrival in arrivals]), arrivals, strict=True))
    starts = _starts(sizes)
    return [{"at": times[s].at} | node if s in times else node for node, s in zip(nodes, starts, strict=True)]


def pieces_of(times: Sequence[object], units: Sequence[str], tail: str) -> tuple[Chunk, ...]:
    """The pieces in which units came, each from one that has a time to the next; none where the first has none.

    Args:
        times: Those of the units; ``None`` for one that came together with the one before it.
        units: Their texts.
        tail: What came after the last one.

    Raises:
        ValueError: A time is no number of seconds.
    """
    if not times or times[0] is None:
        return ()
    arrivals: list[float] = []
    sizes: list[int] = []
    for time, unit in zip(times, units, strict=True):
        if time is not None:
            arrivals.append(seconds(time))
            sizes.append(0)
        sizes[-1] += len(unit.encode())
    sizes[-1] += len(tail.encode())
    return tuple(map(Chunk, sizes, arrivals))


def seconds(value: object) -> float:
    """A time in a cassette.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no time in seconds")
    return float(value)


def _starts(sizes: Sequence[int]) -> list[int]:
    start, starts = 0, []
    for size in sizes:
        starts.append(start)
        start += size
    return starts


def encode_lines(text: str, arrivals: Sequence[Chunk] = ()) -> dict[str, Any]:
    """The lines of a stream as a node; `decode_lines` gives the text back exactly.

    Args:
        text: The stream.
        arrivals: The pieces in which it came, of whole lines, their sizes in bytes.
    """
    *lines, tail = text.split("\n")
    style = next((found for line in lines if (found := style_of(line, _value(line)))), "compact")
    nodes = [_encode_line(line, style) for line in lines]
    if arrivals:
        nodes = stamp(nodes, [len(line.encode()) + 1 for line in lines], arrivals)
    return {"lines": compacted(nodes)} | _details(style, tail)


def decode_lines(node: dict[str, Any]) -> tuple[str, tuple[Chunk, ...]]:
    """The text of a stream, and the pieces in which it came.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_lines` made.
    """
    style = node.get("style", "compact")
    lines, times = _units(node["lines"], lambda line: _decode_line(line, style) + "\n")
    tail = str(node.get("unfinished", ""))
    return "".join([*lines, tail]), pieces_of(times, lines, tail)


def _units(rows: list[dict[str, Any]], text_of: Callable[[dict[str, Any]], str]) -> tuple[list[str], list[object]]:
    """The texts of units, and their times.

    Raises:
        ValueError: Tables make more of them than were ever written as tables.
    """
    are_compact = any("frame" in row or "said" in row for row in rows)
    units: list[str] = []
    times: list[object] = []
    size = 0
    for row in expanded(rows):
        units.append(text_of(row))
        times.append(row.get("at"))
        size += len(units[-1])
        if are_compact and size > LONGEST:
            raise ValueError(f"its tables make more than {LONGEST} characters")
    return units, times


def _details(style: str, tail: str) -> dict[str, str]:
    """What else is to be known of a stream to write it again: the style of its JSON, and what follows its last unit."""
    return ({} if style == "compact" else {"style": style}) | ({"unfinished": tail} if tail else {})


def _encode_line(line: str, style: str) -> dict[str, Json]:
    value = _value(line)
    return {"json": value} if value is not None and STYLES[style](value) == line else {"text": line}


def _decode_line(node: dict[str, Json], style: str) -> str:
    return dumps(node["json"], style) if "json" in node else str(node["text"])


def _value(text: str) -> Json:
    """The object or list that a text is, or ``None``."""
    try:
        value = parse(text) if text[:1] in {"{", "["} else None
    except JsonError:
        return None
    return value if fits_yaml(value) else None


EVENT_FIELDS: Final = ("event", "id", "retry", "data")


def encode_stream(text: str, arrivals: Sequence[Chunk] = ()) -> dict[str, Any]:
    """The events of a stream as a node; `decode_stream` gives the text back exactly.

    Args:
        text: The stream.
        arrivals: The pieces in which it came, of whole events, their sizes in bytes.
    """
    end = separator(text)
    newline = end[: len(end) // 2]
    *blocks, tail = text.split(end)
    style = _common_style(blocks, newline)
    events = [_encode_event(block, newline, style) for block in blocks]
    if arrivals:
        events = stamp(events, [len((block + end).encode()) for block in blocks], arrivals)
    return {"events": compacted(events)} | ({} if newline == "\n" else {"newline": newline}) | _details(style, tail)


def decode_stream(node: dict[str, Any]) -> tuple[str, tuple[Chunk, ...]]:
    """The text of a stream, and the pieces in which it came.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_stream` made.
    """
    newline, style = node.get("newline", "\n"), node.get("style", "compact")
    events, times = _units(node["events"], lambda event: _decode_event(event, newline, style) + newline * 2)
    tail = str(node.get("unfinished", ""))
    return "".join([*events, tail]), pieces_of(times, events, tail)


def _common_style(blocks: list[str], newline: str) -> str:
    """The style of the stream's first JSON event; a provider uses one for all."""
    for block in blocks:
        data = _fields(block, newline).get("data", "")
        value = _value(data)
        if value is not None:
            return style_of(data, value) or "compact"
    return "compact"


def _encode_event(block: str, newline: str, style: str) -> dict[str, Json]:
    fields = _fields(block, newline)
    node = fields | {"data": _shown(fields["data"], style)} if "data" in fields else dict(fields)
    return node if node and _decode_event(node, newline, style) == block else {"raw": block}


def _decode_event(node: dict[str, Json], newline: str, style: str) -> str:
    if "raw" in node:
        return str(node["raw"])
    return newline.join(line for name, value in node.items() if name != "at" for line in _lines(name, value, style))


def _lines(name: str, value: Json, style: str) -> list[str]:
    if name not in EVENT_FIELDS:
        raise ValueError(f"an event has no field {name!r}")
    text = value if isinstance(value, str) else dumps(value, style)
    return [f"{name}: {line}" for line in text.split("\n")]


def _fields(block: str, newline: str) -> dict[str, str]:
    """The fields of an event by name, in their order; lines of other kinds are left out."""
    fields: dict[str, str] = {}
    for line in block.split(newline):
        name, colon, value = line.partition(": ")
        if colon and name in EVENT_FIELDS:
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


def _shown(data: str, style: str) -> Json:
    """The data as a JSON value where that loses nothing, else as text."""
    value = _value(data)
    return value if value is not None and STYLES[style](value) == data else data


_BASE64_WIDTH: Final = 100  # characters a line
_PART: Final = _BASE64_WIDTH // 4 * 3 * 1000  # bytes


def encode_body(body: bytes, headers: Headers, *, exact: bool) -> dict[str, Any] | None:
    """A body as a node, or ``None`` for an empty one.

    Args:
        body: The bytes.
        headers: The headers that came with them; their content type says how to show the body.
        exact: Whether the bytes have to come back, not only the values of a JSON body.
    """
    if not body:
        return None
    if not is_readable(body):
        return _text_node(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return _base64_node(body)
    return _stream_node(text, headers, ()) or _json_node(text, headers, exact=exact) or {"text": text}


def encode_response_body(response: RecordedResponse) -> dict[str, Any] | None:
    """The body of a response as a node with the times of its pieces, or ``None`` for an empty one."""
    if not response.body and response.cut is None:
        return None
    checked = any(name in CHECKSUMS for name, _ in response.headers)
    node = _in_pieces(response) or encode_body(response.body, response.headers, exact=checked) or {"text": ""}
    return node if response.cut is None else node | {"cut": {"at": response.cut.at, "by": response.cut.by}}


def as_read(response: RecordedResponse, node: dict[str, Any] | None) -> RecordedResponse:
    """A response as it is read from the node of its body: unusual JSON loses its style, pieces become whole units."""
    if node is not None and ("pieces" in node or any(isinstance(value, TextParts) for value in node.values())):
        arrivals = aligned(response.headers, response.body, response.arrivals) if "pieces" in node else ()
        return replace(response, arrivals=arrivals)  # nothing of it is lost
    body, arrivals, cut = decode_response_body(node)
    return replace(response, body=body, arrivals=arrivals, cut=cut)


def decode_response_body(node: dict[str, Any] | None) -> tuple[bytes, tuple[Chunk, ...], Truncation | None]:
    """The bytes of a node that `encode_response_body` made, the pieces in which they came, and where they were cut.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_response_body` made.
    """
    if node is None:
        return b"", (), None
    body, arrivals = _decoded(node)
    cut = node.get("cut")
    return body, arrivals, None if cut is None else Truncation(seconds(cut["at"]), _text(cut["by"]))


def _decoded(node: dict[str, Any]) -> tuple[bytes, tuple[Chunk, ...]]:
    if "events" in node or "lines" in node:
        text, arrivals = decode_stream(node) if "events" in node else decode_lines(node)
        return text.encode(), arrivals
    if "pieces" in node:
        pieces = [_whole(piece) for piece in node["pieces"]]
        times = [seconds(piece["at"]) for piece in node["pieces"]]
        return b"".join(pieces), tuple(Chunk(len(piece), at) for piece, at in zip(pieces, times, strict=True))
    return _whole(node), ()


def _whole(node: dict[str, Any]) -> bytes:
    if "json" in node:
        return dumps(node["json"], node.get("style", "compact")).encode()
    if "base64" in node:
        return base64.b64decode("".join(node["base64"].split()), validate=True)
    return _text(node["text"]).encode()


def _in_pieces(response: RecordedResponse) -> dict[str, Any] | None:
    """The body of a stream, or ``None`` where it is none or came at once."""
    response = replace(response, arrivals=aligned(response.headers, response.body, response.arrivals))
    if has_type(response.headers, EVENTS + LINES) and is_readable(response.body):
        with suppress(UnicodeDecodeError):
            return _stream_node(response.body.decode("utf-8"), response.headers, response.arrivals)
    return {"pieces": Items(partial(_pieces, response))} if len(response.arrivals) > 1 else None


def _pieces(response: RecordedResponse) -> Iterator[dict[str, Any]]:
    for arrival, data in zip(response.arrivals, response.each_piece(), strict=True):
        yield {"at": arrival.at} | _text_node(data)


def _text_node(body: bytes) -> dict[str, Any]:
    """A body as it is; a long one is read while it is written, since as a text it may need four times its memory."""
    try:
        if len(body) <= _PART:
            return {"text": body.decode("utf-8")}
        for _ in _texts(body):
            pass
    except UnicodeDecodeError:
        return _base64_node(body)
    return {"text": TextParts(partial(_texts, body))}


def _texts(body: bytes) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")()
    for start in range(0, len(body), _PART):
        yield decoder.decode(body[start : start + _PART], final=start + _PART >= len(body))


def _stream_node(text: str, headers: Headers, arrivals: tuple[Chunk, ...]) -> dict[str, Any] | None:
    if has_type(headers, EVENTS):
        return encode_stream(text, arrivals)
    return encode_lines(text, arrivals) if has_type(headers, LINES) else None


def _base64_node(body: bytes) -> dict[str, Any]:
    return {"base64": _wrapped(body)}


def _json_node(text: str, headers: Headers, *, exact: bool) -> dict[str, Any] | None:
    if not may_be_json(headers, text):
        return None
    try:
        value = parse(text)
    except JsonError:
        return None
    style = style_of(text, value) if fits_yaml(value) else None
    if style is None and (exact or not is_json(headers) or not fits_yaml(value)):
        return None
    return {"json": value} if style in {"compact", None} else {"json": value, "style": style}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text body is a string")
    return value


def _wrapped(body: bytes) -> str | TextParts:
    """A body in base64, in lines."""
    return _lines_of(body) if len(body) <= _PART else TextParts(partial(_wrapped_parts, body))


def _wrapped_parts(body: bytes) -> Iterator[str]:
    for start in range(0, len(body), _PART):
        yield ("\n" if start else "") + _lines_of(body[start : start + _PART])


def _lines_of(part: bytes) -> str:
    text = base64.b64encode(part).decode("ascii")
    return "\n".join(text[start : start + _BASE64_WIDTH] for start in range(0, len(text), _BASE64_WIDTH))
