"""What the engine's tests share: models that remember what they were told, and ways to play a tree, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from antiphon import Event, Message, Model, Reply, Runner, Session, Template, UserInterface

Play = Callable[..., Session]


class Answering(Model):
    """Gives its answers in order, the last one for ever; its forks share what it heard."""

    shared: ClassVar[frozenset[str]] = frozenset({"heard", "answers"})

    def __init__(self, *answers: str | Reply | Message | Exception, name: str = "answering") -> None:
        self.name = name
        self.answers = list(answers or ("ok",))
        self.heard: list[list[tuple[str, str]]] = []

    def _send(self, session: Session) -> Reply | Message | str:
        self.heard.append([(message.role, message.content) for message in session.messages])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Saying(UserInterface):
    """A user who says these things, and remembers what was asked."""

    def __init__(self, *says: str) -> None:
        self.says: Iterator[str] = iter(says)
        self.asked: list[tuple[str | None, str | None]] = []

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        self.asked.append((description, default))
        return next(self.says)


class Doing(Template):
    """Does something to the session, and says nothing."""

    def __init__(self, deed: Callable[[Session], object], **options: Any) -> None:
        super().__init__(**options)
        self.deed = deed

    def _render(self, session: Session) -> Any:
        self.deed(session)
        return session
        yield


@pytest.fixture(scope="session")
def answering() -> type[Answering]:
    return Answering


@pytest.fixture(scope="session")
def saying() -> type[Saying]:
    return Saying


@pytest.fixture(scope="session")
def doing() -> type[Doing]:
    return Doing


def _run(runner: Runner, session: Session | None = None, **options: Any) -> Session:
    return runner.run(session, **options)


def _arun(runner: Runner, session: Session | None = None, **options: Any) -> Session:
    return asyncio.run(runner.arun(session, **options))


def _iter(runner: Runner, session: Session | None = None, **options: Any) -> list[Message | Event]:
    return list(runner.iter(session, **options))


def _aiter(runner: Runner, session: Session | None = None, **options: Any) -> list[Message | Event]:
    async def steps() -> list[Message | Event]:
        return [step async for step in runner.aiter(session, **options)]

    return asyncio.run(steps())


def _render(template: Template, session: Session) -> list[Message | Event]:
    return list(template.render(session))


def _arender(template: Template, session: Session) -> list[Message | Event]:
    async def steps() -> list[Message | Event]:
        return [step async for step in template.arender(session)]

    return asyncio.run(steps())


@pytest.fixture(scope="session", params=[_run, _arun], ids=["run", "arun"])
def play(request: pytest.FixtureRequest) -> Play:
    """``Runner.run``, and ``Runner.arun`` in an event loop of its own."""
    return request.param


@pytest.fixture(scope="session", params=[_iter, _aiter], ids=["iter", "aiter"])
def steps(request: pytest.FixtureRequest) -> Callable[..., list[Message | Event]]:
    """Every step of ``Runner.iter``, and of ``Runner.aiter``."""
    return request.param


@pytest.fixture(scope="session", params=[_render, _arender], ids=["render", "arender"])
def rendered(request: pytest.FixtureRequest) -> Callable[..., list[Message | Event]]:
    """Every step of ``Template.render``, and of ``Template.arender``."""
    return request.param


def _streamed(model: Model, session: Session) -> Message:
    *_, message = model.stream(session)
    assert isinstance(message, Message)
    return message


async def _astreamed(model: Model, session: Session) -> Message:
    pieces = [piece async for piece in model.astream(session)]
    assert isinstance(pieces[-1], Message)
    return pieces[-1]


WAYS: dict[str, Callable[[Model, Session], Message]] = {
    "send": lambda model, session: model.send(session),
    "asend": lambda model, session: asyncio.run(model.asend(session)),
    "stream": _streamed,
    "astream": lambda model, session: asyncio.run(_astreamed(model, session)),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def ask(request: pytest.FixtureRequest) -> Callable[[Model, Session], Message]:
    """Asks a model at once or piece by piece, blocking or not."""
    return request.param


@pytest.fixture(scope="session")
def contents() -> Callable[[Session], list[str]]:
    return lambda session: [message.content for message in session.messages]
