"""Markdown of GitHub's flavour, in which nothing that others wrote is markup."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Final

from pytest_templates.support.text import counted, visible, visible_lines

MOST_OF_COMMENT: Final = 65_536  # bytes; GitHub takes as many characters of a comment
_RESERVED: Final = 200  # bytes, for the line that says what was left out
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>|~&$]")
# What GitHub makes links of, or people who are told: "@name", "#1", addresses. It looks for these in the text between
# tags, where a backslash is gone already.
_LINKED: Final = re.compile(r"@|#|://|www\.|(?<=GH)-(?=\d)|(?<=:)//", re.IGNORECASE)
_FENCES: Final = re.compile(r"`{3,}")
_AT_START: Final = re.compile(r"^\s*([-+=:]|\d+(?=[.)]))")


def literal(text: str) -> str:
    """A text within a line, which says what it is: no markup, no HTML, no link, and nobody is mentioned."""
    return _LINKED.sub(r"<span>\g<0></span>", _MARKUP.sub(r"\\\g<0>", visible(text)))


def lines(text: str) -> str:
    """The same of lines, which stay lines; none begins a list, nor, where it is printed, a command to GitHub."""
    return "  \n".join(_AT_START.sub(r"<span>\1</span>", literal(line)) for line in text.splitlines())


def details(title: str, *parts: str) -> str:
    """What is folded behind a title until people open it.

    Args:
        title: A text that is shown as code.
        parts: What is folded, as Markdown.
    """
    # What stands beside a tag that begins a block is HTML, in which no character escapes another.
    summary = f"<details><summary><code>{escape(visible(title))}</code></summary>"
    return "\n\n".join([summary, *parts, "</details>"])


def block(text: str, language: str = "text") -> str:
    """Lines that are shown as they are, in the colours of a language."""
    fence = "`" * max([3, *(len(run) + 1 for run in _FENCES.findall(text))])
    return f"{fence}{language}\n{visible_lines(text)}\n{fence}"


def fitted(parts: Sequence[str], more: Sequence[str], room: int, thing: str) -> str:
    """A text for a pull request, which is no longer than there is room for.

    Args:
        parts: What it begins with, its title first.
        more: What comes then as far as there is room; how many others there are is said.
        room: How many bytes there is room for.
        thing: What each of these is, as `counted` takes it.
    """
    text = "\n\n".join(parts) + "\n\n"
    size, shown = len(text.encode()) + _RESERVED, 0
    for one in more:
        needed = len(one.encode()) + 2
        if size + needed <= room:  # a shorter one behind it may fit
            text += f"{one}\n\n"
            size += needed
            shown += 1
    if shown < len(more):
        text += f"… and {counted(len(more) - shown, f'more {thing}')}: GitHub takes no longer text\n\n"
    return text if len(text.encode()) <= room else _title_alone(parts[0], room)


def _title_alone(title: str, room: int) -> str:
    """The title, where there is no room for more; nothing where there is none for that."""
    text = f"{title}\n\n{literal('GitHub takes no longer text.')}\n\n"
    return text if len(text.encode()) <= room else ""


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()) -> str:
    """A table; nothing in a cell is markup.

    Args:
        heads: The heads of the columns.
        rows: The cells of each row.
        numbers: The heads of columns of numbers, which end below each other.
    """
    rules = ["---:" if head in numbers else "---" for head in heads]
    cells = [[literal(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *cells))
