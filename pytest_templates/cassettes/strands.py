"""Secrets that are spread over a stream: a model says them piece by piece, and each event holds only one.

The pieces of one answer stand at the same place of event after event. Read one after the other, they are a strand; a
secret in it is replaced in the event in which it begins, and taken out of those that follow. No event is added or lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from pytest_templates.cassettes.documents import Json, JsonError, dumps, parse, style_of
from pytest_templates.cassettes.members import member_spans
from pytest_templates.cassettes.secrets import PLACEHOLDER, Secrets, Span, merged

_PAYLOAD: Final = re.compile(r"[^\r\n]+")
Place: TypeAlias = tuple[str | int, ...]


@dataclass(eq=False)
class _Event:
    """The payload of one event, read.

    Attributes:
        start: Where it stands in the stream.
        text: As it stands there.
        root: A list with the value; a payload that is no JSON is a text.
        is_json: Whether it is JSON.
    """

    start: int
    text: str
    root: list[Json]
    is_json: bool

    def written(self) -> str:
        """The payload as it is now."""
        if not self.is_json:
            return str(self.root[0])
        return dumps(self.root[0], style_of(self.text, parse(self.text)) or "compact-ascii")


class _Piece(NamedTuple):
    """A text in an event: where it is, and what holds it."""

    event: _Event
    holder: Json
    key: str | int

    @property
    def text(self) -> str:
        return str(self.holder[self.key])


def scrub_strands(text: str, secrets: Secrets, prefix: str = "") -> str:
    """A stream without the secrets that are spread over its events.

    Args:
        text: The stream: one event, or one field of an event, a line.
        secrets: What may not be kept.
        prefix: What the lines that count begin with.
    """
    changed: set[_Event] = set()
    for pieces in _strands(_events(text, prefix)):
        texts = [piece.text for piece in pieces]
        spans = _spans(texts, secrets) if len(set(texts)) > 1 else []
        if spans:
            _replace(pieces, texts, spans)
            changed.update(piece.event for piece, text in zip(pieces, texts, strict=True) if piece.text != text)
    for event in sorted(changed, key=lambda event: event.start, reverse=True):
        text = text[: event.start] + event.written() + text[event.start + len(event.text) :]
    return text


def _events(text: str, prefix: str) -> Iterator[_Event]:
    for line in _PAYLOAD.finditer(text):
        if line[0].startswith(prefix):
            payload = line[0].removeprefix(prefix).removeprefix(" ")
            try:
                yield _Event(line.end() - len(payload), payload, [parse(payload)], is_json=True)
            except JsonError:
                yield _Event(line.end() - len(payload), payload, [payload], is_json=False)


def _strands(events: Iterator[_Event]) -> Iterator[list[_Piece]]:
    """The texts at each place, in order, where there are several."""
    strands: defaultdict[Place, list[_Piece]] = defaultdict(list)
    for event in events:
        for place, holder, key in _texts(event.root, ()):
            strands[place].append(_Piece(event, holder, key))
    return (pieces for pieces in strands.values() if len(pieces) > 1)


def _texts(node: Json, place: Place) -> Iterator[tuple[Place, Json, str | int]]:
    """Every text with its place; answers that are told apart by a number, such as ``index``, have different places."""
    if isinstance(node, dict):
        place += tuple(value for name, value in node.items() if name.endswith("index") and isinstance(value, int))
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str):
            yield (*place, key), node, key
        elif isinstance(value, (dict, list)):
            yield from _texts(value, (*place, key))


def _spans(texts: Sequence[str], secrets: Secrets) -> list[Span]:
    """What is to be replaced: what stands in one text is found there, unless only the others say what it is."""
    strand = "".join(texts)
    return merged(sorted([*_crossing(secrets.spans(strand), texts), *member_spans(strand)]))


def _crossing(spans: list[Span], texts: Sequence[str]) -> list[Span]:
    """The spans that more than one text has a part in."""
    borders, end = set(), 0
    for text in texts:
        end += len(text)
        borders.add(end)
    return [span for span in spans if any(span[0] < border < span[1] for border in borders)]


def _replace(pieces: list[_Piece], texts: Sequence[str], spans: list[Span]) -> None:
    """Write a placeholder where a span begins, and nothing in the rest of it."""
    start = 0
    for piece, text in zip(pieces, texts, strict=True):
        end = start + len(text)
        parts, done = [], start
        for begin, until, _ in spans:
            if begin < end and until > start:
                parts.append(text[done - start : max(begin, start) - start])
                parts.append(PLACEHOLDER * (begin >= start))
                done = min(until, end)
        piece.holder[piece.key] = "".join([*parts, text[done - start :]])
        start = end
