"""Streams of JSON lines in a cassette: a list of lines, from which the very same bytes come back.

A line with a time (``at``) begins a piece, as an event does in `streams`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_templates.cassettes.arrivals import pieces_of, stamp
from pytest_templates.cassettes.documents import STYLES, Json, JsonError, dumps, parse, style_of
from pytest_templates.cassettes.values import Arrival
from pytest_templates.cassettes.yamlfit import fits_yaml


def encode_lines(text: str, arrivals: Sequence[Arrival] = ()) -> dict[str, Any]:
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
    details = {"style": style * (style != "compact"), "unfinished": tail}
    return {"lines": nodes} | {name: value for name, value in details.items() if value}


def decode_lines(node: dict[str, Any]) -> tuple[str, tuple[Arrival, ...]]:
    """The text of a stream, and the pieces in which it came.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_lines` made.
    """
    lines = [_decode_line(line, node.get("style", "compact")) + "\n" for line in node["lines"]]
    tail = str(node.get("unfinished", ""))
    return "".join([*lines, tail]), pieces_of(node["lines"], lines, tail)


def _encode_line(line: str, style: str) -> dict[str, Json]:
    value = _value(line)
    return {"json": value} if value is not None and STYLES[style](value) == line else {"text": line}


def _decode_line(node: dict[str, Json], style: str) -> str:
    return dumps(node["json"], style) if "json" in node else str(node["text"])


def _value(line: str) -> Json:
    """The object or list that a line is, or ``None``."""
    try:
        value = parse(line) if line[:1] in {"{", "["} else None
    except JsonError:
        return None
    return value if fits_yaml(value) else None
