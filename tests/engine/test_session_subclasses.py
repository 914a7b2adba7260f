"""Fields that a subclass of Session adds: a conversation by turns may read them, and loses nothing of them unsaid."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Any

import pytest
from pydantic import BaseModel, Field, PydanticSchemaGenerationError, TypeAdapter

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    ModelSettings,
    Reply,
    Runner,
    Session,
    ToolCall,
    Usage,
    UserTemplate,
)
from antiphon.errors import InvalidValue


class Yes(Model):
    """Answers at once."""

    def _send(self, session: Session) -> str:
        return "Yes."


class Client:
    """What cannot be saved."""


class Basket(Session):
    """A session with fields of its own."""

    owner: str = "Ada"
    items: list[str] = Field(default_factory=list)
    client: Any = Field(default=None, exclude=True)
    helper: Any = None
    tags: set[int] = Field(default_factory=lambda: {3, 11})


def test_a_field_that_pydantic_cannot_check_is_told_where_the_class_is_written() -> None:
    with pytest.raises(PydanticSchemaGenerationError, match="Client"):

        class Shop(Session):
            client: Client


@pytest.mark.parametrize("kind", [Message, ModelSettings, Reply, Session, ToolCall, Usage])
def test_an_adapter_of_pydantic_is_built_where_it_is_made(kind: type[BaseModel]) -> None:
    assert TypeAdapter(kind).pydantic_complete  # web frameworks tell pydantic how to warn while they make theirs


def test_a_field_of_a_type_that_comes_later_is_known_when_it_is_there() -> None:
    class Shop(Session):
        owner: Person | None = None

    class Person(BaseModel):
        name: str

    Shop.model_rebuild()

    assert Shop(owner={"name": "Ada"}).owner == Person(name="Ada")  # type: ignore[arg-type]


def tree(change: Any) -> LinearTemplate:
    """Two turns, in the first of which something is done to the session."""
    return LinearTemplate([UserTemplate(), AssistantTemplate(before_transform=change), UserTemplate()])


def put(session: Any) -> Any:
    """Change a list in its place."""
    session.items.append("egg")
    return session


def rename(session: Any) -> Any:
    """Assign."""
    session.owner = "Bob"
    return session


def read(session: Any) -> Any:
    """Change nothing of them."""
    session.metadata["said"] = [
        session.owner,
        *session.items,
        type(session.client).__name__,
        type(session.helper).__name__,
    ]
    return session


def advance(runner: Runner, session: Session, answer: str | None = None) -> None:
    runner.advance(session, answer)


def aadvance(runner: Runner, session: Session, answer: str | None = None) -> None:
    asyncio.run(runner.aadvance(session, answer))


def stream_advance(runner: Runner, session: Session, answer: str | None = None) -> None:
    with closing(runner.stream_advance(session, answer)) as steps:
        list(steps)


ways = pytest.mark.parametrize("turn", [advance, aadvance, stream_advance])


@ways
def test_they_are_read_in_every_turn(turn: Any) -> None:
    runner, session = Runner(Yes(), template=tree(read)), Basket(items=["egg"], client=Client(), helper=Client())
    client, helper = session.client, session.helper

    for answer in (None, "Hello", "Bye"):
        turn(runner, session, answer)

    assert session.is_over
    assert session.metadata["said"] == ["Ada", "egg", "Client", "Client"]
    assert (session.items, session.client, session.helper) == (["egg"], client, helper)


@ways
@pytest.mark.parametrize(("change", "name"), [(put, "items"), (rename, "owner")])
def test_a_change_is_refused_by_its_name(turn: Any, change: Any, name: str) -> None:
    runner, session = Runner(Yes(), template=tree(change)), Basket()
    turn(runner, session)

    for _ in range(2):  # also where the turn is tried again
        with pytest.raises(
            InvalidValue, match=f"^the conversation has changed {name} of Basket, which would be lost: "
        ) as caught:
            turn(runner, session, "Hello")
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    assert (session.owner, session.items) == ("Ada", [])


def test_a_change_at_the_end_is_refused_also_by_hold() -> None:
    runner, session = Runner(Yes(), template=LinearTemplate([AssistantTemplate("Hi.", after_transform=put)])), Basket()

    with pytest.raises(InvalidValue, match="has changed items of Basket"):
        list(runner.hold(session))

    assert session.items == []


def test_what_the_program_sets_between_two_turns_is_taken() -> None:
    runner = Runner(Yes(), template=LinearTemplate([UserTemplate(), UserTemplate(after_transform=read)]))
    session = Basket()
    runner.advance(session)
    session.owner = "Bob"
    runner.advance(session, "Hello")
    session = Basket.model_validate_json(json.dumps({**json.loads(session.model_dump_json()), "owner": "Cid"}))
    runner.advance(session, "Bye")

    assert session.metadata["said"][0] == "Cid"


def test_what_is_not_saved_stays_with_the_program() -> None:
    class Logged(Session):
        log: list[str] = Field(default_factory=list, exclude=True)

    def note(session: Any) -> Any:
        session.log.append("x")
        return session

    runner, session = Runner(Yes(), template=LinearTemplate([AssistantTemplate("Hi.", after_transform=note)])), Logged()
    log = session.log
    runner.advance(session)

    assert session.log is log
    assert log == ["x"]


def test_a_transform_may_go_on_in_a_plain_session() -> None:
    def plain(session: Session) -> Session:
        return Session(messages=session.messages, metadata={"plain": True})

    runner, session = (
        Runner(Yes(), template=LinearTemplate([AssistantTemplate("Hi.", after_transform=plain)])),
        Basket(),
    )
    runner.advance(session)

    assert session.is_over
    assert session.metadata == {"plain": True}


@pytest.mark.parametrize("value", [{3, 11}, "\ud800"])
def test_sets_and_what_cannot_be_saved_are_no_changes(value: object) -> None:
    runner, session = Runner(Yes(), template=tree(read)), Basket(helper=value)
    runner.advance(session)
    runner.advance(session, "Hello")
    runner.advance(session, "Bye")

    assert session.is_over


def test_what_became_cyclic_leaves_a_session_that_goes_on() -> None:
    runner, session = Runner(Yes(), template=tree(read)), Basket(helper=[])
    runner.advance(session)
    session.helper.append(session.helper)
    runner.advance(session, "Hello")
    session.helper.clear()
    runner.advance(session, "Bye")

    assert session.is_over
