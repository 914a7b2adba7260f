"""Markdown of GitHub's flavour, in which nothing that others wrote is markup."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Final

from pytest_templates.support.text import visible, visible_lines

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


def block(text: str) -> str:
    """Lines that are shown as they are."""
    fence = "`" * max([3, *(len(run) + 1 for run in _FENCES.findall(text))])
    return f"{fence}text\n{visible_lines(text)}\n{fence}"


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
