"""What was said last in a test, in lines: what stands in the section below a failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from pytest_templates.reporting.transcript import transcript
from pytest_templates.support.failures import error_text, is_left_early
from pytest_templates.support.text import OUTSIDE, command_line, counted, folded, visible, visible_lines

if TYPE_CHECKING:
    from antiphon import Message, ModelCall, Reply
    from pytest_templates.reporting.transcript import Moment
    from pytest_templates.run.attempt import Attempt

_MOST_MESSAGES: Final = 8
_FIRST_LINES, _LAST_LINES = 6, 3  # that are shown of a longer message
# GitHub's runner takes for a command what begins a line with "::", blanks before it left out, and "##[" anywhere in it.
_MARGIN: Final = "│ "
_OLD_COMMAND: Final = "##["
_LOOKED_AT: Final = 20_000  # characters at either end of a message

Redact = Callable[[str], str]


class Said(NamedTuple):
    """A message, an answer or an error.

    Attributes:
        title: Who said it, where in the tree, by which model.
        text: What was said.
    """

    title: str
    text: str


def said_in(attempt: Attempt, subroutines: list[tuple[int, Moment]]) -> list[Said]:
    """What was said in an attempt so far, by calls and around them.

    Args:
        attempt: The attempt.
        subroutines: Where subroutines began and ended, each with its place among the calls.
    """
    calls = [call for call, _ in attempt.calls]
    moments: list[Moment] = []
    done = 0
    for place, moment in subroutines:
        moments += [*calls[done:place], moment]
        done = place
    spoken = transcript([*moments, *calls[done:]])
    answers = [one.call.reply for one in spoken if one.call is not None and one.call.reply is not None]
    asking: list[Message | Reply] = [*(one.message for one in spoken if one.message is not None), *answers]
    tools = {request.id: request.name for one in asking for request in one.tool_calls}
    said: list[Said] = []
    for one in spoken:
        said += [] if one.message is None else [_of_message(one.message, tools)]
        said += [] if one.call is None else _of_call(one.call, attempt.failures)
    return said


def lines_of(said: Sequence[Said], redact: Redact, columns: int) -> Iterator[str]:
    """The last of it, without secrets, in lines of so many columns."""
    left_out = len(said) - _MOST_MESSAGES
    if left_out > 0:
        yield f"… {counted(left_out, 'message')} before"
    for one in said[-_MOST_MESSAGES:]:
        yield from folded(_harmless(visible(redact(one.title))), columns)
        yield from (f"{_MARGIN}{line}" for line in _shortened(redact(one.text), columns - len(_MARGIN)))


def _harmless(text: str) -> str:
    return text.replace(_OLD_COMMAND, r"##\x5b")


def _shortened(text: str, columns: int) -> list[str]:
    """The lines of a text, without most of them where they are many; its secrets are gone already."""
    if len(text) > 2 * _LOOKED_AT:
        text = f"{text[:_LOOKED_AT]}…{text[-_LOOKED_AT:]}"
    lines = folded(_harmless(visible_lines(text)).expandtabs(4), columns)
    left_out = len(lines) - _FIRST_LINES - _LAST_LINES
    if left_out <= 1:  # to say so would take as many lines
        return lines
    return [*lines[:_FIRST_LINES], f"… {counted(left_out, 'line')} …", *lines[-_LAST_LINES:]]


def _of_message(message: Message, tools: dict[str, str]) -> Said:
    role = f"[{message.role} {tools.get(message.tool_call_id or '', '')}".rstrip()
    told = [one for one in (message.template_path, message.model, _ending(message)) if one]
    return Said(f"{role}] {' · '.join(told)}".rstrip(), _text(message))


def _of_call(call: ModelCall, failures: Sequence[Exception]) -> Iterator[Said]:
    """What came of a call: the answer, as far as it came, and the error, where there was one.

    Of an error that fails the test itself a line is enough: pytest shows it above.
    """
    asked = f"{call.template_path or OUTSIDE} · {call.model}"
    is_left = call.error is not None and is_left_early(call.error)
    if call.reply is not None:
        ending = _ending(call.reply) or ("left before its end" if is_left else "not to its end" if call.error else "")
        yield Said(f"[assistant] {asked}{ending and f' · {ending}'}", _text(call.reply))
    if is_left and call.reply is None:
        yield Said(f"[assistant] {asked} · left before it said anything", "(nothing)")
    elif call.error is not None and not is_left:
        text = error_text(call.error)
        is_shown = any(call.error is failure for failure in failures)
        yield Said(f"[error] {asked}", text.partition("\n")[0] if is_shown else text)


def _ending(said: Message | Reply) -> str:
    """How an answer has ended, where that is not as usual."""
    if said.refusal:
        return "refused"
    return _ENDINGS.get(said.finish_reason or "", "")


_ENDINGS: Final = {
    "length": "cut off: no more tokens",
    "content_filter": "cut off by a content filter",
    "error": "cut off by an error",
}


def _text(said: Any) -> str:
    """The text of a message or a reply; what is attached, and the tools that are asked for, on lines of their own."""
    content = said.content or said.refusal or ""
    attached = (f"+ {one.kind}, {one.media_type or 'of a kind that is not told'}" for one in said.attachments)
    asked = (f"> {call.name} {_json(call.arguments)}" for call in said.tool_calls)
    return "\n".join([*([content] if content else []), *attached, *asked]) or "(nothing)"


def _json(arguments: Any) -> str:
    import json  # where it is needed: a failing test may have hidden it, and this is imported while it has

    from pytest_templates.reporting.message_rows import json_data

    return json.dumps(json_data(arguments), ensure_ascii=False)


def how_to_see_more(item: pytest.Item) -> str:
    """The command that shows all of it."""
    started = item.config.invocation_params.dir
    inside = item.nodeid.partition("::")[2]
    file = Path(os.path.relpath(item.path, started)).as_posix()
    words = ["python", "-m", "pytest", f"{file}::{inside}" if inside else file, "--templates-report=report.html"]
    return f"all of it: {command_line(words)}"
