"""What a call of a model tells, by its span and in metrics, as the conventions for generative AI have it."""

from __future__ import annotations

import socket

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    CachedModel,
    LinearTemplate,
    Message,
    Model,
    Reply,
    RetryingModel,
    Runner,
    Session,
    UserTemplate,
    connect,
    observing,
)
from antiphon.errors import ServerError
from antiphon.telemetry import VERSION_VARIABLE


class Asking(Model):
    """Asks another model, and once more where that fails."""

    name = "retrying"

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def _send(self, session: Session) -> Message:
        try:
            return self.inner.send(session)
        except RuntimeError:
            return self.inner.send(session)


def test_what_a_model_asks_another_lies_below_it_and_is_counted_once(telemetry, speaking, used):
    model = Asking(speaking(RuntimeError("busy"), Reply("fine", usage=used)))
    model.send(Session(messages=[Message(role="user", content="Hi")]))

    assert telemetry.tree() == ["chat retrying", "  chat gpt-4o-mini", "  chat gpt-4o-mini"]
    outer, failed, answered = telemetry.spans
    assert [span.kind for span in telemetry.spans] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert failed.status.status_code is StatusCode.ERROR
    assert outer.status.status_code is answered.status.status_code is StatusCode.UNSET
    assert "gen_ai.usage.input_tokens" not in outer.attributes
    assert answered.attributes["gen_ai.usage.input_tokens"] == 12
    points = telemetry.points("gen_ai.client.operation.duration")
    assert sum(point.count for point in points) == 2
    assert {point.attributes.get("error.type") for point in points} == {None, "RuntimeError"}


def test_each_attempt_is_a_call_and_an_answer_from_a_cache_is_none(telemetry, speaking, used):
    model = CachedModel(RetryingModel(speaking(ServerError("down"), Reply("fine", usage=used)), wait=0))
    for _ in range(2):
        model.send(Session(messages=[Message(role="user", content="Hi")]))

    name = "chat gpt-4o-mini"
    assert telemetry.tree() == [name, f"  {name}", f"    {name}", f"    {name}", name]
    assert [span.attributes.get("antiphon.from_cache", False) for span in telemetry.spans] == [False] * 4 + [True]
    assert sum(point.count for point in telemetry.points("gen_ai.client.operation.duration")) == 2
    assert [point.sum for point in telemetry.points("gen_ai.client.token.usage")] == [12, 7]


def test_a_call_says_what_the_conventions_want_to_know(telemetry, speaking, used):
    class Answer(BaseModel):
        text: str

    reply = Reply('{"text": "fine"}', usage=used, served_by="gpt-4o-mini-2024", finish_reason="stop")
    model = speaking(reply, temperature=0.5, max_tokens=100, seed=7, stop=["END"], top_k=3)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=Answer, template_id="answer")])
    Runner(model).run(template=tree)

    span = telemetry.named("chat gpt-4o-mini")
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.seed": 7,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "antiphon.usage.cost": 0.25,
        "antiphon.model.chosen_by": "runner",
        "antiphon.template.path": "linear/answer",
    }
    by_type = {point.attributes["gen_ai.token.type"]: point for point in telemetry.points("gen_ai.client.token.usage")}
    assert {kind: point.sum for kind, point in by_type.items()} == {"input": 12, "output": 7}
    assert dict(by_type["input"].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.token.type": "input",
    }
    assert by_type["input"].explicit_bounds[:3] == (1, 4, 16)
    assert telemetry.points("gen_ai.client.operation.duration")[0].explicit_bounds[0] == 0.01


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("anthropic:claude-x", "anthropic", "claude-x"),
        ("google:gemini-x", "gcp.gemini", "gemini-x"),
        ("openai-responses:gpt-x", "openai", "gpt-x"),
        ("mistral:small:v2", "mistral_ai", "small:v2"),
        ("hers", "_OTHER", "hers"),
    ],
)
def test_providers_have_the_names_that_the_conventions_give_them(name, provider, model, telemetry, speaking):
    speaking(name=name).send(Session(messages=[Message(role="user", content="Hi")]))

    (span,) = telemetry.spans
    assert (span.attributes["gen_ai.provider.name"], span.attributes["gen_ai.request.model"]) == (provider, model)


@pytest.mark.llm_live(reason="nobody listens there")
def test_a_model_at_an_address_of_its_own_says_where_it_is(telemetry):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    model = connect("openai:small", base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0)
    with pytest.raises(ServerError):
        model.send(Session(messages=[Message(role="user", content="Hi")]))

    span = telemetry.named("chat small")
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("127.0.0.1", port)
    assert telemetry.points("gen_ai.client.operation.duration")[0].attributes["server.port"] == port
    assert span.attributes["error.type"] == "antiphon.errors.ServerError"


def test_the_latest_conventions_are_spoken_where_that_is_asked_for(monkeypatch, speaking, support, used, new_telemetry):
    monkeypatch.setenv(VERSION_VARIABLE, "http, gen_ai_latest_experimental")
    telemetry = new_telemetry()
    usage = used.model_copy(update={"cache_write_tokens": 3, "input_audio_tokens": 2})
    with observing(telemetry.observer):
        Runner(speaking(Reply("fine", usage=usage))).run(template=support)

    assert telemetry.points("gen_ai.client.token.usage") == telemetry.points("gen_ai.client.operation.duration") == []
    assert telemetry.points("gen_ai.client.inference.duration")[0].count == 1
    used = telemetry.points("gen_ai.client.inference.usage.input_tokens")
    assert {point.attributes["gen_ai.token.modality"]: point.value for point in used} == {"audio": 2, "unknown": 10}
    assert telemetry.points("gen_ai.client.inference.usage.cache_write.input_tokens")[0].value == 3
    assert telemetry.named("chat gpt-4o-mini").attributes["gen_ai.usage.cache_write.input_tokens"] == 3
    workflow = telemetry.named("invoke_workflow support").attributes
    assert workflow["gen_ai.agent.name"] == "support"
    assert "gen_ai.workflow.name" not in workflow
