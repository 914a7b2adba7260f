"""The same conversations under asyncio and under trio."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import pytest

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Model,
    Runner,
    Session,
    SubroutineTemplate,
    UserInterface,
    UserTemplate,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request) -> str:
    return request.param


class Sleeping(Model):
    async def _asend(self, session: Session) -> str:
        await anyio.lowlevel.checkpoint()
        return f"heard {session.last.content}"

    def _send(self, session: Session) -> str:
        raise NotImplementedError


class Blocking(Model):
    def __init__(self) -> None:
        self.thread: int | None = None

    def _send(self, session: Session) -> str:
        self.thread = threading.get_ident()
        return f"heard {session.last.content}"


class Asked(UserInterface):
    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        assert threading.current_thread() is not threading.main_thread()
        return "Hi"


def tree() -> LinearTemplate:
    inner = LinearTemplate([UserTemplate("x"), AssistantTemplate(template_id="inner")])
    sub = SubroutineTemplate(inner, "sub", squash_strategy=LLMSummarizingStrategy())
    return LinearTemplate([UserTemplate(), LoopTemplate([AssistantTemplate(template_id="answer"), sub, EndTemplate()])])


@pytest.mark.parametrize("kind", [Sleeping, Blocking])
async def test_a_conversation_runs_under_both_event_loops(kind):
    session = await Runner(kind(), user_interface=Asked(), template=tree()).arun()

    assert [message.content for message in session.messages][:2] == ["Hi", "heard Hi"]
    assert session.last.content.startswith("heard Summarise")
    assert session.trace.models == {name: [kind.__name__] for name in ("answer", "inner", "sub")}


async def test_a_blocking_model_is_asked_in_a_thread():
    model = Blocking()

    await Runner(model).arun(template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    assert model.thread not in {None, threading.get_ident()}


async def test_steps_are_yielded_under_both_event_loops():
    steps = Runner(Sleeping(), user_interface=Asked(), template=tree()).aiter()

    assert [message.content async for message in steps][:2] == ["Hi", "heard Hi"]


async def test_a_template_renders_itself_under_both_event_loops():
    session = Session(runner=Runner(Sleeping()))
    template = LinearTemplate([UserTemplate("x"), AssistantTemplate()])

    assert [message.content async for message in template.arender(session)] == ["x", "heard x"]


async def test_errors_arrive_under_both_event_loops():
    class Failing(Model):
        def _send(self, session: Session) -> str:
            raise KeyError("down")

    session = Session()
    with pytest.raises(KeyError, match="down"):
        await Runner(Failing()).arun(session, template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    assert isinstance(session.trace.calls[0].error, KeyError)
    assert session.template_path is None


async def test_a_run_can_be_cancelled_under_both_event_loops():
    class Stuck(Model):
        def _send(self, session: Session) -> str:
            raise NotImplementedError

        async def _asend(self, session: Session) -> str:
            scope.cancel()
            await anyio.sleep_forever()

    noted: list[str] = []
    inner = LinearTemplate(
        [UserTemplate("x"), AssistantTemplate()], after_transform=lambda session: noted.append("cancelled") or session
    )
    session = Session()
    with anyio.CancelScope() as scope:
        await Runner(Stuck()).arun(session, template=SubroutineTemplate(inner))

    assert scope.cancelled_caught
    assert noted == ["cancelled"]
    assert (session.messages, session.template_path) == ([], None)
    assert isinstance(session.trace.calls[0].error, anyio.get_cancelled_exc_class())


async def test_many_tasks_run_one_tree_under_both_event_loops():
    template, sessions = LinearTemplate([UserTemplate("{{ who }}"), AssistantTemplate()]), {}
    runner = Runner(Sleeping(), template=template)

    async def converse(who: int) -> None:
        sessions[who] = await runner.arun(Session(metadata={"who": who}))

    async with anyio.create_task_group() as tasks:
        for who in range(20):
            tasks.start_soon(converse, who)

    assert {who: session.last.content for who, session in sessions.items()} == {n: f"heard {n}" for n in range(20)}


class Exhausted(UserInterface):
    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        return next(iter(()))


class Speechless(Model):
    def _send(self, session: Session) -> str:
        return next(iter(()))


@pytest.mark.parametrize(
    ("runner", "culprit"),
    [(Runner(Blocking(), Exhausted()), "Exhausted.ask"), (Runner(Speechless(), Asked()), "Speechless._send")],
    ids=["user", "model"],
)
async def test_a_function_in_a_thread_that_raises_stop_iteration_ends_the_run(runner: Runner, culprit: str) -> None:
    with anyio.fail_after(5), pytest.raises(RuntimeError, match=f"{culprit} raised StopIteration"):
        await runner.arun(template=LinearTemplate([UserTemplate(), AssistantTemplate()]))
