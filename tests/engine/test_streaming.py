"""Listening to models while they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    Usage,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidType

HI = Message(role="user", content="Hi")
Listen = Callable[..., list[Any]]


class Speaking(Model):
    """Says pieces, and notes when it was closed."""

    shared = frozenset({"closed"})

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed: list[bool] = []

    def _send(self, session: Session) -> str:
        return "not streamed"

    def _stream(self, session: Session) -> Any:
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed.append(True)

    async def _astream(self, session: Session) -> Any:
        try:
            for piece in self.pieces:
                await asyncio.sleep(0)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed.append(True)


def _stream(one: Any, *given: Any, **options: Any) -> list[Any]:
    return list(one.stream(*given, **options))


def _astream(one: Any, *given: Any, **options: Any) -> list[Any]:
    async def pieces() -> list[Any]:
        return [piece async for piece in one.astream(*given, **options)]

    return asyncio.run(pieces())


@pytest.fixture(params=[_stream, _astream], ids=["stream", "astream"])
def listen(request: pytest.FixtureRequest) -> Listen:
    return request.param


def asked() -> Session:
    return Session(messages=[Message(role="user", content="Hi")])


def texts(pieces: list[Any]) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, TextDelta)]


def test_a_model_is_heard_piece_by_piece_and_then_as_a_whole(listen):
    session = asked()

    pieces = listen(Speaking("Hel", "lo", Reply(usage=Usage(input_tokens=3), finish_reason="stop")), session)

    assert texts(pieces) == ["Hel", "lo"]
    assert (pieces[-1].role, pieces[-1].content, pieces[-1].model) == ("assistant", "Hello", "Speaking")
    [call] = session.trace.calls
    assert call.reply == Reply("Hello", usage=Usage(input_tokens=3), finish_reason="stop")
    assert 0 <= call.seconds_to_text <= call.seconds


def test_a_model_that_does_not_stream_is_one_piece(listen, answering):
    pieces = listen(answering("Hello"), asked())

    assert texts(pieces) == ["Hello"]
    assert pieces[-1].content == "Hello"


def test_a_call_that_is_not_streamed_has_no_time_to_text(answering):
    session = asked()
    answering("Hello").send(session)

    assert session.trace.calls[0].seconds_to_text is None


def test_tool_calls_come_with_the_whole_message(listen):
    call = ToolCall(id="1", name="look")

    pieces = listen(Speaking("Let me see.", Reply(tool_calls=(call,))), asked())

    assert pieces[-1].content == "Let me see."
    assert pieces[-1].tool_calls == (call,)


def test_a_whole_answer_counts_more_than_its_pieces_and_is_not_heard_again(listen):
    for whole in (Reply("Hello, Ada."), Message(role="assistant", content="Hello, Ada.")):
        pieces = listen(Speaking("Hello", whole), asked())

        assert texts(pieces) == ["Hello"]
        assert pieces[-1].content == "Hello, Ada."


def test_a_whole_message_without_text_stays_without_text(listen):
    call = ToolCall(id="1", name="look")

    pieces = listen(Speaking("Hm.", Message(role="assistant", content="", tool_calls=(call,))), asked())

    assert (pieces[-1].content, pieces[-1].tool_calls) == ("", (call,))


@pytest.mark.parametrize("whole", [Reply("Hello"), Message(role="assistant", content="Hello")])
def test_a_whole_answer_without_pieces_is_heard_as_one(whole, listen):
    pieces = listen(Speaking(whole), asked())

    assert texts(pieces) == ["Hello"]
    assert pieces[-1].content == "Hello"


def test_empty_pieces_are_not_heard(listen):
    assert texts(listen(Speaking("", "a", "", "b"), asked())) == ["a", "b"]


def test_a_stream_that_breaks_off_is_recorded_with_what_came_and_its_error(listen):
    session = asked()

    with pytest.raises(ConnectionError):
        listen(Speaking("Hel", ConnectionError("gone")), session)

    [call] = session.trace.calls
    assert call.reply == Reply("Hel")
    assert isinstance(call.error, ConnectionError)


def test_something_that_is_no_piece_is_refused(listen):
    with pytest.raises(InvalidType, match="'Speaking' answered with int"):
        listen(Speaking("a", 3), asked())


def test_leaving_early_closes_the_stream_and_records_what_came():
    session, model = asked(), Speaking("a", "b", "c")

    pieces = model.stream(session)
    assert next(pieces) == TextDelta("a", None)
    pieces.close()

    assert model.closed == [True]
    assert session.trace.calls[0].reply == Reply("a")


def test_leaving_early_closes_an_async_stream():
    session, model = asked(), Speaking("a", "b", "c")

    async def program() -> None:
        pieces = model.astream(session)
        assert await anext(pieces) == TextDelta("a", None)
        await pieces.aclose()

    asyncio.run(program())

    assert model.closed == [True]
    assert session.trace.calls[0].reply == Reply("a")


def test_a_runner_streams_a_whole_tree_subroutines_included(listen):
    template = LinearTemplate(
        [
            UserTemplate("Hi"),
            SubroutineTemplate(LinearTemplate([UserTemplate("In"), AssistantTemplate(template_id="inner")])),
            AssistantTemplate(template_id="outer"),
        ],
        template_id="t",
    )

    steps = listen(Runner(Speaking("a", "b")), template=template)

    assert [step.text if isinstance(step, TextDelta) else step.content for step in steps] == [
        *("Hi", "In", "a", "b", "ab", "a", "b", "ab"),
    ]
    assert {step.template_path for step in steps if isinstance(step, TextDelta)} == {
        "t/subroutine-2/linear-1/inner",
        "t/outer",
    }


def test_a_runner_streams_through_tools(listen):
    @tool
    def look() -> str:
        """Looks."""
        return "seen"

    class Tooling(Speaking):
        def _stream(self, session: Session) -> Any:
            yield from self.said(session)

        async def _astream(self, session: Session) -> Any:
            for piece in self.said(session):
                yield piece

        def said(self, session: Session) -> list[Any]:
            if session.last.role == "tool":
                return ["I ", "see."]
            return [Reply(tool_calls=(ToolCall(id="1", name="look"),))]

    steps = listen(Runner(Tooling()), template=LinearTemplate([UserTemplate("Look"), ToolingTemplate([look])]))

    assert texts(steps) == ["I ", "see."]
    assert [step.role for step in steps if isinstance(step, Message)] == ["user", "assistant", "tool", "assistant"]


def test_a_stream_works_on_the_session_it_is_given():
    runner = Runner(Speaking("a"), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
    session = Session()
    steps = runner.stream(session)

    assert len(list(steps)) == 3
    assert session.last.content == "a"


def test_closing_a_run_closes_the_model_and_runs_every_after_transform_once():
    ran = []
    model = Speaking("a", "b")
    template = LinearTemplate(
        [
            UserTemplate("Hi"),
            LinearTemplate(
                [AssistantTemplate(after_transform=lambda s: (ran.append("answer"), s)[1])],
                after_transform=lambda s: (ran.append("linear"), s)[1],
            ),
        ]
    )

    steps = Runner(model).stream(template=template)
    assert isinstance([next(steps), next(steps)][-1], TextDelta)
    steps.close()

    assert model.closed == [True]
    assert ran == ["answer", "linear"]


def test_send_and_stream_of_one_model_are_recorded_alike(listen, answering):
    streamed, sent = asked(), asked()
    listen(answering("Hello"), streamed)
    answering("Hello").send(sent)

    assert streamed.trace.calls[0].reply == sent.trace.calls[0].reply


class Unclosable(Model):
    """Fails where somebody leaves it while it speaks."""

    def _send(self, session):
        raise NotImplementedError

    def _stream(self, session):
        try:
            yield "one "
            yield "two"
        finally:
            raise OSError("the connection is lost")

    async def _astream(self, session):
        with closing(self._stream(session)) as pieces:
            for piece in pieces:
                yield piece


def test_what_a_model_raises_when_its_stream_is_left_is_raised_by_closing():
    steps = Runner(Unclosable(), template=AssistantTemplate()).stream(Session(messages=[HI]))
    next(steps)

    with pytest.raises(OSError, match="the connection is lost") as raised:
        steps.close()
    assert raised.value.__notes__ == ["in the template at 'assistant'"]


def test_what_a_model_raises_when_its_stream_is_left_is_raised_by_closing_in_an_event_loop():
    async def leave() -> None:
        async with aclosing(
            Runner(Unclosable(), template=AssistantTemplate()).astream(Session(messages=[HI]))
        ) as steps:
            async for _ in steps:
                break

    with pytest.raises(OSError, match="the connection is lost") as raised:
        asyncio.run(leave())
    assert raised.value.__notes__ == ["in the template at 'assistant'"]
