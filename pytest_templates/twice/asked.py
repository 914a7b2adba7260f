"""What the models of a test were asked, in the one run or the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_templates import markers
from pytest_templates.asks import Ask

if TYPE_CHECKING:
    from antiphon import Message, ModelCall
    from pytest_templates.attempts import Attempt
    from pytest_templates.cassettes.library import OpenCassette


def asked_in(attempt: Attempt) -> list[Ask]:
    """What the models were asked in an attempt of a test; nothing where the test calls real models on purpose.

    What a cassette answers counts as the cassette sees it: what is ignored there is no difference. Other calls count by
    their model and messages; ids of tool calls are left out.
    """
    if markers.has(attempt.item, "llm_live"):
        return []
    if attempt.cassette is None:
        return [_ask(call) for call, _ in attempt.calls]
    scripted = [_ask(call) for call, source in attempt.calls if source == "script"]
    return _recorded(attempt.cassette) + scripted


def _recorded(cassette: OpenCassette) -> list[Ask]:
    from pytest_templates.cassettes.asking import asks_of
    from pytest_templates.cassettes.matching import Matcher

    return asks_of(cassette.asked, Matcher(cassette.settings.match_on, cassette.settings.ignore))


def _ask(call: ModelCall) -> Ask:
    body = {"model": call.model, "messages": [_message(message) for message in call.messages]}
    text = json.dumps(body, default=str)
    return Ask(template=call.template_path, key=text, address="", body=text, answer="")


def _message(message: Message) -> dict[str, object]:
    calls = [{"name": one.name, "arguments": one.arguments} for one in message.tool_calls]
    return {"role": message.role, "content": message.content, **({"tool_calls": calls} if calls else {})}
