"""Models: what they are given, what they may answer, how they are known."""

from __future__ import annotations

import asyncio
import gc
import types
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from antiphon import Message, Model, ModelSettings, Reply, Runner, Session, ToolCall, Usage
from antiphon.errors import InvalidType
from antiphon.model import standing_in


@pytest.fixture
def session() -> Session:
    return Session(messages=[Message(role="user", content="Hi")])


@pytest.fixture(params=["send", "asend"])
def send(request):
    """``Model.send``, and ``Model.asend`` in an event loop of its own."""
    if request.param == "send":
        return lambda model, session: model.send(session)
    return lambda model, session: asyncio.run(model.asend(session))


class Fixed(Model):
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def _send(self, session: Session) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


USAGE = Usage(input_tokens=12, output_tokens=3, cost=Decimal("0.01"))
TOOL = ToolCall(id="1", name="look", arguments={"city": "Oslo"})


@pytest.mark.parametrize("answer", ["Hello", Reply("Hello"), Message(role="user", content="Hello", model="liar")])
def test_a_model_answers_with_text_a_reply_or_a_message(answer, send, session):
    message = send(Fixed(answer), session)

    assert (message.content, message.model, message.template_path) == ("Hello", "Fixed", None)
    assert session.messages == [Message(role="user", content="Hi")]


def test_a_reply_brings_tool_calls_usage_and_who_served_it(send, session):
    message = send(
        Fixed(Reply("Hello", tool_calls=(TOOL,), usage=USAGE, served_by="fixed-2", finish_reason="s")), session
    )

    call = session.trace.calls[0]
    assert (message.role, message.tool_calls) == ("assistant", (TOOL,))
    assert (call.usage, call.served_by, call.reply.finish_reason) == (USAGE, "fixed-2", "s")


def test_a_call_is_recorded_with_all_that_is_known_of_it(send, session):
    model = Fixed("Hello")
    send(model, session)

    call = session.trace.calls[0]
    assert (call.template_id, call.template_path, call.model, call.served_by) == ("", None, "Fixed", None)
    assert (call.chosen_by, call.reply, call.error, call.usage, call.depth) == ("direct", Reply("Hello"), None, None, 0)
    assert call.messages == session.messages
    assert call.origin is model
    assert 0 <= call.seconds < 10
    with pytest.raises(AttributeError):
        call.model = "other"


@pytest.mark.parametrize("answer", [None, 42, ["Hello"], b"Hello", {"content": "Hello"}, Reply])
def test_another_answer_is_a_type_error_that_names_the_model_and_is_recorded(answer, send, session):
    with pytest.raises(
        TypeError, match=r"model 'Fixed' answered with .*must answer with a Reply, a Message or text"
    ) as caught:
        send(Fixed(answer), session)

    assert repr(answer) in str(caught.value)
    assert session.trace.calls[0].error is caught.value


def test_a_model_has_a_text_for_a_name(send, session):
    model = Fixed("Hello")
    model.name = 3

    with pytest.raises(InvalidType, match=r"the name of a model is a text, and Fixed\.name is int: 3"):
        send(model, session)


@pytest.mark.parametrize("error", [RuntimeError("down"), KeyError("x"), KeyboardInterrupt()])
def test_a_models_own_errors_arrive_unwrapped_and_are_recorded(error, session):
    with pytest.raises(type(error)) as caught:
        Fixed(error).send(session)

    call = session.trace.calls[0]
    assert caught.value is error
    assert (call.error, call.reply, call.messages) == (error, None, session.messages)


def test_an_empty_session_is_refused_and_nothing_is_recorded(send):
    session = Session()

    with pytest.raises(ValueError, match="model 'Fixed' was given an empty session"):
        send(Fixed("Hello"), session)

    assert len(session.trace) == 0


def test_something_that_is_no_session_is_refused(send):
    with pytest.raises(TypeError, match="answers a Session, not list"):
        send(Fixed("Hello"), [Message(role="user", content="Hi")])


def test_a_blocking_model_does_not_block_the_event_loop(session):
    async def ask() -> None:
        import threading

        called = threading.Event()

        class Waiting(Model):
            def _send(self, session: Session) -> str:
                return str(called.wait(timeout=30))

        asking = asyncio.ensure_future(Waiting().asend(session))
        await asyncio.sleep(0.01)
        called.set()
        assert (await asking).content == "True"

    asyncio.run(ask())


