"""Recorded calls of two runs side by side, and what changed from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, TypedDict

from pytest_templates.cassettes.format.bodies import LONGEST
from pytest_templates.cassettes.format.canonical_json import Json, JsonError, dumps, parse
from pytest_templates.cassettes.matching import Matcher, bytes_of, json_of
from pytest_templates.cassettes.reading.diff import body_difference
from pytest_templates.cassettes.reading.llm import Prompt, PromptMessage, answer_of, prompt_of
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.support.diff import text_difference, word_difference
from pytest_templates.support.text import OUTSIDE, counted, cut


class RecordedCall(TypedDict):
    """One request of a model, and its answer.

    Attributes:
        template: The path of the template that asked; ``None`` for a call from outside of templates.
        key: Equal for requests that count as the same, in one sample, and for no others.
        address: Where it was sent, with the method; ``""`` where nothing was sent.
        body: What was sent: JSON without what is ignored in comparisons, or other text.
        answer: What came back, in words; ``""`` for nothing.
    """

    template: str | None
    key: str
    address: str
    body: str
    answer: str


@dataclass(frozen=True, slots=True)
class CallPair:
    """A call of one run, and the one of another run that stands in its place.

    Attributes:
        old: ``None`` where only the new run asked.
        new: ``None`` where only the old run asked.
    """

    old: RecordedCall | None
    new: RecordedCall | None

    @property
    def template(self) -> str | None:
        """The path of the template that calls; ``None`` for code outside of templates."""
        return next((call["template"] for call in (self.new, self.old) if call is not None), None)

    @property
    def is_same(self) -> bool:
        """Whether both runs made the same request."""
        return self.old is not None and self.new is not None and self.old["key"] == self.new["key"]


def paired(old: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> list[CallPair]:
    """The calls of two runs side by side, template by template.

    Those of a template that are the same belong together wherever they stand, since what is asked at the same time may
    come in any order; the others by their place.
    """
    templates = dict.fromkeys(call["template"] for call in (*new, *old))
    return [pair for template in templates for pair in _paired(_of(template, old), _of(template, new))]


def _of(template: str | None, calls: Iterable[RecordedCall]) -> list[RecordedCall]:
    return [call for call in calls if call["template"] == template]


def _paired(old: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> Iterator[CallPair]:
    left, others = list(old), []
    for call in new:
        same = next((one for one in left if one["key"] == call["key"]), None)
        if same is None:
            others.append(call)
        else:
            left.remove(same)
            yield CallPair(same, call)
    yield from (CallPair(was, now) for was, now in zip_longest(left, others))


def recorded_calls(interactions: Iterable[Interaction], matcher: Matcher) -> list[RecordedCall]:
    """Interactions as calls: the same ones are those that the matcher takes for the same."""
    return [
        RecordedCall(
            template=one.template,
            key=matcher.key(one).hex(),
            address=f"{one.request.method} {one.request.uri}",
            body=_body(one.request, matcher),
            answer=_answer(one.response),
        )
        for one in interactions
    ]


def call_difference(old: RecordedCall, new: RecordedCall) -> list[str]:
    """What changed from one call to another: the address, the settings, then message by message."""
    lines = [] if old["address"] == new["address"] else [f"- {old['address']}", f"+ {new['address']}"]
    before, after = json_body(old), json_body(new)
    if before is None or after is None:
        return lines + text_difference(old["body"], new["body"])
    return lines + body_difference(before, after)


def json_body(call: RecordedCall) -> Json:
    """The JSON that was sent; ``None`` where it was none."""
    try:
        return parse(call["body"])
    except JsonError:
        return None


def _body(request: RecordedRequest, matcher: Matcher) -> str:
    try:
        return dumps(json_of(request, matcher.ignored))
    except JsonError:
        return _text(bytes_of(request, matcher.ignored))


def _answer(response: RecordedResponse) -> str:
    """The words of an answer, of one without recognised words its body; none before it came.

    A very long one is not read, since that takes many times its memory.
    """
    words = (answer_of(response).text if len(response.body) <= LONGEST else "") or _text(response.body)
    return words if response.status in {0, 200} else f"status {response.status}: {words}"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


_SHOWN: Final = 6  # lines of a difference
_NOT_OURS: Final = {"assistant", "model", "tool", "function", "function_call", "function_call_output", "reasoning"}


def changed_recordings(old: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> list[str]:
    """What changed, for people; no lines where every prompt and every answer is the same."""
    pairs = paired(old, new)
    changed = [pair for pair in pairs if not _has_same_answer(pair)]
    same = len(pairs) - len(changed)
    lines = [line for pair in changed for line in _lines_of(pair)]
    return [*lines, *([f"the same answer to the same prompt: {counted(same, 'call')}"] if lines and same else [])]


def _has_same_answer(pair: CallPair) -> bool:
    return pair.is_same and pair.old is not None and pair.new is not None and pair.old["answer"] == pair.new["answer"]


def _lines_of(pair: CallPair) -> Iterator[str]:
    where = pair.template or OUTSIDE
    if pair.old is None or pair.new is None:
        yield f"{where}: {'new call' if pair.old is None else 'gone'}"
        return
    if pair.is_same:
        yield f"{where}: the model answered differently to the same prompt"
        lines = word_difference(pair.old["answer"], pair.new["answer"])
    else:
        yield f"{where}: {_cause(pair.old, pair.new)}"
        lines = call_difference(pair.old, pair.new)
    yield from (f"  {cut(line)}" for line in lines[:_SHOWN])
    yield from ["  …"] if len(lines) > _SHOWN else []


def _cause(old: RecordedCall, new: RecordedCall) -> str:
    """What made a prompt change: the program, its settings, or an earlier answer."""
    before, after = prompt_of(json_body(old)), prompt_of(json_body(new))
    if before is None or after is None:
        return "our request changed"
    if before.messages == after.messages:
        return "the settings changed, or where it is sent"
    if before.settings == after.settings and _ours(before) == _ours(after):
        return "an earlier answer in the prompt changed"
    return "our prompt changed"


def _ours(prompt: Prompt) -> list[PromptMessage]:
    return [message for message in prompt.messages if message.role not in _NOT_OURS]
