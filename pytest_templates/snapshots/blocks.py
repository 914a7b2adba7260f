"""The text of a snapshot: blocks of a title and a body, one after another.

::

    [user] support/question
        I want to send it back.

    [assistant] support/answer · large
      * "They want to send it back."
        Of course.
      > get_label {"order": 17} (call 1)

A title begins its line. What a model thought stands behind ``*`` as JSON, the tools that it calls behind ``>``. The
lines of a body are indented by four spaces; one that could be misread (white space at its end, control characters,
nothing at the start or the end of a body) is written as JSON behind ``~``. So two conversations have the same text only
if they say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import category

_INDENT: Final = "    "
_QUOTED: Final = "  ~ "
NO_TEMPLATE: Final = "(no template)"  # in place of the path of a model that was called directly
_NAME: Final = r"""(?:[^\s"()·]+|"(?:[^"\\]|\\.)*")"""  # as `inline` writes it
_TITLE: Final = re.compile(rf"\[(?P<role>\w+)\](?: (?P<path>{_NAME}))?(?: · (?P<model>{_NAME}))?(?: \(.*\))?")


@dataclass(frozen=True, slots=True)
class Block:
    """One message, or one heading.

    Attributes:
        title: Its first line, such as ``[assistant] support/answer · large``.
        body: The lines below it, as they are written.
    """

    title: str
    body: tuple[str, ...] = ()

    def part(self, name: str) -> str:
        """The ``role``, ``path`` or ``model`` in the title, as it is written; ``""`` where it names none."""
        found = _TITLE.fullmatch(self.title)
        return (found and found[name]) or ""


def to_text(blocks: Iterable[Block]) -> str:
    """The text of a snapshot, with a line break at its end; ``""`` for no blocks."""
    return "\n".join("".join(f"{line}\n" for line in (block.title, *block.body)) for block in blocks)


def from_text(text: str) -> list[Block]:
    """The blocks of a text. No text is refused: lines above the first title are a block without one."""
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        if not blocks or (line and not line.startswith(" ")):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [Block(first, tuple(_without_end(rest))) for first, *rest in blocks if first or rest]


def lines_of(text: str) -> Iterator[str]:
    """The lines of a body for a text."""
    lines = text.split("\n") if text else []
    last = len(lines) - 1
    for number, line in enumerate(lines):
        if line == "" and 0 < number < last:
            yield ""
        elif _is_plain(line):
            yield _INDENT + line
        else:
            yield _QUOTED + visible_json(line)


def text_of(body: Iterable[str]) -> str:
    """The text of a body, for people: without indentation and quoting."""
    return "\n".join(_line(line) for line in body)


def inline(text: str) -> str:
    """A name as it is written in a title: as JSON if it could be misread."""
    return text if text and text.isprintable() and not re.search(r"[\s\"()·]", text) else visible_json(text)


def visible_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON in which invisible characters are escaped."""
    written = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str, indent=indent)
    return "".join(c if c == "\n" or _is_visible(c) else json.dumps(c)[1:-1] for c in written)


def _is_plain(line: str) -> bool:
    return bool(line) and not line[-1].isspace() and all(map(_is_visible, line))


def _is_visible(character: str) -> bool:
    return character.isprintable() or character == "\t" or category(character) == "Zs"


def _line(line: str) -> str:
    if line.startswith(_QUOTED):
        return line.removeprefix(_QUOTED)
    return line.removeprefix(_INDENT)


def _without_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines
