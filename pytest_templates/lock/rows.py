"""What processes tell each other of what tests rendered."""

from __future__ import annotations

from typing import Final, TypedDict

from pytest_templates.run.report_data import ReportData


class Noticed(TypedDict):
    """What was noticed in one test.

    Attributes:
        facts: File, path, line, kind and value of each fact.
        calls: The path of each model call, in order; ``""`` for one from outside of templates.
        first: By the path of a template the index of the first call that it made, or that was sent its words.
    """

    facts: list[tuple[str, str, int, str, str]]
    calls: list[str]
    first: dict[str, int]


class Files(TypedDict):
    """Where one test keeps what it remembers.

    Attributes:
        cassette: The file of its cassette, where it replays one.
        snapshots: The files of its conversations, relative to the root directory.
    """

    cassette: str | None
    snapshots: list[str]


class Rendered(Noticed, Files):
    """Both."""


RENDERED: Final = ReportData[Rendered]("lock")
