"""What the engine makes of a provider's answers, of leaving them early, and of being called from everywhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    Runner,
    Session,
    TextDelta,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidValue, OutputError, TruncatedAnswer

TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])


def question() -> Session:
    return Session(messages=[Message(role="user", content="Where is my parcel?")])


def played(wire: Any, mode: Any) -> dict[str, Any]:
    answer: dict[str, Any] = wire.answers["stream" if mode.streams else "text"]
    return answer


def spoken_half(wire: Any) -> dict[str, Any]:
    """A stream that says its first piece of text, and no more."""
    events = wire.answers["stream"]["events"]
    first = next(i for i, event in enumerate(events) if "The parcel" in str(event))
    return {"events": events[: first + 1], "then": "stall"}


def test_an_answer_arrives_with_what_it_cost_and_who_gave_it(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(played(wire, mode))
    session = Session()

    steps = mode.play(Runner(provider.connect(wire), template=TREE), session)

    (call,) = session.trace.calls
    assert session.last.content == "The parcel is late."
    assert (call.model, call.served_by) == (wire.played, wire.reported)
    assert call.reply.finish_reason == "stop"
    assert (call.usage.input_tokens, call.usage.output_tokens) == (12, 5)
    assert Decimal(0) < call.usage.cost < Decimal("0.001")
    if mode.streams:
        said = [step.text if isinstance(step, TextDelta) else step.role for step in steps]
        assert said == ["user", "The parcel", " is late.", "assistant"]
        assert 0 < call.seconds_to_text <= call.seconds


@pytest.mark.parametrize(("halves", "whole"), [(("\ud83d", "\ude00"), "😀"), (("\ud83d", "!"), "\ufffd!")])
def test_a_character_that_comes_in_halves_is_put_together(
    provider: Any, wire: Any, mode: Any, halves: tuple[str, str], whole: str
) -> None:
    first, second = halves
    text = json.dumps(played(wire, mode)).replace(" is late", second + " is late")
    provider.plays(json.loads(text.replace("The parcel", "The parcel " + first)))
    session = Session()

    steps = mode.play(Runner(provider.connect(wire), template=TREE), session)

    assert session.last.content == f"The parcel {whole} is late."
    assert all(step.text.encode() for step in steps if isinstance(step, TextDelta))
    assert session.model_dump_json()


def test_half_a_character_at_the_end_of_a_stream_is_told_as_the_answer_has_it(provider: Any, wire: Any) -> None:
    text = json.dumps(wire.answers["stream"])
    provider.plays(json.loads(text.replace(" is late.", " is late. \ud83d")))
    session = Session()

    steps = list(Runner(provider.connect(wire), template=TREE).stream(session))

    assert session.last.content == "The parcel is late. \ufffd"
    assert "".join(step.text for step in steps if isinstance(step, TextDelta)) == session.last.content


@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic"])  # Google's client writes it as ASCII
def test_half_a_character_is_not_sent_and_the_error_shows_it(provider: Any, wires: Any, mode: Any, name: str) -> None:
    wire = wires[name]
    provider.plays(played(wire, mode))
    session = Session(messages=[Message(role="user", content="Where is it \ud83d?")])

    with pytest.raises(InvalidValue, match=r"by 'answer': it was not asked, .*half a character, at '.*is it .ud83d\?"):
        mode.play(Runner(provider.connect(wire), template=AssistantTemplate(template_id="answer")), session)

    assert provider.asked == []


@tool
def weather(city: str) -> str:
    """Says what the weather is like."""
    raise AssertionError(f"there is no city {city}")


ASKING = LinearTemplate([UserTemplate("How is the weather?"), ToolingTemplate([weather])])


def test_arguments_that_are_no_json_are_told_to_the_model(provider: Any, wires: Any) -> None:
    provider.plays(wires["openai"].answers["cut arguments"], wires["openai"].answers["text"])
    session = Session()

    Runner(provider.connect(wires["openai"]), template=ASKING).run(session)

    assert "INVALID_JSON" in session.messages[2].content
    assert session.trace.tools[0].error is not None
    assert session.last.content == "The parcel is late."


def test_a_stream_that_reaches_its_limit_while_it_asks_for_a_tool_is_an_error(provider: Any, wires: Any) -> None:
    provider.plays(wires["anthropic"].answers["cut arguments"])
    session = Session()

    with pytest.raises(TruncatedAnswer, match="max_tokens"):
        list(Runner(provider.connect(wires["anthropic"]), template=ASKING).stream(session))

    assert session.trace.tools == []


@pytest.mark.parametrize("wanted", [list[int], int], ids=["list", "number"])
def test_a_schema_that_is_no_object_is_shown_to_the_model(provider: Any, wire: Any, mode: Any, wanted: Any) -> None:
    provider.plays(played(wire, mode))
    tree = LinearTemplate([UserTemplate("Count."), AssistantTemplate(output_type=wanted)])

    with pytest.raises(Exception, match="Invalid JSON"):
        mode.play(Runner(provider.connect(wire), template=tree), Session())

    assert "integer" in str(provider.asked[0].body)


def test_tools_and_a_typed_answer_are_asked_for_at_once(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(played(wire, mode))

    @tool
    def locate(parcel: str) -> str:
        """Says where a parcel is."""
        return parcel

    class Place(BaseModel):
        harbour: str

    tree = LinearTemplate([UserTemplate("Where is it?"), ToolingTemplate([locate], output_type=Place)])
    with pytest.raises(OutputError, match="The parcel is late"):
        mode.play(Runner(provider.connect(wire), template=tree), Session())

    asked = str(provider.asked[0].body)
    assert "locate" in asked
    assert "harbour" in asked


def test_a_blocking_call_works_within_a_running_event_loop(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(played(wire, mode))
    session = Session()

    async def within_a_loop() -> None:
        runner = Runner(provider.connect(wire), template=TREE)
        for _ in runner.stream(session) if mode.streams else runner.iter(session):
            pass

    asyncio.run(within_a_loop())

    assert session.last.content == "The parcel is late."


def test_one_model_serves_event_loops_one_after_the_other_and_threads(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(played(wire, mode))
    runner = Runner(provider.connect(wire), template=TREE)
    sessions = [Session() for _ in range(6)]

    for session in sessions[:3]:
        mode.play(runner, session)
    threads = [threading.Thread(target=mode.play, args=(runner, session)) for session in sessions[3:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [session.last.content for session in sessions] == ["The parcel is late."] * 6


def test_a_model_can_be_asked_under_trio(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["text"], wire.answers["stream"])
    model = provider.connect(wire)

    async def ask() -> tuple[Any, list[Any]]:
        return await model.asend(question()), [piece async for piece in model.astream(question())]

    answer, pieces = trio.run(ask)

    assert answer.content == "The parcel is late."
    assert [piece.text for piece in pieces[:-1]] == ["The parcel", " is late."]


def leave(pieces: Generator[Any]) -> Any:
    with closing(pieces):
        return next(piece for piece in pieces if isinstance(piece, TextDelta))


async def aleave(pieces: AsyncGenerator[Any]) -> Any:
    async for piece in pieces:
        if isinstance(piece, TextDelta):
            await pieces.aclose()
            return piece
    raise AssertionError("nothing was said")


LEAVING: dict[str, Callable[[Model, Session], Any]] = {
    "stream": lambda model, session: leave(Runner(model, template=TREE).stream(session)),
    "astream": lambda model, session: asyncio.run(aleave(Runner(model, template=TREE).astream(session))),
    "astream in trio": lambda model, session: trio.run(aleave, Runner(model, template=TREE).astream(session)),
    "the model's stream": lambda model, session: leave(model.stream(heard(session))),
}


def heard(session: Session) -> Session:
    session.messages.extend(question().messages)
    return session


@pytest.mark.parametrize("how", LEAVING)
def test_leaving_a_stream_early_closes_the_connection(provider: Any, wire: Any, how: str) -> None:
    provider.plays(spoken_half(wire))
    session = Session()

    piece = LEAVING[how](provider.connect(wire), session)

    assert provider.left.wait(20)
    assert piece.text == "The parcel"
    (call,) = session.trace.calls
    assert call.reply.content == "The parcel"
    assert isinstance(call.error, GeneratorExit)
    assert [message.role for message in session.messages] == ["user"]


async def cancel(provider: Any, asking: Any) -> None:
    """Cancel a task when its request has arrived."""
    task = asyncio.ensure_future(asking)
    assert await asyncio.to_thread(provider.arrived.wait, 5)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def drain(pieces: AsyncGenerator[Any]) -> None:
    async for _ in pieces:
        pass


@pytest.mark.parametrize("how", ["arun", "astream", "astream, half way"])
def test_cancelling_a_run_cancels_its_request(provider: Any, wire: Any, how: str) -> None:
    provider.plays(spoken_half(wire) if how.endswith("half way") else {"status": 0, "then": "stall"})
    runner, session = Runner(provider.connect(wire), template=TREE), Session()

    asyncio.run(cancel(provider, runner.arun(session) if how == "arun" else drain(runner.astream(session))))

    assert provider.left.wait(20)
    assert isinstance(session.trace.calls[0].error, asyncio.CancelledError)


class Interrupted(BaseException):
    """As Ctrl-C, and no reason for pytest to stop."""


@contextmanager
def interrupting(provider: Any) -> Iterator[None]:
    """Interrupt this thread when a request has arrived."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    def wait_and_interrupt() -> None:
        if provider.arrived.wait(20):
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=wait_and_interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs the signals of Unix")
@pytest.mark.parametrize("how", ["run", "stream", "stream, half way"])
def test_interrupting_a_blocking_call_cancels_its_request(provider: Any, wire: Any, how: str) -> None:
    provider.plays(spoken_half(wire) if how.endswith("half way") else {"status": 0, "then": "stall"})
    runner, session = Runner(provider.connect(wire), template=TREE), Session()

    with interrupting(provider), pytest.raises(Interrupted):
        runner.run(session) if how == "run" else list(runner.stream(session))

    assert provider.left.wait(20)
    assert isinstance(session.trace.calls[0].error, Interrupted)


@pytest.mark.parametrize("how", ["asend", "astream"])
def test_cancelling_under_trio_cancels_the_request(provider: Any, wire: Any, how: str) -> None:
    provider.plays({"status": 0, "then": "stall"})
    model = provider.connect(wire)

    async def ask() -> None:
        await (model.asend(question()) if how == "asend" else drain(model.astream(question())))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.to_thread.run_sync(provider.arrived.wait, 20)
            nursery.cancel_scope.cancel()

    trio.run(main)

    assert provider.left.wait(20)


def test_many_streams_are_heard_at_once(provider: Any, wire: Any) -> None:
    provider.plays(spoken_half(wire))
    model = provider.connect(wire)

    async def hear() -> list[Any]:
        streams = [model.astream(question()) for _ in range(40)]  # more than a loop has threads
        pieces = await asyncio.wait_for(asyncio.gather(*(anext(pieces) for pieces in streams)), 10)
        for pieces_ in streams:
            await pieces_.aclose()
        return pieces

    assert [piece.text for piece in asyncio.run(hear())] == ["The parcel"] * 40
