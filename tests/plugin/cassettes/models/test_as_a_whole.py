"""Models that HTTP does not reach are recorded and replayed as a whole: question and answer."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import httpx
import httpx2
import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    ModelSettings,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue, ModelTimeout, RateLimitError
from pytest_templates import CassetteError, CassetteMiss, Fail, Stream, assert_models
from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.commands.main import main
from pytest_templates.scripting.model import ScriptedModel


def test_what_was_recorded_is_replayed_and_the_model_does_nothing(own: Any, ask: Any, cassette: Any) -> None:
    model, session, later = own(), Session(messages=[Message(role="user", content="Hi")]), own()

    with cassette("missing") as opened:
        first = ask(model, session)
        opened.save()
    with cassette("none") as opened:
        replayed = Session(messages=session.messages)
        assert ask(later, replayed) == first
        assert (opened.played, opened.unused) == (1, 0)

    assert (model.asked, later.asked) == (1, 0)
    [call], [again] = session.trace.calls, replayed.trace.calls
    assert (again.reply, again.usage, again.served_by) == (call.reply, call.usage, call.served_by)
    assert again.reply.finish_reason == "stop"


def test_a_recording_names_the_template_and_holds_what_was_asked(own: Any, cassette: Any, path: Path) -> None:
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")], template_id="talk")

    with cassette("missing") as opened:
        Runner(own(name="test:own/1", temperature=0, timeout=5), template=tree).run()
        opened.save()

    [one] = load_cassette(path)
    assert (one.template, one.model) == ("talk/answer", "test:own/1")
    assert (one.request.method, one.request.uri) == ("SEND", "model:test:own/1")
    assert json.loads(one.request.body) == {
        "model": "test:own/1",
        "messages": [{"role": "user", "content": "Hi"}],
        "settings": {"temperature": 0.0},  # how long it is waited for is not asked of the model
    }


def test_the_pieces_of_a_stream_are_replayed_piece_by_piece(own: Any, leave: Any, cassette: Any) -> None:
    with cassette("missing") as opened:
        assert leave(own("a", "b", "c"), 3) == ["a", "b", "c"]
        opened.save()
    with cassette("none"):
        assert leave(own(), 3) == ["a", "b", "c"]


def test_a_stream_that_was_left_early_is_left_early_in_replay(own: Any, leave: Any, cassette: Any) -> None:
    model = own("a", "b", "c")
    with cassette("missing") as opened:
        assert leave(model, 2) == ["a", "b"]
        opened.save()
    assert model.closed == 1

    with cassette("none"):
        assert leave(own(), 2) == ["a", "b"]
    with (
        cassette("none") as opened,
        pytest.raises(CassetteMiss, match="ends early for STREAM model:test:own"),
    ):
        leave(own(), 3)
    assert [miss.reason for miss in opened.misses] == ["left-early"]


async def _heard_until_a_timeout(model: Any) -> list[str]:
    session = Session(messages=[Message(role="user", content="Hi")])
    heard = []
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1), aclosing(model.astream(session)) as pieces:
            heard.append((await anext(pieces)).text)
            await anext(pieces)
    return heard


def test_a_stream_that_a_timeout_ended_is_ended_by_it_in_replay(own: Any, cassette: Any) -> None:
    class Slow(own):  # type: ignore[misc]
        async def _astream(self, session: Session) -> AsyncGenerator[str]:
            yield "a"
            await asyncio.sleep(10)

    with cassette("missing") as opened:
        assert asyncio.run(_heard_until_a_timeout(Slow())) == ["a"]
        opened.save()
    with cassette("none") as opened:
        assert asyncio.run(_heard_until_a_timeout(own())) == ["a"]
    assert opened.misses == []


def test_a_stream_that_nobody_goes_on_with_is_kept_as_far_as_it_was_heard(own: Any, cassette: Any) -> None:
    with cassette("missing") as opened:
        stream = own("a", "b").stream(Session(messages=[Message(role="user", content="Hi")]))
        assert next(stream).text == "a"
        opened.save()
        stream.close()
    with cassette("none"):
        stream = own().stream(Session(messages=[Message(role="user", content="Hi")]))
        assert next(stream).text == "a"
        stream.close()


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        Reply("Look.", tool_calls=[ToolCall(id="1", name="look", arguments={"at": ["x", 1.5, None]})]),
        Message(role="assistant", content="Hi", metadata={"seen": True}),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_every_kind_of_answer_is_replayed(answer: Any, own: Any, ask: Any, cassette: Any) -> None:
    with cassette("missing") as opened:
        first = ask(own(answer))
        opened.save()
    with cassette("none"):
        assert ask(own("no")) == first
    assert first[-1].content == (answer if isinstance(answer, str) else answer.content)


def test_a_refusal_is_recorded_and_replayed_as_it_came(own: Any, ask: Any, cassette: Any, path: Path) -> None:
    refusal = RateLimitError("slow down", retry_after=2.5, model="test:own")
    with cassette("missing") as opened:
        with pytest.raises(RateLimitError):
            ask(own(refusal))
        opened.save()
    with cassette("none"), pytest.raises(RateLimitError, match="slow down") as raised:
        ask(own())

    assert raised.value.retry_after == 2.5
    assert load_cassette(path)[0].response.status == 429


def test_a_stream_that_breaks_off_breaks_off_again(own: Any, cassette: Any) -> None:
    def heard(model: Model) -> list[str]:
        pieces = []
        with pytest.raises(RateLimitError, match="slow down"):
            pieces += [piece.text for piece in model.stream(Session(messages=[Message(role="user", content="Hi")]))]
        return pieces

    with cassette("missing") as opened:
        heard(own("a", RateLimitError("slow down")))
        opened.save()
    with cassette("none"):
        heard(own())


@pytest.mark.parametrize(
    "error", [ModelTimeout("late"), ZeroDivisionError("a bug")], ids=lambda error: type(error).__name__
)
def test_an_error_that_is_no_answer_is_not_recorded(error: Exception, own: Any, ask: Any, cassette: Any) -> None:
    with cassette("missing") as opened:
        with pytest.raises(type(error)):
            ask(own(error))
        assert (opened.recorded, opened.sent_requests.unanswered) == (0, [None])


def test_what_no_cassette_can_hold_is_said(own: Any, ask: Any, cassette: Any) -> None:
    reply = Reply(tool_calls=[ToolCall(id="1", name="f", arguments={"x": float("nan")})])
    with (
        cassette("missing") as opened,
        pytest.raises(CassetteError, match="answer of model 'test:own' cannot be recorded"),
    ):
        ask(own(reply))

    assert opened.recorded == 0
    assert len(opened.misses) == 1


def test_what_is_no_answer_is_refused_as_without_a_cassette(own: Any, ask: Any, cassette: Any) -> None:
    with cassette("missing") as opened, pytest.raises(InvalidType, match="answered with int"):
        ask(own(1))
    assert opened.recorded == 0


def test_a_program_gets_the_same_answer_while_it_is_recorded_as_in_replay(own: Any, cassette: Any) -> None:
    """JSON has no tuples: what would become of one is seen at once, and not in CI next week."""
    reply = Reply(tool_calls=[ToolCall(id="1", name="f", arguments={"x": (1, 2)})])
    with cassette("missing"):
        answer = own(reply).send(Session(messages=[Message(role="user", content="Hi")]))

    assert answer.tool_calls[0].arguments == {"x": [1, 2]}


def test_a_miss_shows_what_changed_in_the_question(own: Any, cassette: Any) -> None:
    def ask(text: str, **settings: Any) -> None:
        own(**settings).send(Session(messages=[Message(role="user", content=text)]))

    with cassette("missing") as opened:
        ask("Hello, Ada.", temperature=0)
        opened.save()
    with cassette("none") as opened, pytest.raises(CassetteMiss) as missed:
        ask("Hello, Eve.", temperature=1)

    text = str(missed.value)
    assert text.startswith("No recording for SEND model:test:own\n")
    assert "settings.temperature: 0 -> 1" in text
    assert "Hello, [Ada]." in text
    assert missed.value.reason == "no-match"
    assert opened.requests[0].model == "test:own"


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"ignore": ("messages.*.content",)}, {"text": "Bonjour"}),
        ({"ignore": ("settings.temperature",)}, {"temperature": 1}),
        ({"match_on": ("uri",)}, {"text": "Bonjour", "temperature": 1}),
    ],
)
def test_the_rules_of_matching_hold(settings: Any, asked: Any, own: Any, cassette: Any) -> None:
    def ask(text: str = "Hello", temperature: float = 0) -> str:
        return own(temperature=temperature).send(Session(messages=[Message(role="user", content=text)])).content

    with cassette("missing") as opened:
        ask()
        opened.save()
    with cassette("none", **settings):
        assert ask(**asked) == "Paris."
    with cassette("none"), pytest.raises(CassetteMiss):
        ask(**asked)


def test_without_the_method_a_stream_is_answered_by_what_came_at_once_and_the_other_way_round(
    own: Any, cassette: Any
) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])
    for first, second in (("send", "stream"), ("stream", "send")):
        ways = {"send": lambda: own().send(session), "stream": lambda: [*own().stream(session)][-1]}
        with cassette("all") as opened:
            message = ways[first]()
            opened.save()
        with cassette("none", match_on=("uri", "body")):
            assert ways[second]() == message
        assert session.trace.calls[-1].reply == session.trace.calls[-2].reply


def test_tools_and_an_output_type_are_part_of_the_question(cassette: Any, path: Path) -> None:
    @tool
    def look(place: str) -> str:
        """Look at a place.

        Args:
            place: Its name.
        """
        return f"{place} is large"

    class Looks(Model):
        recordable = True
        name = "test:looks"

        def _send(self, session: Session) -> Reply:
            if session.request.output_type is not None:
                return Reply("3")
            if session.last.role == "tool":
                return Reply(session.last.content)
            return Reply(tool_calls=[ToolCall(id="1", name="look", arguments={"place": "Paris"})])

    def run() -> Session:
        tree = [UserTemplate("Look."), ToolingTemplate([look]), AssistantTemplate(output_type=int)]
        return Runner(Looks(), template=LinearTemplate(tree)).run()

    with cassette("missing") as opened:
        first = run()
        opened.save()
    with cassette("none"):
        assert run().messages == first.messages

    bodies = [json.loads(one.request.body) for one in load_cassette(path)]
    assert bodies[0]["tools"] == [{"name": "look", "description": look.description, "parameters": look.parameters}]
    assert bodies[1]["messages"][-2]["tool_calls"] == [{"id": "1", "name": "look", "arguments": {"place": "Paris"}}]
    assert bodies[2]["output_schema"] == {"type": "integer"}


def _urllib(url: str) -> bytes:
    with urlopen(Request(url, b"{}", {"authorization": "Bearer key-0123456789abcdef"})) as answer:
        return answer.read()


async def _aiohttp(url: str) -> bytes:
    async with aiohttp.ClientSession() as client, client.post(url, data=b"{}") as answer:
        return await answer.read()


class Wired(Model):
    """A model that asks a server by HTTP."""

    recordable = True
    name = "test:wired"

    def __init__(self, url: str) -> None:
        self.url = url

    def _send(self, session: Session) -> str:
        answers = [_urllib(self.url), asyncio.run(_aiohttp(self.url))]
        answers += [library.post(self.url, content=b"{}").content for library in (httpx, httpx2)]
        return "".join(answer.decode() for answer in answers)

    async def _astream(self, session: Session) -> AsyncGenerator[str]:
        async with httpx2.AsyncClient() as client:
            for _ in range(2):
                answer = await client.post(self.url, content=b"{}")
                yield answer.text


@pytest.mark.parametrize("ask", ["send", "asend", "astream"], indirect=True)
def test_the_requests_of_a_recorded_model_are_sent_and_not_recorded(
    ask: Any, server: Any, cassette: Any, path: Path
) -> None:
    server.answer = lambda _: server.says(b"key-0123456789abcdef and fine", "text/plain")
    with cassette("missing") as opened:
        first = ask(Wired(server.url))
        assert opened.recorded == 1
        opened.save()
    sent = len(server.bodies)
    assert sent in {2, 4}

    with cassette("none") as opened:
        replayed = ask(Wired(server.url))
        assert (opened.played, opened.unused) == (1, 0)

    assert len(server.bodies) == sent
    assert replayed[-1].content.count("fine") == sent
    if sent == 4:  # one of the requests carried the key, which its answer held
        assert "key-0123456789abcdef" in first[-1].content
        assert "key-0123456789abcdef" not in path.read_text("utf-8")


def test_other_requests_are_recorded_beside_those_of_a_recorded_model(server: Any, cassette: Any, path: Path) -> None:
    with cassette("missing") as opened:
        Wired(server.url).send(Session(messages=[Message(role="user", content="Hi")]))
        httpx2.post(server.url, content=b"{}")
        opened.save()

    assert [one.request.method for one in load_cassette(path)] == ["SEND", "POST"]


def test_between_the_pieces_of_a_stream_other_requests_are_recorded(server: Any, cassette: Any, path: Path) -> None:
    async def run() -> None:
        async for _ in Wired(server.url).astream(Session(messages=[Message(role="user", content="Hi")])):
            httpx2.post(server.url, content=b"{}")

    with cassette("missing") as opened:
        asyncio.run(run())
        opened.save()

    assert sorted(one.request.method for one in load_cassette(path)) == ["POST", "POST", "POST", "STREAM"]


def test_a_model_that_speaks_a_protocol_of_its_own_is_replayed_without_its_server(
    line_server: Any, cassette: Any, ask: Any
) -> None:
    class Lines(Model):
        recordable = True
        name = "test:lines"

        def _send(self, session: Session) -> str:
            with socket.create_connection(line_server.address) as connection, connection.makefile("rw") as file:
                file.write(json.dumps({"text": session.last.content}) + "\n")
                file.flush()
                return file.readline().strip()

    with cassette("missing") as opened:
        first = ask(Lines())
        opened.save()
    assert (first[-1].content, line_server.reached) == ("WHAT IS THE CAPITAL OF FRANCE?", 1)

    with cassette("none"):
        assert ask(Lines()) == first
    assert line_server.reached == 1


def test_a_model_that_asks_another_recordable_one_is_recorded_once(own: Any, cassette: Any) -> None:
    inner = own()

    class Outer(Model):
        recordable = True
        name = "test:outer"

        def _send(self, session: Session) -> str:
            return inner.send(session).content + "!"

    with cassette("missing") as opened:
        assert Outer().send(Session(messages=[Message(role="user", content="Hi")])).content == "Paris.!"
        assert opened.recorded == 1
        opened.save()
    with cassette("none"):
        assert Outer().send(Session(messages=[Message(role="user", content="Hi")])).content == "Paris.!"
    assert inner.asked == 1


def test_a_cassette_that_is_closed_takes_nothing_from_another_that_is_open(own: Any, cassette: Any, path: Path) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing") as opened:
        with open_cassette(CassetteSettings(path.with_name("other.yaml"), "missing"), {}) as other:
            own().send(session)
        own().send(session)
        assert (opened.recorded, other.recorded) == (1, 1)


def test_a_model_that_is_not_recordable_answers_itself(own: Any, ask: Any, cassette: Any) -> None:
    class Plain(own):
        recordable = False

    model = Plain()
    with cassette("none") as opened:
        ask(model)
        assert (opened.played, opened.misses) == (0, [])
    assert model.asked == 1


def test_a_scripted_model_plays_its_script(cassette: Any) -> None:
    model = ScriptedModel("Hi", Stream("a", "b"), Fail(RateLimitError("later")))
    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing") as opened:
        assert model.send(session).content == "Hi"
        assert [*model.stream(session)][-1].content == "ab"
        with pytest.raises(RateLimitError):
            model.send(session)
        assert opened.recorded == 0


def test_a_scripted_model_is_recorded_where_that_is_asked_for(cassette: Any) -> None:
    class Recorded(ScriptedModel):
        recordable = True

    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing") as opened:
        Recorded("Hi", name="test:scripted").send(session)
        opened.save()
    with cassette("none"):
        assert Recorded(name="test:scripted").send(session).content == "Hi"


def test_the_forks_of_a_subroutine_are_recorded_as_their_model(own: Any, cassette: Any, path: Path) -> None:
    inner = LinearTemplate([UserTemplate("Look."), AssistantTemplate(template_id="look")])

    def run() -> tuple[Session, Model]:
        model = own(name="test:deep")
        return Runner(own(), template=SubroutineTemplate(inner, "sub", model=model)).run(), model

    with cassette("missing") as opened:
        run()
        opened.save()
    with cassette("none"):
        session, model = run()
        assert_models(session, {"look": model})
    assert [(one.template, one.model) for one in load_cassette(path)] == [("sub/linear-1/look", "test:deep")]


def test_equal_questions_are_answered_in_the_order_of_their_recording(own: Any, cassette: Any) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing") as opened:
        first = [own(word).send(session).content for word in ("one", "two")]
        opened.save()
    with cassette("none") as opened:
        assert [own().send(session).content for _ in first] == first == ["one", "two"]
        with pytest.raises(CassetteMiss, match="every recording of this request has been played already"):
            own().send(session)


def test_changed_keeps_what_is_still_asked(own: Any, cassette: Any, path: Path) -> None:
    def ask(*texts: str) -> None:
        for text in texts:
            own().send(Session(messages=[Message(role="user", content=text)]))

    with cassette("missing") as opened:
        ask("one", "two")
        opened.save()
    with cassette("changed") as opened:
        ask("two", "three")
        assert (opened.played, opened.recorded) == (1, 1)
        opened.save()
    assert [json.loads(one.request.body)["messages"][0]["content"] for one in load_cassette(path)] == ["two", "three"]


def test_a_secret_in_an_answer_is_not_kept_also_where_it_comes_in_pieces(own: Any, cassette: Any, path: Path) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing", {"APP_SECRET": "correct-horse-battery"}) as opened:
        assert [*own("correct-horse", "-battery", " it is").stream(session)][-1].content.startswith("correct-horse-b")
        own("It is correct-horse-battery.").send(session)
        opened.save()

    text = path.read_text("utf-8")
    assert "battery" not in text
    assert text.count("REDACTED") == 2


@pytest.mark.parametrize("damage", ["content: [1]", "nonsense: 1"])
def test_a_recording_that_was_edited_into_nonsense_is_said(damage: str, own: Any, cassette: Any, path: Path) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])
    with cassette("missing") as opened:
        own().send(session)
        opened.save()
    path.write_text(path.read_text("utf-8").replace("content: Paris.", damage), "utf-8")
    main(["cassettes", "check", "--fix", "--folder", str(path.parent), str(path)])

    with cassette("none"), pytest.raises(CassetteError, match="the recorded answer of model 'test:own' cannot be read"):
        own().send(session)


def test_recordable_is_true_or_false(own: Any, cassette: Any) -> None:
    with pytest.raises(InvalidType, match=r"Wrong\.recordable is True or False, not str: 'yes'"):

        class Wrong(Model):
            recordable = "yes"  # type: ignore[assignment]

            def _send(self, session: Session) -> str:
                return ""

    model = own()
    model.recordable = 1
    with cassette("none"), pytest.raises(InvalidType, match=r"Own\.recordable takes a bool, not int: 1"):
        model.send(Session(messages=[Message(role="user", content="Hi")]))


def test_an_empty_session_is_no_question(own: Any, cassette: Any) -> None:
    with cassette("none") as opened, pytest.raises(InvalidValue):
        own().send(Session())
    assert opened.misses == []


def test_settings_that_are_no_json_are_matched_by_their_kind(own: Any, cassette: Any) -> None:
    session = Session(messages=[Message(role="user", content="Hi")])

    def ask() -> str:
        model = own()
        model.settings = ModelSettings(logit_processor=object())
        return model.send(session).content

    with cassette("missing") as opened:
        ask()
        opened.save()
    with cassette("none"):
        assert ask() == "Paris."
