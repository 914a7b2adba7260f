"""The conversations of a test as plain data that its report carries to the main process."""

from __future__ import annotations

from typing import Any, Final, NotRequired, TypedDict

from pytest_templates.run.report_data import ReportData


class ConversationRow(TypedDict):
    """The conversations of an attempt of a test, or of a sample.

    Attributes:
        messages: The fields of each of its messages: see `conversation.Message`.
        steps: The fields of each of its steps; its calls are those of the attempt.
        failed_at: The step at which it failed; ``None`` where it did not, or there is none.
        pictures: The pictures that messages attach, by digest: see `document.Picture`. The main process keeps those of
            all tests together, and takes them out.
        sample: The number of the sample, from 1; ``None`` for an attempt as a whole.
        passed: Whether the sample passed.
    """

    messages: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    failed_at: int | None
    pictures: NotRequired[dict[str, dict[str, Any]]]
    sample: int | None
    passed: bool


CONVERSATION: Final = ReportData[ConversationRow]("conversation")
