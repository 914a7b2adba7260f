"""What a provider's failures become: the engine's errors, whatever the wire format and however the model was asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.exceptions import AgentRunError

from antiphon import AssistantTemplate, LinearTemplate, Message, Model, Runner, Session, UserTemplate, connect
from antiphon.errors import (
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    ModelError,
    ModelTimeout,
    RateLimitError,
    ServerError,
)

TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])

REFUSALS: list[tuple[str, type[ModelError], dict[str, Any]]] = [
    ("rate limit", RateLimitError, {"retry_after": 20.0}),
    ("bad key", AuthenticationError, {}),
    ("no permission", AuthenticationError, {}),
    ("context overflow", ContextLengthExceeded, {}),
    ("server error", ServerError, {"status": 500}),
    ("overloaded", ServerError, {}),
    ("refused", ModelError, {}),
]
UNUSABLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # as a whole, and streamed
    "cut JSON": (
        {"text": '{"id": "1", "cho', "headers": {"content-type": "application/json"}},
        {"events": ['{"id": ']},
    ),
    "a web page": ({"text": "<html>Bad gateway</html>"}, {"text": "<html>Bad gateway</html>"}),
    "nothing": ({"text": ""}, {"text": ""}),
    "no object": ({"json": [1, 2]}, {"events": ["[1, 2]"]}),
}


def fail(provider: Any, wire: Any, mode: Any, **settings: Any) -> tuple[ModelError, Session]:
    """Ask a model that fails; returns its error, and the session."""
    model, session = provider.connect(wire, **settings), Session()
    with pytest.raises(ModelError) as raised:
        mode.play(Runner(model, template=TREE), session)
    return raised.value, session


def check(error: ModelError, expected: type[ModelError], session: Session, wire: Any) -> None:
    assert type(error) is expected, repr(error)
    assert (error.model, error.template_path) == (wire.played, "linear/answer")
    assert wire.played in str(error)
    assert "linear/answer" in str(error)
    assert isinstance(error.__cause__, AgentRunError | AttributeError | TypeError)  # or where a client stumbled itself
    assert [call.error for call in session.trace.calls] == [error]
    assert [message.role for message in session.messages] == ["user"]


@pytest.mark.parametrize(("refusal", "expected", "facts"), REFUSALS, ids=[name for name, *_ in REFUSALS])
def test_a_refusal_arrives_as_the_engines_error(
    provider: Any, wire: Any, mode: Any, refusal: str, expected: type[ModelError], facts: dict[str, Any]
) -> None:
    provider.plays(wire.answers[refusal])

    error, session = fail(provider, wire, mode)

    check(error, expected, session, wire)
    assert {name: getattr(error, name) for name in facts} == facts
    assert len(provider.asked) == 1


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_an_answer_that_cannot_be_understood_is_a_bad_answer(
    provider: Any, wire: Any, mode: Any, unusable: str
) -> None:
    provider.plays(UNUSABLE[unusable][mode.streams])

    error, session = fail(provider, wire, mode)

    check(error, BadAnswer, session, wire)


def test_an_answer_of_another_shape_is_a_bad_answer(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(wire.answers["other shape, streamed" if mode.streams else "other shape"])

    error, session = fail(provider, wire, mode)

    check(error, BadAnswer, session, wire)


@pytest.mark.parametrize("setting", ["timeout", "request_timeout"])
def test_no_answer_in_time_is_a_timeout(provider: Any, wire: Any, mode: Any, setting: str) -> None:
    provider.plays({"status": 0, "then": "stall"})

    error, session = fail(provider, wire, mode, **{setting: 0.1})

    check(error, ModelTimeout, session, wire)
    assert not provider.asked or provider.left.wait(5)  # on a busy machine the time may be over before it was asked


def test_a_connection_that_breaks_is_a_server_error_without_a_status(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays({"status": 0})

    error, session = fail(provider, wire, mode)

    check(error, ServerError, session, wire)
    assert error.status is None


def test_a_server_that_is_not_there_is_a_server_error_without_a_status(wire: Any, mode: Any, provider: Any) -> None:
    provider.url = "http://127.0.0.1:1"

    error, session = fail(provider, wire, mode)

    check(error, ServerError, session, wire)
    assert error.status is None


@pytest.mark.parametrize("how", ["dropped", "error in a stream"])
def test_a_stream_that_fails_half_way_is_a_server_error_and_what_came_is_recorded(
    provider: Any, wire: Any, how: str, any_stream: Any
) -> None:
    stream = wire.answers["stream"]
    dropped = {"events": stream["events"][: pieces_of(wire)], "then": "drop"}
    provider.plays(dropped if how == "dropped" else wire.answers[how])

    error, session = fail(provider, wire, any_stream)

    check(error, ServerError, session, wire)
    assert session.trace.calls[0].reply is not None
    assert session.trace.calls[0].reply.content == "The parcel"


def pieces_of(wire: Any) -> int:
    """How many events of the stream bring the first piece of text and no more."""
    return next(i for i, event in enumerate(wire.answers["stream"]["events"]) if "The parcel" in str(event)) + 1


def test_a_quota_that_is_used_up_is_a_rate_limit_where_the_provider_says_too_many_requests(
    provider: Any, wire: Any, mode: Any
) -> None:
    refusal = wire.answers["quota used up"]
    provider.plays(refusal)

    error, session = fail(provider, wire, mode)

    check(error, RateLimitError if refusal["status"] == 429 else ModelError, session, wire)


def google_with_short_waits(url: str, **settings: Any) -> Model:
    """A model whose client waits as long as others are told to: it heeds no header, and waits a second by itself."""
    from google.genai import Client
    from google.genai.types import HttpOptions, HttpRetryOptions
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    options = HttpOptions(base_url=url, retry_options=HttpRetryOptions(initial_delay=0.05, jitter=0))
    client = Client(api_key="dummy-key", http_options=options)
    return connect(GoogleModel("gemini-2.5-flash-lite", provider=GoogleProvider(client=client)), **settings)


def test_a_client_waits_and_asks_again_where_it_is_told_to(provider: Any, wire: Any, mode: Any) -> None:
    waits_by_itself = str(wire) == "google" and mode.name == "run"
    refusal = {**wire.answers["rate limit"], "headers": {"retry-after-ms": "50"}}
    provider.plays(refusal, wire.answers["stream" if mode.streams else "text"])
    session = Session()
    if str(wire) == "google" and not waits_by_itself:
        model = google_with_short_waits(provider.url, max_retries=1)
    else:
        model = provider.connect(wire, max_retries=1)

    mode.play(Runner(model, template=TREE), session)

    (call,) = session.trace.calls
    assert session.last.content == "The parcel is late."
    assert call.error is None
    assert call.seconds >= (1 if waits_by_itself else 0.05)
    assert len(provider.asked) == 2


@pytest.mark.parametrize(
    ("name", "retries"), [("openai", 0), ("openai", 2), ("anthropic", 0), ("anthropic", 2), ("google", 0)]
)
def test_a_client_retries_as_often_as_it_is_told(provider: Any, wires: Any, name: str, retries: int) -> None:
    wire = wires[name]  # Google's client heeds no header, and waits a second
    refusal = {**wire.answers["rate limit"], "headers": {"retry-after-ms": "10"}}
    provider.plays(refusal)
    model = provider.connect(wire)
    model.settings.max_retries = retries

    with pytest.raises(RateLimitError) as raised:
        model.send(Session(messages=[Message(role="user", content="Hi")]))

    assert len(provider.asked) == 1 + retries
    assert raised.value.retry_after == 0.01
