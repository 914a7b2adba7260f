"""Parts of a conversation in which every call of a tool has its result, and every result its call."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from antiphon.messages import Message


def paired(messages: Sequence[Message], chosen: Collection[int]) -> list[Message]:
    """Some messages of a conversation, so that providers accept what they are part of.

    A result brings the call that it answers: that message without its text, where it was not chosen itself. A message
    that calls tools keeps the calls whose results are chosen, too. One that is left without calls and text is dropped,
    and so is a result whose call is not among the messages.

    Args:
        messages: The conversation.
        chosen: Which of them, by their indices from 0.

    Returns:
        The messages, in their order; those that did not change are the same objects.
    """
    callers: dict[str | None, int] = {}
    answered: dict[int, set[str | None]] = {}
    results: set[int] = set()
    for index, message in enumerate(messages):
        for call in message.tool_calls:
            callers[call.id] = index
        if message.role == "tool" and index in chosen and message.tool_call_id in callers:
            answered.setdefault(callers[message.tool_call_id], set()).add(message.tool_call_id)
            results.add(index)
    kept: list[Message] = []
    for index, message in enumerate(messages):
        if message.role == "tool":
            kept += [message] if index in results else []
        elif index in chosen or index in answered:
            reduced = _with_calls(message, answered.get(index, ()), with_text=index in chosen)
            says = reduced.tool_calls or reduced.content or reduced.attachments
            kept += [reduced] if says or reduced is message else []
    return kept


def _with_calls(message: Message, ids: Collection[str | None], *, with_text: bool) -> Message:
    calls = tuple([call for call in message.tool_calls if call.id in ids])
    if with_text and len(calls) == len(message.tool_calls):
        return message
    said = {} if with_text else {"content": "", "attachments": ()}
    return message.model_copy(update={"tool_calls": calls, **said})
