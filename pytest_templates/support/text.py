"""Text for people: tables, counts, commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a line of column heads; columns are as wide as their widest cell, and a cell is one line."""
    everything = [heads, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in everything)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of Markdown; nothing in a cell is markup."""
    lines = [heads, ["---"] * len(heads), *([_as_markdown(visible(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def counted(number: int, thing: str) -> str:
    """A number of things, such as ``1 call`` and ``1,200 calls``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def cut(text: str, width: int = 160) -> str:
    """A text of so many characters at most; of a longer one the beginning, and ``…``."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def visible(text: str, *, keep: str = "") -> str:
    r"""A text in which nothing is hidden: ``\x1b``, ``\u202e`` and ``\n`` are written out, ordinary text stays.

    Whatever is printed of ids, prompts, names of models and files passes here: see `antiphon.printing`.

    Args:
        text: The text.
        keep: Characters that stay as they are, such as line breaks.
    """
    if text.isascii() and text.isprintable():
        return text  # without loading the engine, which a run may not need
    from antiphon.printing import visible as visible_of_engine

    return visible_of_engine(text, keep=keep)


def visible_lines(text: str) -> str:
    """The same of a text of several lines, which stay lines."""
    return visible(text, keep="\n\t")


def as_text(text: str) -> str:
    """Text that can be encoded in UTF-8: surrogate characters, as in names of files, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


OUTSIDE: Final = "code outside of templates"  # the caller of a model where it is no template


def command_line(words: Sequence[str]) -> str:
    """The words of a command as one line, quoted for the shell of this system."""
    import shlex
    import subprocess
    import sys

    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
