"""Text for people: tables, counts, commands."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from shutil import get_terminal_size
from typing import Final


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    width: int | None = None,
) -> str:
    """A table with a line of column heads; columns are as wide as their widest cell, and a cell is one line.

    Args:
        heads: The heads of the columns.
        rows: The cells of each row.
        numbers: The heads of columns of numbers, which end below each other, and are never folded; their heads are.
        width: How many columns of a terminal there are: where the table is wider, other cells are folded. ``None`` for
            any number.
    """
    everything = [list(heads), *([visible(cell) for cell in row] for row in rows)]
    columns = [*zip(*everything, strict=True)]
    widths = [max(map(columns_of, column)) for column in columns]
    are_numbers = [head in numbers for head in heads]
    if width is not None:
        least = [_least(column, is_number=number) for column, number in zip(columns, are_numbers, strict=True)]
        _narrow(widths, least, width)
    lines = (line for row in everything for line in _table_lines(row, widths, are_numbers))
    return "\n".join(f"{_MARGIN}{line}".rstrip() for line in lines)


_MARGIN: Final = "  "
_GAP: Final = "  "
_NARROWEST: Final = 7  # columns of a terminal, of a cell that is folded


def _least(column: Sequence[str], *, is_number: bool) -> int:
    """How narrow a column of a table may become."""
    head, *cells = column
    words = max(map(columns_of, head.split()), default=0)
    return max(words, *map(columns_of, cells), 0) if is_number else max(words, _NARROWEST)


def _narrow(widths: list[int], least: Sequence[int], width: int) -> None:
    """Take from the widest column, again and again, until the table fits, or no column can be narrower."""
    too_wide = len(_MARGIN) + sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for _ in range(too_wide):
        wider = [column for column, minimum in enumerate(least) if widths[column] > minimum]
        if not wider:
            return
        widths[max(wider, key=widths.__getitem__)] -= 1


def _table_lines(row: Sequence[str], widths: Sequence[int], are_numbers: Sequence[bool]) -> Iterator[str]:
    folded = [list(_folded(cell, width)) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        cells = zip(parts, widths, are_numbers, strict=True)
        yield _GAP.join(padded(part, width, right=is_number) for part, width, is_number in cells)


# Texts, which `re` compiles when they are first used: every run of pytest imports this module.
_PLACES_IN_NAMES: Final = r"[^\s/:@._-]*(?:[\s/:@._-]+|$)"
_BLANKS: Final = r"\S*(?:\s+|$)"


def _folded(text: str, width: int, places: str = _PLACES_IN_NAMES) -> Iterator[str]:
    """The lines of a text in so many columns of a terminal: folded behind blanks, in names behind slashes as well."""
    line = ""
    for part in re.findall(places, text):
        if line and columns_of(line + part) > width:
            yield line.rstrip()
            line = ""
        line += part
        while columns_of(line.rstrip()) > width:
            head = _beginning(line, width)
            yield head
            line = line[len(head) :]
    yield line.rstrip()


def _beginning(text: str, width: int) -> str:
    """As much of a text as so many columns of a terminal hold; a character at least."""
    used = 0
    for place, character in enumerate(text):
        used += columns_of(character)
        if used > width and place:
            return text[:place]
    return text


def columns_of(text: str) -> int:
    """How many columns a text takes in a terminal: some characters take two, and accents none of their own."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in {"W", "F"})
        for character in text
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text in so many columns of a terminal, at their left or at their right."""
    blanks = " " * (width - columns_of(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


def folded(text: str, width: int) -> list[str]:
    """The lines of a text, folded between words to so many columns of a terminal; only a longer word is broken."""
    return [part for line in text.splitlines() for part in _folded(line, width, _BLANKS)]


def listed(parts: Sequence[str], width: int | None = None) -> list[str]:
    """Parts with commas between them, in lines of so many columns of a terminal; ``None`` for one line.

    A part stands on one line, also where that is too long.
    """
    lines: list[str] = []
    for part in parts:
        line = f"{lines[-1]}, {part}" if lines else part
        if lines and width is not None and columns_of(f"{line},") > width:
            lines[-1] += ","
            lines.append(part)
        else:
            lines[-1:] = [line]
    return lines


def in_columns(text: str, width: int) -> str:
    """A text in so many columns of a terminal: of a longer one the beginning, and ``…``."""
    return text if columns_of(text) <= width else f"{_beginning(text, width - 1)}…"


def terminal_width() -> int | None:
    """How many columns the terminal has that a command prints on; ``None`` where it prints into a file."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def counted(number: int, thing: str) -> str:
    """A number of things, such as ``1 call`` and ``1,200 calls``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def cut(text: str, width: int = 160) -> str:
    """A text of so many characters at most; of a longer one the beginning, and ``…``."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def cut_before(text: str, width: int) -> str:
    """A text in so many columns of a terminal: of a longer one ``…``, and the end."""
    if columns_of(text) <= width:
        return text
    place = len(text)
    while place and columns_of(text[place - 1 :]) < width:
        place -= 1
    return f"…{text[place:]}"


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
