"""Forks of runners and models. Clause 5 of what templates with models of their own must do."""

from __future__ import annotations

import asyncio
import gc
import socket
import sqlite3
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from antiphon import (
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)


class Holding(Model):
    def __init__(self, thing: object = None) -> None:
        self.thing = thing
        self.nested = {"thing": thing, "plain": [1]}

    def _send(self, session: Session) -> str:
        return "held"


class Client:
    """A client as libraries write them: it fails when copied, and complains when a half of it is collected."""

    def __init__(self) -> None:
        self.transport = object()

    def __deepcopy__(self, memo: object) -> Client:
        raise TypeError("cannot copy a client")

    def __del__(self) -> None:
        self.transport  # noqa: B018  # a half-built copy has none


class AsyncClient:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    async def aclose(self) -> None: ...


def numbers():
    yield from range(3)


async def letters():
    yield "a"


async def work() -> None: ...


THINGS = {
    "client": Client,
    "async client": AsyncClient,
    "lock": threading.Lock,
    "reentrant lock": threading.RLock,
    "event": threading.Event,
    "condition": threading.Condition,
    "semaphore": threading.Semaphore,
    "thread-local": threading.local,
    "thread": lambda: threading.Thread(target=print),
    "socket": socket.socket,
    "generator": numbers,
    "async generator": letters,
    "iterator": lambda: iter([1, 2]),
    "database": lambda: sqlite3.connect(":memory:"),
    "executor": lambda: ThreadPoolExecutor(max_workers=1),
    "asyncio lock": asyncio.Lock,
    "asyncio event": asyncio.Event,
    "asyncio semaphore": asyncio.Semaphore,
    "asyncio queue": asyncio.Queue,
}


@pytest.fixture(params=THINGS)
def thing(request):
    thing = THINGS[request.param]()
    yield thing
    getattr(thing, "close", bool)()


def test_clause_5_a_model_that_holds_what_cannot_be_copied_is_forked_and_shares_it(thing):
    model = Holding(thing)

    fork = Runner(model).fork().model

    assert fork is not model
    assert fork.thing is thing
    assert fork.nested["thing"] is thing
    assert fork.nested is not model.nested
    assert fork.nested["plain"] is not model.nested["plain"]


def test_clause_5_a_model_that_holds_a_method_of_a_client_is_forked_and_calls_the_same_client():
    client = AsyncClient()

    fork = Runner(Holding(client.aclose)).fork().model

    assert fork.thing.__self__ is client
    assert fork.nested["thing"].__self__ is client


def test_clause_5_a_model_that_holds_an_open_file_is_forked_and_shares_it(tmp_path):
    with (tmp_path / "log").open("w") as file:
        fork = Runner(Holding(file)).fork().model

        assert fork.thing is file


def test_clause_5_a_model_that_holds_a_running_task_is_forked_and_shares_it():
    async def forked() -> None:
        task = asyncio.ensure_future(work())
        future = asyncio.get_running_loop().create_future()
        assert Runner(Holding(task)).fork().model.thing is task
        assert Runner(Holding(future)).fork().model.thing is future
        await task

    asyncio.run(forked())


def test_clause_5_a_subroutine_can_use_a_copy_of_a_model_that_holds_what_cannot_be_copied(thing, play):
    session = Session(messages=[Message(role="user", content="Hi")])

    play(Runner(Holding(thing)), session, template=SubroutineTemplate(UserTemplate("inside")))

    assert session.last.content == "inside"


def test_clause_5_a_fork_shares_what_the_model_names_as_shared():
    class Naming(Holding):
        shared: ClassVar[frozenset[str]] = frozenset({"thing"})

    model = Naming({"plain": []})

    fork = Runner(model).fork().model

    assert fork.thing is model.thing
    assert fork.nested is not model.nested


def test_clause_5_a_fork_shares_templates_user_interface_and_nothing_that_changes(saying):
    runner = Runner(Holding(), user_interface=saying(), template=SystemTemplate("x"))
    runner.options = {"a": [1]}

    fork = runner.fork()

    assert (fork.template, fork.user_interface) == (runner.template, runner.user_interface)
    assert fork.options == runner.options
    assert fork.options["a"] is not runner.options["a"]
    assert fork.model.settings == runner.model.settings
    assert fork.model.settings is not runner.model.settings


def test_a_fork_with_a_model_takes_it_as_it_is(answering):
    model = answering()
    runner = Runner(Holding())
    runner.favourite = runner.model

    fork = runner.fork(model)

    assert fork.model is model
    assert fork.favourite is model
    assert runner.model is not model
    assert Runner(model).fork("openai:gpt-4o-mini").model.name == "openai:gpt-4o-mini"


def test_an_attribute_that_fails_to_be_copied_does_not_stop_a_fork():
    class Refusing:
        def __deepcopy__(self, memo: object) -> Refusing:
            raise TypeError("there is only one")

    thing = Refusing()

    assert Runner(Holding(thing)).fork().model.thing is thing


def test_a_copied_session_has_a_fork_of_its_runner():
    runner = Runner(Holding(threading.Lock()))

    copy = Session(runner=runner).model_copy(deep=True)

    assert copy.runner is not runner
    assert copy.runner.model.origin is runner.model


def conversation(messages: int) -> Session:
    return Session(messages=[Message(role="user", content=str(n), metadata={"n": n}) for n in range(messages)])


def tree(templates: int) -> LinearTemplate:
    return LinearTemplate([LoopTemplate([SystemTemplate("x")], exit_loop_count=0) for _ in range(templates // 2)])


def bytes_of(deed) -> int:
    """How much memory a deed needs at the most."""
    deed()
    gc.disable()
    tracemalloc.start()
    try:
        deed()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.fixture(params=["calls", "bytes"])
def measured(request, calls_of):
    return calls_of if request.param == "calls" else bytes_of


def test_clause_5_forking_costs_the_same_for_10_and_for_10000_messages(measured):
    def cost(messages: int) -> int:
        session = conversation(messages)
        runner = Runner(Holding(), template=UserTemplate("inside"))
        runner.run(session)
        return measured(runner.fork)

    assert cost(10_000) == pytest.approx(cost(10), abs=512 if measured is bytes_of else 0)


def test_clause_5_forking_costs_the_same_for_trees_of_10_and_of_1000_templates(measured):
    def cost(templates: int) -> int:
        return measured(Runner(Holding(), template=tree(templates)).fork)

    assert cost(1000) == pytest.approx(cost(10), abs=512 if measured is bytes_of else 0)


@pytest.mark.llm_isolation("off", reason="the guard looks at the whole parent, and would be measured too")
def test_clause_5_a_subroutine_costs_the_same_whatever_its_parent_said_and_however_large_the_tree_is(measured):
    def cost(messages: int, templates: int) -> int:
        session = conversation(messages)
        runner = Runner(Holding(), template=tree(templates))
        template = SubroutineTemplate(UserTemplate("inside"))
        return measured(lambda: runner.run(session, template=template))

    assert cost(10_000, 1000) == pytest.approx(cost(10, 10), abs=2048 if measured is bytes_of else 0)
