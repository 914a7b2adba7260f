"""The conversation of a test in a report: what was said, and the steps in which that came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import Field, JsonValue

from antiphon.messages import Role
from pytest_templates.reporting.values import Count, Place, Seconds, Value


class Attached(Value):
    """An image, an audio or a document, without its content.

    Attributes:
        kind: What it is.
        media_type: Such as ``"image/png"``; ``null`` where an address does not tell it.
        digest: SHA-256 of the content, or of the address; ``null`` where its file could not be read any more. The
            content of a picture stands under it in ``pictures`` of the report.
        size: How many bytes the content has; ``null`` where it stands at an address, or could not be read.
    """

    kind: Literal["image", "audio", "document"]
    media_type: str | None
    digest: str | None
    size: Count | None


class ToolRequest(Value):
    """A tool that a model asks for.

    Attributes:
        id: The provider's name for the request; the tool's answer carries it as ``tool_call_id``.
        name: The tool's name.
        arguments: The arguments by name, as the model gave them.
    """

    id: str
    name: str
    arguments: JsonValue


class Message(Value):
    """A message, as it was said.

    Attributes:
        role: Who speaks.
        content: The text; of one of more than a million characters the beginning, and how many more there were.
        path: Where in the template tree it was said, iterations included; ``null`` outside of templates.
        model: The name of the model that gave it; ``null`` where none did.
        thinking: What the model thought before it answered, as far as its provider shows it.
        refusal: With which words the model refused to answer.
        finish_reason: Why the model stopped, as in ``Reply``.
        tool_calls: The tools that it asks for.
        tool_call_id: In a tool's message: the request that it answers.
        attachments: What is attached to it.
    """

    role: Role
    content: str
    path: str | None = None
    model: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    tool_calls: tuple[ToolRequest, ...] = ()
    tool_call_id: str | None = None
    attachments: tuple[Attached, ...] = ()


class _Step(Value):
    id: Place
    parent: Place | None = None


class TemplateStep(_Step):
    """A template is rendered; what happens meanwhile are the steps below it.

    Attributes:
        id: Which of the steps this is, from 0.
        parent: The step that it happens in; ``null`` for none.
        type: ``"template"``.
        path: Its path, iterations included.
        template_id: Its id, where it has one.
        kind: The name of its class.
        file: The file in which it was built, relative to the root directory; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
        seconds: How long it took, what is below it included.
        error: What ended it early, in words; ``null`` where it ran to its end. A break or an end is no error, and none
            is that the program left a stream early.
        subroutine: Whether it is a subroutine.
        isolation: Of a subroutine that the isolation guard checked: whether it left its parent as it was.
        violation: What it changed there, in words.
    """

    type: Literal["template"] = "template"
    path: str
    template_id: str | None = None
    kind: str
    file: str = ""
    line: Count = 0
    seconds: Seconds = 0.0
    error: str | None = None
    subroutine: bool = False
    isolation: Literal["unchanged", "changed"] | None = None
    violation: str | None = None


class MessageStep(_Step):
    """A message is said; by a template, where it stands below one.

    Attributes:
        id: Which of the steps this is, from 0.
        parent: The step that it happens in; ``null`` for none.
        type: ``"message"``.
        message: Which of the test's messages it is.
    """

    type: Literal["message"] = "message"
    message: Place


class CallStep(_Step):
    """A model is called.

    Attributes:
        id: Which of the steps this is, from 0.
        parent: The step that it happens in; ``null`` for none.
        type: ``"call"``.
        call: Which of the test's calls it is.
        continues: An earlier step of a call: what that one was sent stands between ``before`` and ``sent``. ``null``
            where ``sent`` is all. So a conversation of a thousand turns takes a thousand short rows; a program that
            wants all that was sent follows these, the first call first: see ``messages_sent``.
        left_out: How many messages at the beginning of what ``continues`` was sent this one was not, such as those
            that have left a window.
        before: The messages that come before those of ``continues``: ranges of places among the test's messages, first
            and last, in order.
        sent: The messages that come after them, likewise.
        reply: Which of the test's messages the answer is; ``null`` where the call failed.
        left_early: Whether the program left the stream of the answer early; the answer is what it has heard, and
            ``null`` where that is nothing.
    """

    type: Literal["call"] = "call"
    call: Place
    continues: Place | None = None
    left_out: Place = 0
    before: tuple[tuple[Place, Place], ...] = ()
    sent: tuple[tuple[Place, Place], ...] = ()
    reply: Place | None = None
    left_early: bool = False


class ToolStep(_Step):
    """A tool is run that a model asked for, or could not be.

    Attributes:
        id: Which of the steps this is, from 0.
        parent: The step that it happens in; ``null`` for none.
        type: ``"tool"``.
        tool: The tool's name, as the model gave it.
        tool_call_id: The request that it answers.
        arguments: The arguments by name, as the model gave them.
        result: What the model was told of it.
        error: What it raised, or what kept it from being run, in words; ``null`` where it went well.
        seconds: How long it took.
    """

    type: Literal["tool"] = "tool"
    tool: str
    tool_call_id: str | None = None
    arguments: JsonValue = None
    result: str = ""
    error: str | None = None
    seconds: Seconds = 0.0


class SampleStep(_Step):
    """A sample of the test; what happened in it are the steps below.

    Attributes:
        id: Which of the steps this is, from 0.
        parent: ``null``.
        type: ``"sample"``.
        number: Which sample it is, from 1.
        passed: Whether it passed.
        why: The error with its place, in a line; ``""`` where it passed.
    """

    type: Literal["sample"] = "sample"
    number: Count
    passed: bool
    why: str = ""


Step: TypeAlias = Annotated[TemplateStep | MessageStep | CallStep | ToolStep | SampleStep, Field(discriminator="type")]


class Failure(Value):
    """Why a test failed.

    Attributes:
        text: What pytest printed of it; its first 100,000 characters.
        message: The error in a line.
        step: The step at which it failed: that of the template, the call or the tool whose error it was or, where the
            test failed by itself, the last message that was said before. ``null`` where there is no step.
    """

    text: str
    message: str
    step: Place | None = None


def messages_sent(steps: Sequence[Step], step: CallStep) -> list[int]:
    """The places of all messages that a call was sent, in order.

    Args:
        steps: The steps of the test.
        step: One of them.
    """
    chain = [step]
    while (earlier := chain[-1].continues) is not None:
        chain.append(cast("CallStep", steps[earlier]))  # as check_steps has seen
    places: list[int] = []
    for call in reversed(chain):
        places = [*_within(call.before), *places[call.left_out :], *_within(call.sent)]
    return places


def _within(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def check_steps(steps: Sequence[Step], *, messages: int, calls: int) -> None:
    """Check that steps refer to what there is, so that whoever shows them need not.

    Args:
        steps: The steps of a test.
        messages: How many messages it has.
        calls: How many calls.

    Raises:
        ValueError: They do not.
    """
    for place, step in enumerate(steps):
        if step.id != place:
            raise ValueError(f"step {place} says that it is step {step.id}")
        if step.parent is not None and step.parent >= place:
            raise ValueError(f"step {place} stands before the step that it happens in, {step.parent}")
        if isinstance(step, MessageStep):
            _check_place(place, step.message, messages, "message")
        elif isinstance(step, CallStep):
            _check_call(step, steps, messages, calls)


def _check_call(step: CallStep, steps: Sequence[Step], messages: int, calls: int) -> None:
    _check_place(step.id, step.call, calls, "call")
    if step.reply is not None:
        _check_place(step.id, step.reply, messages, "message")
    for first, last in (*step.before, *step.sent):
        _check_place(step.id, last, messages, "message")
        if first > last:
            raise ValueError(f"step {step.id}: the range {first} to {last} runs backwards")
    earlier = step.continues
    if earlier is not None and (earlier >= step.id or not isinstance(steps[earlier], CallStep)):
        raise ValueError(f"step {step.id} continues step {earlier}, which is no call before it")


def _check_place(step: int, place: int, count: int, what: str) -> None:
    if place >= count:
        raise ValueError(f"step {step} is of {what} {place}, and there are {count}")
