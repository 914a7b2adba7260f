"""The conversations of a test as plain data that its report carries to the main process, where they become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypeAlias, TypedDict

from pytest_templates.run.calls import CALLS
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

Facts: TypeAlias = dict[str, Any]


def conversation_facts(
    brought: Sequence[dict[str, Any]], calls_before: int, why_failed: Mapping[int, str]
) -> tuple[Facts, int | None]:
    """The messages and the steps of a test, and the step at which it failed.

    Args:
        brought: What the last attempt has brought, and each of its samples.
        calls_before: How many calls earlier attempts have made: the calls of a test are those of all.
        why_failed: Why samples failed, by their numbers.
    """
    joined = _Joined()
    calls = calls_before
    for one in brought:
        row = CONVERSATION.within(one)
        if row is not None:
            joined.add(row, calls, why_failed)
        calls += len(CALLS.within(one) or ())
    return {"messages": joined.messages, "steps": joined.steps}, joined.failed_at


class _Joined:
    """Several conversations as one."""

    def __init__(self) -> None:
        self.messages: list[Facts] = []
        self.steps: list[Facts] = []
        self.failed_at: int | None = None

    def add(self, row: ConversationRow, calls: int, why_failed: Mapping[int, str]) -> None:
        """Add one, as a step of its own where it is that of a sample."""
        sample, around = row["sample"], None
        if sample is not None:
            around = len(self.steps)
            why = why_failed.get(sample, "")
            fields = {"number": sample, "passed": row["passed"] and not why, "why": why}
            self.steps.append({"id": around, "parent": None, "type": "sample", **fields})
        first, said = len(self.steps), len(self.messages)
        self.messages += row["messages"]
        self.steps += [_moved(step, first, said, calls, around) for step in row["steps"]]
        if self.failed_at is None and row["failed_at"] is not None:
            self.failed_at = first + row["failed_at"]


def _moved(step: Facts, steps: int, messages: int, calls: int, around: int | None) -> Facts:
    """A step behind so many other steps, messages and calls."""
    parent = step["parent"]
    moved = {**step, "id": step["id"] + steps, "parent": around if parent is None else parent + steps}
    for name, before in (("message", messages), ("reply", messages), ("continues", steps), ("call", calls)):
        if moved.get(name) is not None:
            moved[name] += before
    for name in ("before", "sent"):
        if name in moved:
            moved[name] = [[first + messages, last + messages] for first, last in moved[name]]
    return moved