@pytest.mark.parametrize("name", ["send", "asend"])
def test_a_model_class_cannot_override_what_records_the_call(name):
    with pytest.raises(TypeError, match=rf"override _{name}\(\) instead"):
        type("Wrong", (Model,), {name: lambda self, session: "x"})


def test_a_model_without_send_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Model()


def test_a_model_is_called_after_its_class_unless_the_class_or_the_object_says_otherwise(session):
    class Named(Fixed):
        name = "of the class"

    own = Named("x")
    own.name = "of the object"

    assert [model.name for model in (Fixed("x"), Named("x"), own)] == ["Fixed", "of the class", "of the object"]
    assert own.send(session).model == "of the object"


def test_settings_are_there_whether_or_not_a_class_calls_its_parents_constructor():
    one, other = Fixed("x"), Fixed("x")
    one.settings.temperature = 0.5

    assert isinstance(other.settings, ModelSettings)
    assert other.settings.temperature is None


def test_settings_of_a_class_are_the_start_of_each_objects_own():
    class Cold(Fixed):
        settings = ModelSettings(temperature=0, stop=["."])

    one, other = Cold("x"), Cold("x")
    one.settings.stop.append("!")

    assert (one.settings.temperature, other.settings.stop, Cold.settings.stop) == (0, ["."], ["."])


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"max_tokens": 0}, {"top_p": 0}, {"top_p": 1.1}, {"stop": "."}])
def test_impossible_settings_are_refused_also_when_assigned(wrong):
    with pytest.raises(ValidationError):
        ModelSettings(**wrong)
    settings = ModelSettings()
    with pytest.raises(ValidationError):
        setattr(settings, *next(iter(wrong.items())))


def test_settings_not_known_here_are_kept():
    assert ModelSettings(top_k=4).model_dump(exclude_none=True) == {"top_k": 4}


def test_slots_of_a_model_are_copied_with_it():
    class Slotted(Fixed):
        __slots__ = ("__private", "notes")

        def __init__(self) -> None:
            super().__init__("x")
            self.notes = [1]
            self.__private = [2]

        def private(self) -> list[int]:
            return self.__private

    model = Slotted()
    fork = Runner(model).fork().model

    assert (fork.notes, fork.private()) == ([1], [2])
    assert fork.notes is not model.notes
    assert fork.private() is not model.private()


def test_a_model_may_be_a_dataclass_also_a_frozen_one(send, session):
    @dataclass
    class Plain(Model):
        answer: str

        def _send(self, session: Session) -> str:
            return self.answer

    @dataclass(frozen=True)
    class Frozen(Model):
        answer: str

        def _send(self, session: Session) -> str:
            return self.answer

    for model in (Plain("a"), Frozen("a")):
        fork = Runner(model).fork().model
        assert send(fork, session).content == "a"
        assert fork.origin is model


def test_the_origin_of_a_fork_of_a_fork_is_the_first_model():
    model = Fixed("x")
    fork = Runner(Runner(model).fork().model).fork().model

    assert model.origin is model
    assert fork is not model
    assert fork.origin is model


def test_a_model_inside_a_model_is_isolated_with_it_and_its_calls_are_recorded(send, session):
    class Fallback(Model):
        def __init__(self, *models: Model) -> None:
            self.models = models

        def _send(self, session: Session) -> Message:
            try:
                return self.models[0].send(session)
            except RuntimeError:
                return self.models[1].send(session)

    model = Fallback(Fixed(RuntimeError("down")), Fixed("Hello"))
    fork = Runner(model).fork().model
    fork.models[0].settings.seed = 1

    assert send(fork, session).content == "Hello"
    (call,) = session.trace.calls
    assert [inner.origin for inner in call.inner] == [*model.models]
    assert (call.model, call.origin, call.asked) == ("Fixed", model.models[1], model)
    assert model.models[0].settings.seed is None


def test_a_model_that_refers_to_itself_can_be_forked():
    model = Fixed("x")
    model.me = [model]
    fork = Runner(model).fork().model

    assert fork.me[0] is fork


def test_no_model_is_recordable_unless_it_says_so():
    class Recordable(Fixed):
        recordable = True

    assert (Fixed("a").recordable, Recordable("a").recordable) == (False, True)


@pytest.mark.parametrize("given", ["yes", 1, None])
def test_recordable_is_true_or_false(given):
    with pytest.raises(InvalidType, match=r"Odd\.recordable is True or False, not"):
        type("Odd", (Fixed,), {"recordable": given})


