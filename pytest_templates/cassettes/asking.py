"""What a cassette was asked, as `Ask`s, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_templates.asks import Ask
from pytest_templates.cassettes.answers import answer_of
from pytest_templates.cassettes.differences import body_difference
from pytest_templates.cassettes.documents import Json, JsonError, canonical, dumps, may_be_json, parse
from pytest_templates.cassettes.matching import Matcher, without
from pytest_templates.cassettes.values import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.text_differences import text_difference


def asks_of(interactions: Iterable[Interaction], matcher: Matcher) -> list[Ask]:
    """Interactions as asks: the same ones are those that the matcher takes for the same."""
    return [
        Ask(
            template=one.template,
            key=matcher.fingerprint(one.request).hex(),
            address=f"{one.request.method} {one.request.uri}",
            body=_body(one.request, matcher),
            answer=_answer(one.response),
        )
        for one in interactions
    ]


def ask_difference(old: Ask, new: Ask) -> list[str]:
    """What changed from one ask to another: the address, the settings, then message by message."""
    lines = [] if old["address"] == new["address"] else [f"- {old['address']}", f"+ {new['address']}"]
    before, after = body_in(old), body_in(new)
    if before is None or after is None:
        return lines + text_difference(old["body"], new["body"])
    return lines + body_difference(before, after)


def body_in(ask: Ask) -> Json:
    """The JSON that was sent; ``None`` where it was none."""
    try:
        return parse(ask["body"])
    except JsonError:
        return None


def _body(request: RecordedRequest, matcher: Matcher) -> str:
    if may_be_json(request.headers, request.body):
        try:
            return dumps(without(canonical(request.body), matcher.paths))
        except JsonError:
            pass
    return _text(request.body)


def _answer(response: RecordedResponse) -> str:
    """The words of an answer, of one without recognised words its body; none before it came."""
    said = answer_of(response).text or _text(response.body)
    return said if response.status in {0, 200} else f"status {response.status}: {said}"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
