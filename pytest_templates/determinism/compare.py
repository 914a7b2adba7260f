"""The calls of two runs, and the verdict on a test whose calls differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_templates.cassettes.plugin import CASSETTE
from pytest_templates.cassettes.reading.calls import RecordedCall, paired
from pytest_templates.cassettes.reading.causes import difference, remedies
from pytest_templates.determinism.roles import Outcome
from pytest_templates.errors import NotDeterministic
from pytest_templates.support.diff import MAX_LINES
from pytest_templates.support.text import cut

if TYPE_CHECKING:
    from antiphon import Message, ModelCall
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.run.attempt import Attempt


def calls_in(attempt: Attempt) -> list[RecordedCall]:
    """What models were asked in an attempt of a test; nothing if the test calls real models on purpose.

    Requests that a cassette answers are compared as it does: what it ignores is no difference. Other calls are
    compared by model and messages, without the ids of tool calls.
    """
    if attempt.is_in_samples:
        return []  # each of them has its own
    cassette = attempt.stash.get(CASSETTE, None)
    if cassette is not None:
        return _cassette_calls(cassette, attempt.sample) + [
            _recorded_call(call) for call, source in attempt.calls if source.name == "script"
        ]
    if attempt.hook.asks_real_models(attempt=attempt):
        return []
    return [_recorded_call(call) for call, _ in attempt.calls]


def _cassette_calls(cassette: OpenCassette, sample: int) -> list[RecordedCall]:
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.reading.calls import recorded_calls

    requests = [request for request in cassette.requests if request.sample == sample]
    return recorded_calls(requests, Matcher(cassette.settings.match_on, cassette.settings.ignore))


def _recorded_call(call: ModelCall) -> RecordedCall:
    body = {"model": call.model, "messages": [_message(message) for message in call.messages]}
    text = json.dumps(body, default=str)
    return RecordedCall(template=call.template_path, key=text, address="", body=text, answer="")


def _message(message: Message) -> dict[str, object]:
    calls = [{"name": one.name, "arguments": one.arguments} for one in message.tool_calls]
    return {"role": message.role, "content": message.content, **({"tool_calls": calls} if calls else {})}


_NO_TEST: Final = (
    "the second run has no test of this name: what its parameters are called is not the same in every process. Give "
    "them ids: pytest.param(..., id='...')"
)


def verdict(first: Sequence[RecordedCall], second: Outcome | None, how: str) -> NotDeterministic | None:
    """The error of a test that passed in the first run; ``None`` if the second run was the same.

    Args:
        first: Its calls in the first run.
        second: Its outcome in the second; ``None`` if there was no such test.
        how: What was different in the second run, in words.
    """
    if second is None:
        return NotDeterministic(f"{_NO_TEST}\n{how}")
    pairs = [pair for pair in paired(first, second["calls"]) if not pair.is_same]
    if pairs:
        text = "\n".join([*difference(pairs), "", *remedies(pairs[0]), how])
        return NotDeterministic(text, template_path=pairs[0].template)
    if second["failure"]:
        failure = [f"  {cut(line)}" for line in second["failure"].splitlines()[-MAX_LINES:]]
        title = "its models were asked the same, but the test passed in the first run, and not in the second:"
        return NotDeterministic("\n".join([title, *failure, how]))
    return None
