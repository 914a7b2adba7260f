"""What templates say: texts, and the files that hold them."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeAlias

from jinja2 import StrictUndefined

from antiphon.errors import InvalidType, shown
from antiphon.sandbox import Sandbox
from antiphon.sources import LITERAL, Beside, File, Source, path_of, read_source

Content: TypeAlias = str | Path | Traversable

ENVIRONMENT: Final = Sandbox(
    undefined=StrictUndefined,
    autoescape=False,  # prompts are text, not HTML: quotes and angle brackets arrive as they are
    keep_trailing_newline=True,
    cache_size=0,
)


def source_of(content: Content) -> Source:
    """A text, read, and compiled when that is first needed.

    Raises:
        OSError, UnicodeDecodeError: The file cannot be read.
    """
    if isinstance(content, str):
        return Source(LITERAL, content, ENVIRONMENT)
    folder = _folder_of(content)
    beside = None if folder is None else Beside(folder)
    return Source(path_of(content), read_source(content), ENVIRONMENT, beside)


def check_content(given: object, parameter: str) -> None:
    """Check what is given as a text.

    Raises:
        InvalidType: That is none, and no file that holds one.
    """
    if not isinstance(given, str | Path | Traversable):
        raise InvalidType(f"{parameter} is text or a pathlib.Path to a file, not {shown(given)}")


def file_of(content: object) -> File | None:
    """The file that holds a text; ``None`` where none does."""
    return content if isinstance(content, Path | Traversable) else None


def _folder_of(file: File) -> File | None:
    """Where a file lies; not every container tells."""
    if isinstance(file, Path):
        return file.parent.absolute()
    try:
        folder = getattr(file, "parent", None)  # zipfile.Path has it
        return folder if isinstance(folder, Traversable) else None
    except TypeError:  # what lies at the top of an archive in memory
        return None