@pytest.mark.parametrize("ask", ["send", "asend", "stream", "astream"])
def test_what_stands_in_for_a_model_answers_and_the_model_is_said_to(ask, session):
    def other(model):
        return Fixed("from the other") if isinstance(model, Fixed) and model.answer == "from the model" else None

    async def last(pieces):
        return [piece async for piece in pieces][-1]

    asking = {
        "send": lambda model: model.send(session),
        "asend": lambda model: asyncio.run(model.asend(session)),
        "stream": lambda model: [*model.stream(session)][-1],
        "astream": lambda model: asyncio.run(last(model.astream(session))),
    }[ask]
    model = Fixed("from the model")

    with standing_in(other):
        replaced = asking(model)
    own = asking(model)

    assert (replaced.content, own.content) == ("from the other", "from the model")
    assert [call.origin for call in session.trace.calls] == [model, model]


@pytest.mark.filterwarnings("error")
def test_an_async_send_is_told_what_it_is_to_be_called(ask: Any) -> None:
    class Waiting(Model):
        async def _send(self, session: Session) -> str:  # type: ignore[override]
            return "Hello."

    with pytest.raises(InvalidType) as caught:
        ask(Waiting(), Session(messages=[Message(role="user", content="Hi")]))
    gc.collect()

    said = str(caught.value)
    assert said.startswith("model 'Waiting' answered with coroutine: <coroutine object ")
    assert said.endswith("; call async def _send of Waiting _asend; _send answers where there is no event loop")


@pytest.mark.filterwarnings("error")
def test_a_coroutine_that_was_not_awaited_is_refused() -> None:
    class Hasty(Model):
        def _send(self, session: Session) -> Any:
            return self._asend(session)

        async def _asend(self, session: Session) -> str:
            return "Hello."

    with pytest.raises(InvalidType, match=r"must answer with a Reply, a Message or text: await the coroutine$"):
        Hasty().send(Session(messages=[Message(role="user", content="Hi")]))
    gc.collect()


class AsyncGeneratorForStream(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    async def _stream(self, session: Session) -> Any:  # type: ignore[override]
        yield "Hello."


class CoroutineForStream(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    async def _stream(self, session: Session) -> Any:
        return ["Hello."]


class ListForStream(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    def _stream(self, session: Session) -> Any:
        return ["Hello."]


class GeneratorForAstream(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    def _astream(self, session: Session) -> Any:
        yield "Hello."


class CoroutineForAstream(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    async def _astream(self, session: Session) -> Any:  # type: ignore[override]
        return ["Hello."]


class TextForAsend(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    def _asend(self, session: Session) -> Any:
        return "Hello."


HI = Session(messages=[Message(role="user", content="Hi")])


async def listen(model: Model) -> list[Any]:
    return [piece async for piece in model.astream(HI)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("model", "ask_it", "told"),
    [
        (AsyncGeneratorForStream(), lambda model: list(model.stream(HI)), "a generator (def, with yield in it), not "),
        (
            CoroutineForStream(),
            lambda model: list(model.stream(HI)),
            "a generator (def, with yield in it), not corouti",
        ),
        (ListForStream(), lambda model: list(model.stream(HI)), "a generator (def, with yield in it), not list: ['Hel"),
        (GeneratorForAstream(), lambda model: asyncio.run(listen(model)), "an async generator (async def, with yield "),
        (CoroutineForAstream(), lambda model: asyncio.run(listen(model)), "an async generator (async def, with yield "),
        (TextForAsend(), lambda model: asyncio.run(model.asend(HI)), "something to await (async def), not str: 'Hello"),
        (TextForAsend(), lambda model: asyncio.run(listen(model)), "something to await (async def), not str: 'Hello"),
    ],
)
def test_a_method_of_the_wrong_kind_is_named(model: Model, ask_it: Any, told: str) -> None:
    with pytest.raises(InvalidType) as caught:
        ask_it(model)
    gc.collect()

    name, method = type(model).__name__, type(model).__name__.rpartition("For")[2].lower()
    assert str(caught.value).startswith(f"{name}._{method} must give {told}")


class GeneratorOfTypes(Model):
    def _send(self, session: Session) -> str:
        return "Hello."

    @types.coroutine
    def _asend(self, session: Session) -> Any:
        yield from asyncio.sleep(0).__await__()
        return "Hello."


def test_a_coroutine_of_types_is_awaited() -> None:
    assert asyncio.run(GeneratorOfTypes().asend(HI)).content == "Hello."
