"""Any answer of a model comes out of a cassette as it went in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon import Message, Model, Reply, Session, ToolCall, Usage, errors
from pytest_templates.cassettes.format import model_calls
from pytest_templates.cassettes.format.document import from_text, to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse

texts = st.text(st.characters(exclude_categories=()))  # lone surrogates included, which no file can hold as they are
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
calls = st.builds(ToolCall, id=texts, name=texts, arguments=st.dictionaries(st.text(), values, max_size=3))
counts = st.integers(0, 10**9)
costs = st.none() | st.decimals(0, 10**6, places=30)  # smaller ones are no prices
usages = st.none() | st.builds(Usage, input_tokens=counts, output_tokens=counts, cost=costs)
replies = st.builds(
    Reply,
    texts,
    tool_calls=st.lists(calls, max_size=2),
    usage=usages,
    served_by=st.none() | texts,
    finish_reason=st.none() | texts,
)
messages = st.builds(
    Message,
    role=st.sampled_from(["assistant", "user"]),
    content=texts,
    tool_calls=st.lists(calls, max_size=2),
    metadata=st.dictionaries(st.text(), values, max_size=2),
)
WHOLE = Reply(
    "Paris.",
    tool_calls=[ToolCall(id="1", name="look", arguments={"place": "Paris", "near": [48.85, True, None]})],
    usage=Usage(input_tokens=0, output_tokens=3, cost=Decimal("0.00120")),
    served_by="grok-4-0709",
    finish_reason="stop",
)


class Named(Model):
    def _send(self, session: Session) -> str:
        return self.name


def kept(response: RecordedResponse) -> RecordedResponse:
    """A response as it comes out of a file."""
    request = RecordedRequest("SEND", "model:m", (), b"")
    return from_text(to_text([Interaction(None, "m", request, response)]))[0].response


@settings(max_examples=50)
@given(replies | messages)
@example(WHOLE)
@example(Reply())
def test_an_answer_survives_the_file(answer: Any) -> None:
    assert model_calls.joined(model_calls.pieces_of(kept(model_calls.response_with(answer)))) == answer


@settings(max_examples=50)
@given(st.lists(st.one_of(texts, replies, messages), max_size=5))
@example(["Par", "is.", WHOLE])
@example(["Par", "is.", Reply()])
@example(["", Reply("Paris."), "more", Reply("Paris.more")])
def test_the_pieces_of_a_stream_survive_the_file(pieces: list[Any]) -> None:
    lines = model_calls.Lines()
    body = b"".join(map(lines.write, pieces))

    assert model_calls.pieces_of(kept(RecordedResponse(200, "", model_calls.stream_head().headers, body))) == pieces


def test_a_text_that_was_heard_is_not_written_again() -> None:
    lines = model_calls.Lines()

    assert [lines.write(piece) for piece in ("Par", "is.", WHOLE)][:2] == [b'{"text":"Par"}\n', b'{"text":"is."}\n']
    assert b"Paris." not in lines.write(Reply("Paris.", finish_reason="stop"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.RateLimitError("later", retry_after=1.5, model="m", template_path="talk/answer"), 429),
        (errors.AuthenticationError("no"), 401),
        (errors.ContextLengthExceeded("too long"), 400),
        (errors.ServerError("broken", status=503), 503),
        (errors.BadAnswer("what?"), 502),
        (errors.ModelError("no"), 400),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_refusal_is_recorded_with_its_data(error: errors.ModelError, status: int) -> None:
    response = kept(model_calls.response_with(error))

    assert (model_calls.is_answer(error), response.status) == (True, status)
    with pytest.raises(type(error)) as raised:
        model_calls.joined(model_calls.pieces_of(response))
    assert (type(raised.value), raised.value.args, vars(raised.value)) == (type(error), error.args, vars(error))


@pytest.mark.parametrize(
    "error",
    [
        errors.ModelTimeout("late"),
        errors.ServerError("no connection"),
        errors.OutputError("unfit"),
        errors.InvalidValue("no"),
        ValueError("a bug"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_answer_is_not_recorded(error: Exception) -> None:
    assert not model_calls.is_answer(error)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_cannot_be_recorded(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        model_calls.response_with(Reply(tool_calls=[ToolCall(id="1", name="f", arguments={"x": number})]))


@pytest.mark.parametrize("body", [b"Paris.", b"[]", b'{"error":{"type":"Nonsense","text":"x"}}', b'{"content":1}'])
def test_a_response_that_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        model_calls.pieces_of(RecordedResponse(200, "", (("content-type", "application/json"),), body))


@given(st.text(min_size=1))
@example("xai:grok-4")
@example("//host:port/?a=b#c")
def test_any_name_of_a_model_makes_an_address(name: str) -> None:
    model = Named()
    model.name = name
    parts = urlsplit(model_calls.address_of(model))

    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("model", "", "", "")
    assert unquote(parts.path) == name
