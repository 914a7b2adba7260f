"""What processes tell each other of what tests rendered."""

from __future__ import annotations

from typing import Final, TypedDict

from pytest_templates.run.report_data import ReportData


class FactRow(TypedDict):
    """One fact of a template, such as a hash of its text.

    Attributes:
        file: The file in which it was built, relative to the root directory; ``""`` where that is not known.
        path: Its path, without iterations.
        line: The line in which it was built, from 1; 0 where that is not known.
        kind: What the fact is about, one of ``facts.KINDS``.
        value: The text that is locked.
    """

    file: str
    path: str
    line: int
    kind: str
    value: str


class ObservedPrompts(TypedDict):
    """What was observed in one test.

    Attributes:
        facts: The facts of the templates that were rendered.
        calls: The path of each model call, in order; ``""`` for one from outside of templates.
        first: By the path of a template the index of the first call that it made, or that was sent its words.
    """

    facts: list[FactRow]
    calls: list[str]
    first: dict[str, int]


class RecordedFiles(TypedDict):
    """The files of one test that a change of its templates may have made stale: not what this very run has met.

    Attributes:
        cassette: The file of its cassette, if it replays one, and was not answered all from it.
        snapshots: The files of its conversations that it was not like, relative to the root directory.
    """

    cassette: str | None
    snapshots: list[str]


class RenderedTest(ObservedPrompts, RecordedFiles):
    """Both."""


PROMPTS: Final = ReportData[RenderedTest]("lock")
