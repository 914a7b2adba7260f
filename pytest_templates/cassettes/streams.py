"""Server-sent events in a cassette: a list of events, from which the very same bytes come back.

A stream is cut at its empty lines. An event that this module would not write byte for byte the same is kept as it is
(``raw``), so nothing depends on how a provider spells its events. The format is the one of the HTML standard, section
"Server-sent events".

An event with a time (``at``, in seconds since the request was sent) begins a piece: the events after it that have none
came together with it. A stream without times is one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pytest_templates.cassettes.arrivals import pieces_of, separator, stamp
from pytest_templates.cassettes.documents import STYLES, Json, JsonError, dumps, parse, style_of
from pytest_templates.cassettes.values import Arrival
from pytest_templates.cassettes.yamlfit import fits_yaml

_FIELDS: Final = ("event", "id", "retry", "data")


def encode_stream(text: str, arrivals: Sequence[Arrival] = ()) -> dict[str, Any]:
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
    details = {"newline": newline * (newline != "\n"), "style": style * (style != "compact"), "unfinished": tail}
    return {"events": events} | {name: value for name, value in details.items() if value}


def decode_stream(node: dict[str, Any]) -> tuple[str, tuple[Arrival, ...]]:
    """The text of a stream, and the pieces in which it came.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_stream` made.
    """
    newline, style = node.get("newline", "\n"), node.get("style", "compact")
    events = [_decode_event(event, newline, style) + newline * 2 for event in node["events"]]
    tail = str(node.get("unfinished", ""))
    return "".join([*events, tail]), pieces_of(node["events"], events, tail)


def _common_style(blocks: list[str], newline: str) -> str:
    """The style of the stream's first JSON event; a provider uses one for all."""
    for block in blocks:
        data = _fields(block, newline).get("data", "")
        value = _container(data)
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
    if name not in _FIELDS:
        raise ValueError(f"an event has no field {name!r}")
    text = value if isinstance(value, str) else dumps(value, style)
    return [f"{name}: {line}" for line in text.split("\n")]


def _fields(block: str, newline: str) -> dict[str, str]:
    """The fields of an event by name, in their order; lines of other kinds are left out."""
    fields: dict[str, str] = {}
    for line in block.split(newline):
        name, colon, value = line.partition(": ")
        if colon and name in _FIELDS:
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


def _shown(data: str, style: str) -> Json:
    """The data as a JSON value where that loses nothing, else as text."""
    value = _container(data)
    return value if value is not None and STYLES[style](value) == data else data


def _container(data: str) -> Json:
    """The object or list that the data is, or ``None``."""
    try:
        value = parse(data) if data[:1] in {"{", "["} else None
    except JsonError:
        return None
    return value if fits_yaml(value) else None
