"""CachedModel: which questions are equal, what is kept of an answer and where, and what the trace says of it."""

from __future__ import annotations

import asyncio
import json
import shelve
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    CachedModel,
    FallbackModel,
    Image,
    LinearTemplate,
    Message,
    Model,
    ModelSettings,
    Reply,
    RetryingModel,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.caching import FROM_CACHE, fresh_memories
from antiphon.connect import ConnectedModel
from antiphon.copies import isolated
from antiphon.errors import InvalidType, InvalidValue, ServerError
from antiphon.messages import ProviderData
from antiphon.model import standing_in

PNG = b"\x89PNG\r\n\x1a\n"


def asked(text: str = "Hi", **fields: Any) -> Session:
    return Session(messages=[Message(role="user", content=text, **fields)])


def test_a_question_is_asked_once(ask: Any, answering: Any) -> None:
    model = answering(Reply("Hello.", usage={"input_tokens": 10, "cost": "0.01"}, served_by="m-1"), "Again?", name="m")
    cached, first, second = CachedModel(model), asked(), asked()

    assert ask(cached, first).content == ask(cached, second).content == "Hello."

    paid, free = first.trace.calls[0], second.trace.calls[0]
    assert len(model.heard) == 1
    assert (paid.model, paid.origin, paid.asked, FROM_CACHE in paid.notes) == ("m", model, cached, False)
    assert (free.model, free.origin, free.inner, free.served_by) == ("m", cached, (), "m-1")
    assert [*free.notes] == [FROM_CACHE]
    assert [call.usage and (call.usage.input_tokens, call.usage.cost) for call in (paid, free)] == [
        (10, Decimal("0.01")),
        (0, 0),
    ]


def test_an_answer_that_was_kept_is_by_the_model_that_gave_it(ask: Any, answering: Any) -> None:
    fallback = FallbackModel([answering(ServerError("down"), name="first"), answering("Hello.", name="second")])
    cached, session = CachedModel(fallback), asked()

    messages = [ask(cached, session) for _ in range(2)]

    assert [message.model for message in messages] == session.trace.models[""] == ["second", "second"]


def test_all_of_an_answer_is_kept(ask: Any, answering: Any) -> None:
    reply = Reply(
        "Hello.",
        tool_calls=(ToolCall(id="1", name="look_up", arguments={"what": ["it"]}),),
        finish_reason="tool_call",
        thinking="Hm.",
        provider_data=ProviderData(provider="anthropic", answer={"parts": []}),
        attachments=(Image.from_bytes(PNG, "image/png"),),
    )
    cached = CachedModel(answering(reply, "Again?"))

    given, kept = ask(cached, asked()), ask(cached, asked())

    assert kept == given
    assert kept.attachments[0].data == PNG


def test_a_refusal_is_an_answer(answering: Any) -> None:
    cached = CachedModel(answering(Reply(refusal="No."), "Again?"))

    given, kept = cached.send(asked()), cached.send(asked())

    assert kept == given
    assert (kept.content, kept.refusal) == ("No.", "No.")


@pytest.mark.parametrize("kept_by", ["stream", "astream"])
def test_a_kept_text_is_streamed_in_one_piece(kept_by: str, answering: Any) -> None:
    class Speaking(Model):
        def _send(self, session: Session) -> str:
            raise NotImplementedError

        def _stream(self, session: Session) -> Any:
            yield from ("Hel", "lo.")

        async def _astream(self, session: Session) -> Any:
            for piece in ("Hel", "lo."):
                yield piece

    cached = CachedModel(Speaking())

    async def listen() -> list[Any]:
        return [piece async for piece in cached.astream(asked())]

    def heard() -> list[str]:
        pieces = asyncio.run(listen()) if kept_by == "astream" else [*cached.stream(asked())]
        assert isinstance(pieces[-1], Message)
        return [*(piece.text for piece in pieces[:-1]), pieces[-1].content]

    assert heard() == ["Hel", "lo.", "Hello."]
    assert heard() == ["Hello.", "Hello."]
    assert cached.send(asked()).content == "Hello."


def test_a_stream_that_is_left_early_keeps_nothing(answering: Any) -> None:
    store: dict[str, str] = {}
    pieces = CachedModel(answering("Hello."), store).stream(asked())
    next(pieces)
    pieces.close()

    assert store == {}


class Answer(BaseModel):
    city: str


@tool
def look_up(what: str) -> str:
    """Look it up."""
    return what


SYSTEM = Message(role="system", content="Be brief.")
HI = Message(role="user", content="Hi")


