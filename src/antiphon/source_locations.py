"""Locations in the source of a program: where something is built, or fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType
from typing import NamedTuple

_OUR_FOLDER = f"{Path(__file__).parent}{os.sep}"


class SourceLocation(NamedTuple):
    """A line in a file of a program.

    Attributes:
        file: The file, as Python tells it.
        line: The line, from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def location_that_makes(made: object) -> SourceLocation | None:
    """The line that calls the class of something that is being initialised; ``None`` where no program does.

    Code of this package is passed over, and so is the ``__init__`` of a class of the user's.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_OUR_FOLDER) and not _initialises(code, frame, made):
            return SourceLocation(code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def location_that_raised(error: BaseException) -> SourceLocation | None:
    """The line of a program in which an error came up, or which called what raised it; ``None`` where no program did.

    Looked for is the innermost line outside of this package and of Python's means to import, from where it is asked.
    """
    location: SourceLocation | None = None
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(_OUR_FOLDER) and not str(frame.f_globals.get("__name__")).startswith("importlib"):
            location = SourceLocation(file, line)
    return location


def _initialises(code: CodeType, frame: FrameType, made: object) -> bool:
    return code.co_name == "__init__" and frame.f_locals.get(next(iter(code.co_varnames), "")) is made
