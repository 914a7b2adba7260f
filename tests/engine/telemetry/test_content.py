"""What is said stands in spans and events where that is asked for, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    Image,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    observing,
    tool,
)
from antiphon.errors import InvalidValue, OutputError
from antiphon.observers import ToolEntered, ToolExited
from antiphon.telemetry import CONTENT_VARIABLE, TelemetryObserver


def _said(telemetry: Any) -> str:
    return " ".join(span.to_json() for span in telemetry.spans)


SECRET = "the moon is made of cheese"
ASKED = [ToolCall(id="1", name="look", arguments={"where": SECRET})]


@pytest.fixture
def tell(speaking) -> Callable[[Any], None]:
    """Has all kinds of things said where an observer listens."""

    def tell(telemetry: Any) -> None:
        @tool
        def look(where: str) -> str:
            """Look."""
            return f"seen: {where}"

        attached = [Image.from_bytes(b"GIF89a", "image/gif"), Image.from_url("https://example.com/a.png")]
        tree = LinearTemplate([UserTemplate(SECRET, attachments=attached), ToolingTemplate([look])])
        answer = Reply(SECRET, thinking=f"Hm: {SECRET}")
        with observing(telemetry.observer):
            Runner(speaking(Reply(tool_calls=ASKED), answer)).run(template=tree)
            with pytest.raises(OutputError):
                Runner(speaking(SECRET)).run(
                    template=LinearTemplate([UserTemplate("n?"), AssistantTemplate(output_type=int)])
                )

    return tell


def test_nothing_that_is_said_is_told_unless_it_is_asked_for(monkeypatch, new_telemetry, tell):
    monkeypatch.delenv(CONTENT_VARIABLE, raising=False)
    telemetry = new_telemetry()
    tell(telemetry)

    assert telemetry.spans
    assert SECRET not in _said(telemetry)
    assert telemetry.logs.get_finished_logs() == ()


@pytest.mark.parametrize("asked", ["parameter", "SPAN_ONLY", "true"])
def test_spans_hold_what_is_said_where_that_is_asked_for(asked, monkeypatch, new_telemetry, tell):
    monkeypatch.setenv(CONTENT_VARIABLE, "" if asked == "parameter" else asked)
    telemetry = new_telemetry(**({"capture_content": True} if asked == "parameter" else {}))
    tell(telemetry)

    first, second, _ = [span for span in telemetry.spans if span.name.startswith("chat")]
    assert json.loads(second.attributes["gen_ai.input.messages"]) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": SECRET},
                {"type": "attachment", "modality": "image", "mime_type": "image/gif"},
                {"type": "uri", "uri": "https://example.com/a.png", "modality": "image", "mime_type": "image/png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"where": SECRET}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": f"seen: {SECRET}"}]},
    ]
    assert json.loads(second.attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": f"Hm: {SECRET}"}, {"type": "text", "content": SECRET}],
            "finish_reason": "stop",
        }
    ]
    (offered,) = json.loads(first.attributes["gen_ai.tool.definitions"])
    assert (offered["type"], offered["name"], offered["description"]) == ("function", "look", "Look.")
    run = telemetry.named("execute_tool look")
    assert json.loads(run.attributes["gen_ai.tool.call.arguments"]) == {"where": SECRET}
    assert run.attributes["gen_ai.tool.call.result"] == f"seen: {SECRET}"
    assert telemetry.logs.get_finished_logs() == ()


def test_events_hold_what_is_said_where_that_is_asked_for(monkeypatch, new_telemetry, tell):
    monkeypatch.setenv(CONTENT_VARIABLE, "EVENT_ONLY")
    telemetry = new_telemetry()
    tell(telemetry)

    assert SECRET not in _said(telemetry)
    events = [log.log_record for log in telemetry.logs.get_finished_logs()]
    assert [event.event_name for event in events] == ["gen_ai.client.inference.operation.details"] * 3
    calls = [span for span in telemetry.spans if span.name.startswith("chat")]
    assert [event.span_id for event in events] == [span.context.span_id for span in calls]
    assert events[0].attributes["gen_ai.input.messages"][0]["parts"][0]["content"] == SECRET
    assert events[0].attributes["gen_ai.request.model"] == "gpt-4o-mini"


def _circular() -> dict[str, Any]:
    known: dict[str, Any] = {"list": []}
    known["list"].append(known["list"])
    return known


class Unsaid:
    """What cannot even be shown."""

    def __repr__(self) -> str:
        raise OSError("nothing to show")


class Broken(Exception):
    """Raised on purpose."""


NO_JSON = {
    "more digits than Python writes": ({"number": 10**5000}, '{"number": "<int>"}'),
    "more than 64 bits": ({"number": 2**70}, '{"number": "1180591620717411303424"}'),
    "a key that is a tuple": ({"at": {(1, 2): "here"}}, '{"at": {"(1, 2)": "here"}}'),
    "a list in itself": (_circular(), '{"list": ["[[...]]"]}'),
    "an object that cannot be shown": ({"it": Unsaid()}, '{"it": "<Unsaid>"}'),
    "half a character": ({"at": {"\ud800": "\udfff"}}, '{"at": {"\\\\ud800": "\\\\udfff"}}'),
}


@pytest.mark.parametrize(("arguments", "told"), NO_JSON.values(), ids=NO_JSON)
def test_content_that_has_no_form_in_json_ends_no_call_and_no_export(
    arguments, told, monkeypatch, speaking, new_telemetry
):
    monkeypatch.setenv(CONTENT_VARIABLE, "SPAN_AND_EVENT")
    telemetry = new_telemetry()
    wanted = ToolCall(id="1", name="look", arguments=arguments)

    with observing(telemetry.observer):
        said = speaking(Reply(tool_calls=[wanted])).send(Session(messages=[Message(role="user", content="Go on.")]))
        entered = ToolEntered(wanted, None, "", None, Session())
        telemetry.observer.on_tool_enter(entered)
        telemetry.observer.on_tool_exit(ToolExited(entered, arguments, None, 0.0))

    assert said.tool_calls[0].name == "look"
    (call, tool) = telemetry.spans
    assert tool.attributes["gen_ai.tool.call.arguments"] == told
    (answer,) = json.loads(call.attributes["gen_ai.output.messages"])
    assert answer["parts"][0]["arguments"] == json.loads(told)
    telemetry.export()


def test_what_utf_8_cannot_encode_is_exported_wherever_it_stands(telemetry, speaking):
    half = "half \ud800"

    with pytest.raises(Broken):
        Runner(speaking(Broken(half), name=f"openai:{half}")).run(
            template=LinearTemplate([UserTemplate("Go on."), AssistantTemplate(template_id="answer")])
        )

    call = telemetry.named("chat half \\ud800")
    assert call.status.description == "half \\ud800"
    assert call.attributes["gen_ai.request.model"] == "half \\ud800"
    assert call.events[0].attributes["exception.message"] == "half \\ud800"
    telemetry.export()


def test_a_content_that_the_conventions_do_not_know_is_refused(monkeypatch):
    monkeypatch.setenv(CONTENT_VARIABLE, "everything")

    with pytest.raises(InvalidValue, match=r"'everything'.*NO_CONTENT, SPAN_ONLY, EVENT_ONLY and SPAN_AND_EVENT"):
        TelemetryObserver()