@pytest.mark.parametrize(
    "other",
    [
        [Message(role="user", content="Hi!")],
        [Message(role="system", content="Hi")],
        [SYSTEM, HI],
        [HI.model_copy(update={"attachments": (Image.from_bytes(PNG, "image/png"),)})],
        [HI.model_copy(update={"attachments": (Image.from_bytes(PNG + b"2", "image/png"),)})],
        [HI, Message(role="assistant", content="", tool_calls=(ToolCall(id="1", name="x"),)), HI],
        [HI, Message(role="assistant", content="", tool_calls=(ToolCall(id="1", name="x", arguments={"y": 1}),)), HI],
        [HI, Message(role="tool", content="found", tool_call_id="1")],
        [HI, Message(role="tool", content="found", tool_call_id="2")],
    ],
)
def test_other_messages_are_another_question(answering: Any, other: list[Message]) -> None:
    model = answering("Hello.")
    cached = CachedModel(model)
    cached.send(asked())

    cached.send(Session(messages=other))
    cached.send(Session(messages=other))

    assert len(model.heard) == 2


def test_a_picture_is_known_by_what_it_holds(answering: Any) -> None:
    model = answering("Hello.")
    cached = CachedModel(model)

    for end in (b"1", b"2", b"1"):
        cached.send(asked(attachments=(Image.from_bytes(PNG + end, "image/png"),)))

    assert len(model.heard) == 2


def test_the_settings_of_each_of_several_models_are_a_part_of_the_question(answering: Any) -> None:
    first, second = answering(ServerError("down")), answering("Hello.")
    cached = CachedModel(FallbackModel([RetryingModel(first, 1), second]))

    for temperature in (0, 1, 0):
        first.settings.temperature = temperature
        cached.send(asked())

    assert len(second.heard) == 2


def test_what_is_not_sent_makes_no_other_question(tmp_path: Path, answering: Any) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(PNG)
    model = answering("Hello.")
    cached = CachedModel(model)

    cached.send(asked(attachments=(Image.from_path(image),)))
    session = asked(
        attachments=(Image.from_bytes(PNG, "image/png"),), metadata={"at": 12}, template_path="a/b", model="m"
    )
    session.metadata["customer"] = "Ada"
    cached.send(session)

    assert len(model.heard) == 1


def test_tools_and_types_are_a_part_of_the_question(play: Any, answering: Any) -> None:
    model = answering('{"city": "Oslo"}')
    cached = CachedModel(model)
    trees = [
        AssistantTemplate(),
        AssistantTemplate(output_type=Answer),
        AssistantTemplate(output_type=dict[str, str]),
        ToolingTemplate([look_up]),
    ]

    for tree in trees * 2:
        play(Runner(cached), template=LinearTemplate([UserTemplate("Hi"), tree]))

    assert len(model.heard) == len(trees)


def test_the_settings_of_the_model_are_a_part_of_the_question(answering: Any) -> None:
    model = answering("Hello.")
    cached = CachedModel(model)

    for settings in ({}, {"temperature": 0}, {"temperature": 1}, {"extra_body": {"x": 1}}, {"temperature": 0}):
        cached.settings = ModelSettings(**settings)
        cached.send(asked())
    cached.settings = ModelSettings(temperature=0, max_retries=5, timeout=3)
    cached.send(asked())

    assert len(model.heard) == 4


def test_models_with_one_store_answer_for_themselves(answering: Any) -> None:
    store: dict[str, str] = {}

    class Shouting(Model):
        """Is called as the model that it asks."""

        def __init__(self, model: Model) -> None:
            self.name, self.model = model.name, model

        def _send(self, session: Session) -> str:
            return self.model.send(session).content.upper()

    a, b = answering("a", name="a"), answering("b", name="b")
    models = {
        "a": a,
        "b": b,
        "A": Shouting(answering("a", name="a")),
        "first": FallbackModel([answering("first", name="a"), b]),
        "other order": FallbackModel([answering("other order", name="b"), a]),
    }
    for said, model in models.items():
        assert CachedModel(model, store).send(asked()).content == said
    assert CachedModel(RetryingModel(answering("not asked", name="a")), store).send(asked()).content == "a"
    assert CachedModel(CachedModel(answering("not asked", name="b")), store).send(asked()).content == "b"
    assert len(store) == len(models)


def test_one_name_at_two_addresses_is_two_models(answering: Any) -> None:
    server, store = answering("Hello."), dict[str, str]()

    with standing_in(lambda model: server if isinstance(model, ConnectedModel) else None):
        for port in (1, 2):
            for key in ("k", "l"):
                model = ConnectedModel("openai:m", base_url=f"http://127.0.0.1:{port}/v1", api_key=key)
                CachedModel(model, store).send(asked())

    assert len(server.heard) == len(store) == 2


