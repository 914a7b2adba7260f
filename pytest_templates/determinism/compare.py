"""The requests of two runs, how they differ, and the likely cause."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_templates.cassettes.format.canonical_json import Json
from pytest_templates.cassettes.plugin import CASSETTE
from pytest_templates.cassettes.reading.calls import CallPair, RecordedCall, call_difference, json_body, paired
from pytest_templates.determinism.roles import Outcome
from pytest_templates.errors import NotDeterministic
from pytest_templates.support.diff import MAX_LINES
from pytest_templates.support.text import OUTSIDE, counted, cut

if TYPE_CHECKING:
    from antiphon import Message, ModelCall
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.run.attempt import Attempt


def requests_of(attempt: Attempt) -> list[RecordedCall]:
    """What models were asked in an attempt of a test; nothing if the test calls real models on purpose.

    Requests that a cassette answers are compared as it does: what it ignores is no difference. Other calls are
    compared by model and messages, without the ids of tool calls.
    """
    cassette = attempt.stash.get(CASSETTE, None)
    if cassette is not None:
        return _cassette_calls(cassette) + [
            _recorded_call(call) for call, source in attempt.calls if source.name == "script"
        ]
    if attempt.hook.asks_real_models(attempt=attempt):
        return []
    return [_recorded_call(call) for call, _ in attempt.calls]


def _cassette_calls(cassette: OpenCassette) -> list[RecordedCall]:
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.reading.calls import recorded_calls

    return recorded_calls(cassette.requests, Matcher(cassette.settings.match_on, cassette.settings.ignore))


def _recorded_call(call: ModelCall) -> RecordedCall:
    body = {"model": call.model, "messages": [_message(message) for message in call.messages]}
    text = json.dumps(body, default=str)
    return RecordedCall(template=call.template_path, key=text, address="", body=text, answer="")


def _message(message: Message) -> dict[str, object]:
    calls = [{"name": one.name, "arguments": one.arguments} for one in message.tool_calls]
    return {"role": message.role, "content": message.content, **({"tool_calls": calls} if calls else {})}


_WORDS: Final = re.compile(r"\w+")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS: Final = "mon tue wed thu fri sat sun"
_NAMES: Final = "|".join(f"{name}[a-z]*" for name in f"{_MONTHS} {_DAYS}".split())
_KINDS: Final = (
    (
        re.compile(r"\b0x[0-9a-f]{6,}\b", re.IGNORECASE),
        "It holds the address of an object: give its class a __repr__ or a __str__, or say an attribute of it instead.",
    ),
    (
        re.compile(rf"\b({_NAMES})\b|\d+([-:/.]\d+)*\.?|(?<=\d)[TZ](?=\d|\b)|\b[ap]m\b", re.IGNORECASE),
        "It holds a time, or another number: hand it in as metadata, and freeze or seed it in the test.",
    ),
    (
        re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b", re.IGNORECASE),
        "It holds a random id: hand the id in as metadata, or seed what makes it.",
    ),
)
_ORDER: Final = "It says the same words in another order, as a set does: sort them."
_ANY: Final = "Freeze the time, sort what is a set, and seed what is random, or hand it in as metadata."


def remedy(old: Json, new: Json) -> str:
    """What to do about two bodies that differ, given as text or as JSON."""
    before, after = _texts(old), _texts(new)
    if _in_order(before) == _in_order(after):
        return _ORDER
    return next((text for kind, text in _KINDS if kind.sub("*", before) == kind.sub("*", after)), _ANY)


def _in_order(text: str) -> list[str]:
    return sorted(_WORDS.findall(text))


def _texts(value: Json) -> str:
    """The text of a body: its names and values, without the punctuation of JSON."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_texts(inner)}" for name, inner in value.items())
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)


_IGNORE: Final = "What may differ is left out of the comparison of recordings by llm_cassette(ignore=...)."
_NO_TEST: Final = (
    "the second run has no test of this name: what its parameters are called is not the same in every process. Give "
    "them ids: pytest.param(..., id='...')"
)


def verdict(first: Sequence[RecordedCall], second: Outcome | None, how: str) -> NotDeterministic | None:
    """The error of a test that passed in the first run; ``None`` if the second run was the same.

    Args:
        first: Its requests in the first run.
        second: Its outcome in the second; ``None`` if there was no such test.
        how: What was different in the second run, in words.
    """
    if second is None:
        return NotDeterministic(f"{_NO_TEST}\n{how}")
    pairs = [pair for pair in paired(first, second["requests"]) if not pair.is_same]
    if pairs:
        text = "\n".join([*_difference(pairs[0]), *_more(pairs), "", *_remedies(pairs[0]), how])
        return NotDeterministic(text, template_path=pairs[0].template)
    if second["failure"]:
        failure = [f"  {cut(line)}" for line in second["failure"].splitlines()[-MAX_LINES:]]
        title = "its models were asked the same, but the test passed in the first run, and not in the second:"
        return NotDeterministic("\n".join([title, *failure, how]))
    return None


def _difference(pair: CallPair) -> list[str]:
    where = pair.template or OUTSIDE
    if pair.old is None or pair.new is None:
        return [f"{where} asked a model in the {'second' if pair.old is None else 'first'} run only"]
    lines = call_difference(pair.old, pair.new) or ["what differs is no text"]
    return [
        f"the prompt of {where} is not the same in a second run (- first, + second):",
        *(f"  {line}" for line in lines),
    ]


def _more(pairs: Sequence[CallPair]) -> list[str]:
    others = len(pairs) - 1
    return [f"and {counted(others, 'call')} more, which may follow from this one"] if others else []


def _remedies(pair: CallPair) -> list[str]:
    if pair.old is None or pair.new is None:
        return []
    old, new = ((json_body(call) or call["body"]) for call in (pair.old, pair.new))
    return [remedy(old, new), *([_IGNORE] if pair.new["address"] else [])]