def test_errors_are_not_kept(ask: Any, answering: Any) -> None:
    cached = CachedModel(answering(ServerError("down"), Reply("Hel", finish_reason="error"), "Hello.", "Again?"))

    with pytest.raises(ServerError):
        ask(cached, asked())

    assert [ask(cached, asked()).content for _ in range(3)] == ["Hel", "Hello.", "Hello."]


def test_answers_are_kept_as_texts_in_whatever_is_like_a_mapping(tmp_path: Path, answering: Any) -> None:
    for said in ("Hello.", "not asked"):
        with shelve.open(str(tmp_path / "answers")) as store:  # our own file
            assert CachedModel(answering(said, name="m"), store).send(asked()).content == "Hello."
            ((key, text),) = store.items()
            assert json.loads(text) == {"model": "m", "reply": {"content": "Hello."}}
            assert len(key) == 64


def test_a_store_may_give_bytes(answering: Any) -> None:
    class Server(dict[str, Any]):
        def get(self, key: str, default: object = None) -> Any:
            return self[key].encode() if key in self else default

    cached = CachedModel(answering("Hello.", "Again?"), Server())

    assert [cached.send(asked()).content for _ in range(2)] == ["Hello."] * 2


@pytest.mark.parametrize(
    "text",
    ["", "Hello.", "{}x", "{}", '{"model": "m", "reply": {"said": "Hello."}}', '{"content": "Hello."}', 7],
    ids=repr,
)
def test_what_is_no_answer_is_an_error_that_names_the_key(ask: Any, answering: Any, text: Any) -> None:
    store: dict[str, Any] = {}
    cached = CachedModel(answering("Hello.", name="m"), store)
    cached.send(asked())
    (key,) = store
    store[key] = text

    session = asked()
    with pytest.raises(InvalidValue) as caught:
        ask(cached, session)

    assert f"the store of the CachedModel around 'm' holds no answer under '{key}': {text!r}" in str(caught.value)
    assert "take this entry out of the store" in str(caught.value)
    assert dict(session.trace.calls[0].notes) == {FROM_CACHE: key}


def test_an_answer_that_a_store_cannot_keep_is_given_with_a_warning(ask: Any, answering: Any) -> None:
    class Full(dict[str, Any]):
        def __setitem__(self, key: str, text: str) -> None:
            raise OSError("no space left")

    cached = CachedModel(answering("Hello.", name="m"), Full())

    with pytest.warns(RuntimeWarning) as caught:
        assert ask(cached, asked()).content == "Hello."

    (warning,) = caught
    assert str(warning.message) == (
        "the store of the CachedModel around 'm' has not kept an answer, which will be asked for again: "
        "Full raised OSError('no space left')"
    )


@pytest.mark.parametrize("store", ["answers.db", Path("answers"), [], dict, 3], ids=repr)
def test_what_is_no_store(answering: Any, store: Any) -> None:
    with pytest.raises(InvalidType, match="store takes a mapping such as a dict or a shelve, not"):
        CachedModel(answering(), store)


def test_forks_share_what_was_kept(play: Any, answering: Any) -> None:
    model = answering("Hello.", "Again?")
    store: dict[str, str] = {}
    cached = CachedModel(model, store)
    part = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])
    tree = LinearTemplate([SubroutineTemplate(part, "one"), SubroutineTemplate(part, "two")])

    session = play(Runner(cached), template=tree)

    assert [FROM_CACHE in call.notes for call in session.trace.calls] == [False, True]
    assert isolated(cached).store is store
    assert len(model.heard) == 1


def test_equal_questions_at_the_same_time_are_all_asked() -> None:
    class Slow(Model):
        asked = 0

        def _send(self, session: Session) -> str:
            raise NotImplementedError

        async def _asend(self, session: Session) -> str:
            type(self).asked += 1
            await asyncio.sleep(0.001)
            return f"answer {self.asked}"

    async def both() -> list[str]:
        cached = CachedModel(Slow())
        said = await asyncio.gather(*(cached.asend(asked()) for _ in range(2)))
        return [*(message.content for message in said), (await cached.asend(asked())).content]

    assert asyncio.run(both()) == ["answer 2"] * 3


def test_memories_begin_afresh_and_stores_that_were_given_stay(answering: Any) -> None:
    in_memory, stored = CachedModel(answering("1", "2", "3")), CachedModel(answering("1", "2", "3"), {})

    def said() -> list[str]:
        return [model.send(asked()).content for model in (in_memory, stored, in_memory)]

    before = said()
    with fresh_memories():
        within = said()
    after = said()

    assert (before, within, after) == (["1", "1", "1"], ["2", "1", "2"], ["3", "1", "3"])
