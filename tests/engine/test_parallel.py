"""Children of a parallel template run at the same time in an event loop; what they give back stands in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from contextvars import ContextVar
from threading import Event as ThreadEvent
from threading import Thread
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    Event,
    FallbackModel,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    InheritSystemStrategy,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Model,
    ParallelTemplate,
    Reply,
    Runner,
    Session,
    SessionInitStrategy,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UpdateMetadata,
    UserInterface,
    UserTemplate,
    tool,
)
from antiphon.drawing import as_mermaid, as_text
from antiphon.errors import InvalidType, InvalidValue, MessageLimitExceeded, ServerError
from antiphon.observers import Observer, observing


class Echo(Model):
    """Answers with the last message; in an event loop as many turns later as that says, so that others overtake it."""

    async def _asend(self, session: Session) -> str:
        for _ in range(int(session.metadata.get("turns", 0))):
            await anyio.lowlevel.checkpoint()
        return self._send(session)

    def _send(self, session: Session) -> str:
        return f"heard {session.last.content}"


class Meeting(Model):
    """Answers when so many are being asked at the same time."""

    shared = frozenset({"asked", "all_asked"})

    def __init__(self, number: int) -> None:
        self.asked: list[str] = []
        self.all_asked = asyncio.Event()
        self.number = number

    def _send(self, session: Session) -> str:
        raise NotImplementedError

    async def _asend(self, session: Session) -> str:
        self.asked.append(session.last.content)
        if len(self.asked) == self.number:
            self.all_asked.set()
        await self.all_asked.wait()
        return session.last.content.upper()


class Failing(Model):
    def __init__(self, error: BaseException, turns: int = 0) -> None:
        self.error = error
        self.turns = turns

    def _send(self, session: Session) -> str:
        raise self.error

    async def _asend(self, session: Session) -> str:
        for _ in range(self.turns):
            await anyio.lowlevel.checkpoint()
        raise self.error


class Stuck(Model):
    """Never answers; says what ended that."""

    shared = frozenset({"ended"})

    def __init__(self) -> None:
        self.ended: list[type[BaseException]] = []

    def _send(self, session: Session) -> str:
        raise NotImplementedError

    async def _asend(self, session: Session) -> str:
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            self.ended.append(type(error))
            raise
        return "never"


class Stubborn(Model):
    """Never answers; fails when it is cancelled."""

    shared = frozenset({"asked"})

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.asked = 0

    def _send(self, session: Session) -> str:
        raise NotImplementedError

    async def _asend(self, session: Session) -> str:
        self.asked += 1
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise self.error from None
        return "never"


class Pairs(Observer):
    """Notes what begins and ends, in which session."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], Any] = {}
        self.told: list[tuple[str, int]] = []

    def on_template_enter(self, event: Any) -> None:
        self.told.append((event.path, event.depth))
        assert ("template", event.path) not in self.open
        self.open["template", event.path] = event.session.run

    def on_template_exit(self, event: Any) -> None:
        assert self.open.pop(("template", event.path)) is event.session.run

    def on_subroutine_enter(self, event: Any) -> None:
        self.open["subroutine", event.path] = event.parent

    def on_subroutine_exit(self, event: Any) -> None:
        assert self.open.pop(("subroutine", event.path)) is event.parent

    def on_model_enter(self, event: Any) -> None:
        assert event.session.template_path == event.caller.template_path
        self.open["model", str(event.caller.template_path)] = event

    def on_model_exit(self, event: Any) -> None:
        assert self.open.pop(("model", str(event.call.template_path))) is event.entered


def asking(question: str, name: str | None = None, turns: int = 0, **options: Any) -> LinearTemplate:
    """A part that asks a question; by ``turns`` it lets others overtake it."""
    before = UpdateMetadata(turns=turns)
    return LinearTemplate(
        [UserTemplate(question), AssistantTemplate(template_id="answer", **options)],
        template_id=name,
        before_transform=before,
    )


def said(session: Session) -> list[tuple[str | None, str]]:
    return [(message.template_path, message.content) for message in session.messages]


def play_in_a_thread(program: Coroutine[Any, Any, object]) -> BaseException | None:
    """Run a program to its end; fails where it has none. Returns what it raises."""
    raised: list[BaseException] = []

    def play() -> None:
        try:
            asyncio.run(program)
        except BaseException as error:  # noqa: BLE001  # for the thread that waits
            raised.append(error)

    thread = Thread(target=play, daemon=True)
    thread.start()
    thread.join(2)
    assert not thread.is_alive(), "the event loop waits for a child, and that for nobody"
    return raised[0] if raised else None


def test_children_run_at_the_same_time(contents):
    async def run() -> Session:
        return await Runner(Meeting(3), template=ParallelTemplate([asking(word) for word in ("a", "b", "c")])).arun()

    assert contents(asyncio.run(run())) == ["A", "B", "C"]


def test_children_run_at_the_same_time_under_trio(contents):
    seen: list[str] = []
    all_there = trio.Event()

    class Trio(Model):
        def _send(self, session: Session) -> str:
            raise NotImplementedError

        async def _asend(self, session: Session) -> str:
            seen.append(session.last.content)
            if len(seen) == 3:
                all_there.set()
            await all_there.wait()
            return session.last.content.upper()

    tree = ParallelTemplate([asking(word) for word in ("a", "b", "c")])

    assert contents(trio.run(Runner(Trio(), template=tree).arun)) == ["A", "B", "C"]


def test_without_an_event_loop_they_run_one_after_another(answering, contents):
    model = answering("one", "two")
    tree = ParallelTemplate([asking("a"), asking("b")])

    session = Runner(model, template=tree).run()

    assert contents(session) == ["one", "two"]
    assert model.heard == [[("user", "a")], [("user", "b")]]


def test_what_they_give_back_stands_in_their_order_whichever_ended_first(play):
    tree = ParallelTemplate([asking("a", "slow", 9), asking("b", "quick"), asking("c", "middling", 4)], "research")

    session = play(Runner(Echo(), template=tree))

    assert said(session) == [
        (f"research/{name}/answer", f"heard {word}")
        for name, word in (("slow", "a"), ("quick", "b"), ("middling", "c"))
    ]


def test_the_trace_has_the_calls_in_the_order_in_which_they_ended():
    tree = ParallelTemplate([asking("a", "slow", 9), asking("b", "quick")])

    session = asyncio.run(Runner(Echo(), template=tree).arun())

    assert [call.template_path for call in session.trace.calls] == ["parallel/quick/answer", "parallel/slow/answer"]
    assert {call.depth for call in session.trace.calls} == {1}


def test_each_has_a_session_and_a_runner_of_its_own(play, doing):
    runners: list[Any] = []

    def scribble(session: Session) -> None:
        runners.append(session.runner)
        session.metadata["notes"].append(len(runners))
        session.runner.model.settings.temperature = float(len(runners))
        assert session.metadata["notes"] == [len(runners)]

    runner = Runner(Echo(), template=ParallelTemplate([doing(scribble), doing(scribble), doing(scribble)]))
    session = play(runner, Session(metadata={"notes": []}))

    assert session.metadata == {"notes": []}
    assert len({id(one) for one in (runner, *runners)}) == 4
    assert runner.model.settings.temperature is None


def test_what_they_begin_with_and_give_back_can_be_chosen(play, contents):
    tree = LinearTemplate(
        [
            SystemTemplate("Be brief."),
            UserTemplate("Tea or coffee?"),
            ParallelTemplate(
                [
                    AssistantTemplate(template_id="one"),
                    AssistantTemplate(template_id="two"),
                    asking("And milk?", "three"),
                ],
                "votes",
                session_init_strategy=FilteredInheritStrategy(lambda message: True),
                squash_strategy=FilterByRoleStrategy(["user", "assistant"]),
            ),
        ]
    )

    session = play(Runner(Echo(), template=tree))

    assert contents(session)[2:] == ["heard Tea or coffee?"] * 2 + ["And milk?", "heard And milk?"]
    assert session.trace.calls[0].messages[0].content == "Be brief."
    assert {call.template_path for call in session.trace.calls} == {
        f"linear/votes/{place}" for place in ("one", "two", "three/answer")
    }


def test_a_squash_strategy_that_asks_is_asked_at_the_place_of_the_child(play):
    tree = ParallelTemplate([asking("a", "one"), asking("b", "two")], squash_strategy=LLMSummarizingStrategy())

    session = play(Runner(Echo(), template=tree))

    assert [path for path, _ in said(session)] == ["parallel/one", "parallel/two"]
    assert session.trace.models == {"answer": ["Echo"] * 2, "one": ["Echo"], "two": ["Echo"]}


def test_a_subroutine_among_them_keeps_its_settings(play, answering):
    small, large, own = answering("small", name="small"), answering("large", name="large"), answering("own", name="own")
    tree = ParallelTemplate(
        [
            asking("a", "plain"),
            SubroutineTemplate(asking("b"), "kept", squash_strategy=FilterByRoleStrategy(["user"]), model=large),
            SubroutineTemplate(asking("c"), "heir", runner=None),
            SubroutineTemplate(asking("d"), "with-runner", runner=Runner(own)),
        ],
        model=small,
    )

    session = play(Runner(Echo(), template=tree))

    assert [content for _, content in said(session)] == ["small", "b", "small", "own"]
    by_path = {call.template_path: (call.model, call.chosen_by) for call in session.trace.calls}
    assert by_path == {
        "parallel/plain/answer": ("small", "subroutine"),
        "parallel/kept/linear-1/answer": ("large", "subroutine"),
        "parallel/heir/linear-1/answer": ("small", "subroutine"),
        "parallel/with-runner/linear-1/answer": ("own", "subroutine-runner"),
    }


def test_the_model_may_be_set_later(play, answering, contents):
    tree = ParallelTemplate([asking("a")])
    tree.model = answering("late", name="late")

    assert contents(play(Runner(Echo(), template=tree))) == ["late"]


def test_what_they_begin_with_and_give_back_may_be_set_later(play, contents):
    parallel = ParallelTemplate([asking("a"), SubroutineTemplate(asking("b"))])
    runner = Runner(Echo(), template=LinearTemplate([SystemTemplate("Be terse."), parallel]))
    assert contents(play(runner)) == ["Be terse.", "heard a", "heard b"]

    parallel.session_init_strategy = InheritSystemStrategy()
    parallel.squash_strategy = FilterByRoleStrategy(["user"])

    session = play(runner)
    assert contents(session) == ["Be terse.", "a", "heard b"]
    assert [len(call.messages) for call in session.trace.calls] == [2, 1]


def test_before_transforms_of_a_subroutine_are_for_it_alone_and_after_transforms_for_the_parent(play, contents):
    def take(name: str) -> Callable[[Session], Session]:
        def transform(session: Session) -> Session:
            session.metadata[name] = session.messages.pop().content
            session.metadata["order"].append((name, session.template_path))
            return session

        return transform

    def research(topic: str, turns: int) -> SubroutineTemplate:
        return SubroutineTemplate(
            LinearTemplate([UserTemplate("On {{ topic }}, {{ order|length }}."), AssistantTemplate()]),
            topic,
            before_transform=[UpdateMetadata(topic=topic, turns=turns), lambda s: s.metadata["order"].append(0) or s],
            after_transform=take(topic),
        )

    tree = ParallelTemplate([research("tides", 5), research("winds", 0)], "research")
    session = play(Runner(Echo(), template=tree), Session(metadata={"order": []}))

    assert session.messages == []
    assert session.metadata == {
        "tides": "heard On tides, 1.",
        "winds": "heard On winds, 1.",
        "order": [("tides", "research/tides"), ("winds", "research/winds")],
    }


def test_what_a_before_transform_says_is_not_given_back(play, contents):
    def mention(session: Session) -> Session:
        session.append(Message(role="system", content="Be brief."))
        return session

    child = SubroutineTemplate(asking("a"), before_transform=mention, session_init_strategy=InheritSystemStrategy())

    session = play(Runner(Echo(), template=ParallelTemplate([child, child])))

    assert contents(session) == ["heard a", "heard a"]
    assert [len(call.messages) for call in session.trace.calls] == [2, 2]


def test_own_transforms_act_on_the_parents_session(play, contents):
    tree = ParallelTemplate(
        [asking("{{ topic }}")],
        before_transform=UpdateMetadata(topic="tides"),
        after_transform=lambda session: session.metadata.update(last=session.last.content) or session,
    )

    assert play(Runner(Echo(), template=tree)).metadata == {"topic": "tides", "last": "heard tides"}


def test_an_after_transform_that_fails_is_named(play):
    def fail(session: Session) -> Session:
        raise KeyError("notes")

    tree = ParallelTemplate([SubroutineTemplate(asking("a"), "one", after_transform=fail)])

    with pytest.raises(KeyError) as raised:
        play(Runner(Echo(), template=tree))
    assert raised.value.__notes__ == ["in the template at 'parallel/one'"]


def test_a_strategy_that_fails_is_named_with_its_child(play):
    class Refusing(SessionInitStrategy):
        def initialize(self, parent_session: Session) -> Session:
            raise KeyError(parent_session.template_path)

    with pytest.raises(KeyError) as raised:
        play(Runner(Echo(), template=ParallelTemplate([asking("a", "one")], session_init_strategy=Refusing())))
    assert (raised.value.args, raised.value.__notes__) == (("parallel/one",), ["in the template at 'parallel/one'"])


def test_closing_cleans_up_behind_those_that_have_begun():
    cleaned: list[str | None] = []

    def child(name: str) -> SubroutineTemplate:
        return SubroutineTemplate(asking(name), name, after_transform=lambda s: cleaned.append(s.template_path) or s)

    steps = Runner(Echo(), template=ParallelTemplate([child("a"), child("b"), child("c")])).iter()
    assert [next(steps).content for _ in range(3)] == ["a", "heard a", "b"]
    steps.close()

    assert cleaned == ["parallel/a", "parallel/b"]


def test_a_break_leaves_only_its_child(play, contents):
    leaving = LinearTemplate([UserTemplate("a"), BreakTemplate(), AssistantTemplate("never")])
    loop = LoopTemplate(
        [ParallelTemplate([leaving, BreakTemplate(), SubroutineTemplate(BreakTemplate()), asking("b")])],
        exit_loop_count=2,
    )

    assert contents(play(Runner(Echo(), template=loop))) == ["a", "heard b"] * 2


@pytest.mark.parametrize("wrapped", [lambda child: child, SubroutineTemplate], ids=["child", "subroutine"])
def test_an_end_ends_the_conversation_when_all_have_ended(play, contents, wrapped):
    ending = wrapped(EndTemplate("Bye."))
    tree = LinearTemplate([ParallelTemplate([asking("a", turns=5), ending, asking("b")]), AssistantTemplate("never")])

    assert contents(play(Runner(Echo(), template=tree))) == ["heard a", "Bye.", "heard b"]


def test_none_says_nothing_and_one_stands_in_two_places(play, contents):
    twice = asking("a")

    assert contents(play(Runner(Echo(), template=ParallelTemplate([])))) == []
    session = play(Runner(Echo(), template=ParallelTemplate([twice, twice])))
    assert [path for path, _ in said(session)] == ["parallel/linear-1/answer", "parallel/linear-2/answer"]


def test_an_error_is_raised_as_it_is_and_nothing_is_given_back(play):
    error = ServerError("down")
    tree = LinearTemplate(
        [
            UserTemplate("?"),
            ParallelTemplate(
                [asking("a", "first"), asking("b", "second", model=Failing(error)), asking("c", "third", 99)]
            ),
        ]
    )
    session, runner = Session(), Runner(Echo(), template=tree)

    with observing(Pairs()) as pairs, pytest.raises(ServerError) as raised:
        play(runner, session)

    assert raised.value is error
    assert raised.value.__notes__ == ["in the template at 'linear/parallel-2/second/answer'"]
    assert (said(session), session.template_path, pairs.open) == ([("linear/user-1", "?")], None, {})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_others_are_cancelled_with_every_clean_up(anyio_backend):
    stuck, cleaned = Stuck(), []

    def clean_up(session: Session) -> Session:
        cleaned.append(session.template_path)
        return session

    waiting = LinearTemplate([asking("a", model=stuck)], template_id="plain", after_transform=clean_up)
    inner = SubroutineTemplate(asking("b", model=stuck), "subroutine", after_transform=clean_up)
    tree = ParallelTemplate(
        [waiting, ParallelTemplate([inner], "inner"), asking("c", model=Failing(OSError("out"), 5))]
    )

    with observing(Pairs()) as pairs, pytest.raises(OSError, match="out"):
        await Runner(Echo(), template=tree).arun()

    assert stuck.ended == [anyio.get_cancelled_exc_class()] * 2
    assert sorted(cleaned) == ["parallel/inner/subroutine", "parallel/plain"]
    assert pairs.open == {}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_an_error_does_not_wait_for_the_thread_of_another_child(anyio_backend):
    free, returned = ThreadEvent(), []

    class Blocking(Model):
        def _send(self, session: Session) -> str:
            returned.append(free.wait(5))
            return "late"

    tree = ParallelTemplate([asking("a", model=Blocking()), asking("b", model=Failing(ServerError("down"), 3))])
    try:
        with pytest.raises(ServerError, match="down"):
            await Runner(Echo(), template=tree).arun()
        assert returned == []
    finally:
        free.set()


def test_of_several_errors_the_first_is_raised_and_the_others_are_noted():
    tree = ParallelTemplate(
        [asking("a", "one", model=Stubborn(KeyError("lost"))), asking("b", "two", model=Failing(OSError("out"), 3))]
    )

    with pytest.raises(OSError, match="out") as raised:
        asyncio.run(Runner(Echo(), template=tree).arun())
    assert raised.value.__notes__[-1] == "KeyError('lost') was raised as well, by the template at 'parallel/one'"


def test_a_time_limit_during_the_clean_up_tells_what_a_child_had_raised():
    class Slow(Stuck):
        async def _asend(self, session: Session) -> str:
            try:
                return await super()._asend(session)
            finally:
                await asyncio.sleep(0.03)

    async def go() -> None:
        async with asyncio.timeout(0.01):
            await Runner(Echo(), template=tree).arun()

    slow = Slow()
    tree = ParallelTemplate([asking("a", "one", model=slow), asking("b", "two", model=Failing(ServerError("down")))])

    with pytest.raises(TimeoutError) as raised:
        asyncio.run(go())
    cancelled = raised.value.__context__  # also its cause, from Python 3.11.3 on
    assert isinstance(cancelled, asyncio.CancelledError)
    assert "ServerError('down') was raised as well, by the template at 'parallel/two'" in cancelled.__notes__
    assert slow.ended == [asyncio.CancelledError]


def test_a_child_that_is_interrupted_ends_the_run(play):
    tree = ParallelTemplate([asking("a", model=Failing(KeyboardInterrupt())), asking("b", turns=3)])

    with observing(Pairs()) as pairs, pytest.raises(KeyboardInterrupt):
        play(Runner(Echo(), template=tree))
    assert pairs.open == {}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_run_that_is_cancelled_cancels_all(anyio_backend):
    stuck, session = Stuck(), Session()
    tree = ParallelTemplate([asking("a", model=stuck), asking("b", model=stuck), asking("c")])

    with observing(Pairs()) as pairs, anyio.move_on_after(0.02) as scope:
        await Runner(Echo(), template=tree).arun(session)

    assert scope.cancelled_caught
    assert len(stuck.ended) == 2
    assert (session.messages, session.template_path, pairs.open) == ([], None, {})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("way", ["aiter", "astream"])
async def test_closing_an_iterator_ends_all(anyio_backend, way):
    stuck, session = Stuck(), Session()
    runner = Runner(Echo(), template=ParallelTemplate([asking("a", model=stuck), asking("b"), asking("c", turns=50)]))

    with observing(Pairs()) as pairs:
        async with aclosing(getattr(runner, way)(session)) as steps:
            heard = [await anext(steps) for _ in range(4)]

    assert heard[0].content in {"a", "b", "c"}
    assert stuck.ended == [anyio.get_cancelled_exc_class()]
    assert (session.messages, session.template_path, pairs.open) == ([], None, {})


@pytest.mark.parametrize("way", ["aiter", "astream"])
def test_what_a_child_raises_when_the_iterator_is_closed_is_raised_by_closing(way):
    async def leave() -> None:
        children = [asking("a", "busy", model=Stubborn(OSError("lost"))), asking("b", "ready", turns=3)]
        async with aclosing(getattr(Runner(Echo(), template=ParallelTemplate(children)), way)()) as steps:
            async for step in steps:
                if step.template_path == "parallel/ready/answer":
                    break

    with observing(Pairs()) as pairs, pytest.raises(OSError, match="lost"):
        asyncio.run(leave())
    assert pairs.open == {}


@pytest.mark.parametrize("way", ["iter", "stream"])
def test_closing_an_iterator_ends_the_child_that_is_played(way):
    session = Session()
    with observing(Pairs()) as pairs:
        steps = getattr(Runner(Echo(), template=ParallelTemplate([asking("a"), asking("b")])), way)(session)
        assert next(steps).content == "a"
        steps.close()

    assert (session.messages, session.template_path, pairs.open) == ([], None, {})


def test_messages_of_all_children_count(play):
    tree = ParallelTemplate([asking("a"), ParallelTemplate([asking("b"), asking("c")])])
    session = Session()

    assert len(play(Runner(Echo(), template=tree), max_messages=6).messages) == 2
    with pytest.raises(MessageLimitExceeded) as raised:
        play(Runner(Echo(), template=tree), session, max_messages=5)
    assert raised.value.session is session


def test_loops_that_say_nothing_end_in_children_too(play, monkeypatch):
    monkeypatch.setattr("antiphon.session._MOST_SILENT_TURNS", 50)  # 100,000 take a second
    tree = LoopTemplate([ParallelTemplate([LoopTemplate([LinearTemplate([])])])])

    with pytest.raises(MessageLimitExceeded, match="turn"):
        play(Runner(Echo(), template=tree), max_messages=3)


class Form(UserInterface):
    """Takes its time, and notices when it is asked twice at once."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.is_asked = False

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        self.asked.append(description)
        return f"{len(self.asked)}"

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:
        assert not self.is_asked
        self.is_asked = True
        await asyncio.sleep(0)
        self.is_asked = False
        return self.ask(session, description, default)


def test_the_user_is_asked_by_one_child_after_another(play, contents):
    def interview(name: str, turns: int) -> LinearTemplate:
        return LinearTemplate(
            [
                UserTemplate(description=f"{name}1"),
                AssistantTemplate(before_transform=UpdateMetadata(turns=turns)),
                UserTemplate(description=f"{name}2"),
            ]
        )

    form = Form()
    tree = ParallelTemplate(
        [interview("a", 9), ParallelTemplate([interview("b", 3), interview("c", 0)]), interview("d", 0)]
    )

    session = play(Runner(Echo(), form, tree))

    assert form.asked == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]
    assert contents(session) == ["2", "6", "8"]


def test_the_user_is_asked_no_more_when_a_child_has_failed(play):
    class Prompt(Form):
        async def aask(self, session: Session, description: str | None, default: str | None) -> str:
            return self.ask(session, description, default)

    form = Prompt()
    failing = LinearTemplate([UserTemplate(description="a"), AssistantTemplate(model=Failing(OSError("out")))])

    with pytest.raises(OSError, match="out"):
        play(Runner(Echo(), form, ParallelTemplate([failing, UserTemplate(description="b")])))
    assert form.asked == ["a"]


def test_the_user_is_not_asked_by_a_child_that_makes_another_of_its_cancellation():
    asked: list[str | None] = []

    class Asking(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            asked.append(description)
            return "yes"

    model = FallbackModel([Stubborn(ServerError("lost")), Echo()])
    interview = LinearTemplate([asking("b", model=model), UserTemplate(description="Which one?")])
    tree = ParallelTemplate([asking("a", model=Failing(OSError("out"), 3)), interview])

    raised = play_in_a_thread(Runner(Echo(), Asking(), tree).arun())

    assert isinstance(raised, OSError)
    assert asked == []


def test_a_tool_that_runs_templates_which_ask_waits_for_its_turn(play, answering):
    @tool
    async def ask(session: Session) -> str:
        """Asks the user."""
        template = UserTemplate(description=session.template_path)
        return (await session.runner.arun(Session(), template=template)).last.content

    def child(name: str, turns: int) -> LinearTemplate:
        asks = Reply(tool_calls=(ToolCall(id="1", name="ask"),))
        before = UpdateMetadata(turns=turns)
        tooling = ToolingTemplate([ask], model=answering(asks, "ok"), template_id="tools")
        return LinearTemplate([asking("?", turns=turns), tooling], template_id=name, before_transform=before)

    form = Form()
    play(Runner(Echo(), form, ParallelTemplate([child("a", 9), child("b", 0)])))

    assert form.asked == ["parallel/a/tools", "parallel/b/tools"]


def test_nested_ones_in_loops_have_places_of_their_own(play):
    def inner(name: str) -> ParallelTemplate:
        return ParallelTemplate([asking("x", "left", 2), asking("y", "right")], name)

    tree = LoopTemplate([ParallelTemplate([inner("one"), SubroutineTemplate(inner("two"), "sub")])], exit_loop_count=2)

    with observing(Pairs()) as pairs:
        session = play(Runner(Echo(), template=tree))

    assert pairs.open == {}
    assert {depth for path, depth in pairs.told if path.endswith("answer")} == {2}
    assert sorted(call.template_path for call in session.trace.calls) == [
        f"loop@{turn}/parallel-1/{within}/{side}/answer"
        for turn in (1, 2)
        for within in ("one", "sub/two")
        for side in ("left", "right")
    ]


def test_a_parallel_template_in_a_subroutine_and_a_loop_in_a_child(play, contents):
    loop = LoopTemplate([asking("again", "ask", 1)], exit_loop_count=3, template_id="turns")
    tree = SubroutineTemplate(
        ParallelTemplate([loop, asking("b")], "both"), squash_strategy=FilterByRoleStrategy(["assistant"])
    )

    session = play(Runner(Echo(), template=tree))

    assert contents(session) == ["heard again", "heard b"]
    assert len(session.trace.at("subroutine/both/turns@*/ask/answer")) == 3


def test_context_variables_of_one_are_not_those_of_another(play, doing, contents):
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    def child(name: str) -> LinearTemplate:
        return LinearTemplate([doing(lambda _: seen.append(who.get())), doing(lambda _: who.set(name)), asking(name)])

    play(Runner(Echo(), template=ParallelTemplate([child("a"), child("b"), child("c")])))

    assert seen == ["nobody"] * 3
    assert who.get() == "nobody"


def test_tools_and_typed_answers_in_children(play, answering, contents):
    class Verdict(BaseModel):
        good: bool

    @tool
    async def price(session: Session, title: str) -> str:
        """Tells a price."""
        await asyncio.sleep(0)
        return f"{title} at {session.template_path}"

    asks = Reply(tool_calls=(ToolCall(id="1", name="price", arguments={"title": "Emma"}),))
    shop = LinearTemplate(
        [UserTemplate("Emma?"), ToolingTemplate([price], model=answering(asks, "9 euros"), template_id="shop")]
    )
    judge = LinearTemplate(
        [
            UserTemplate("Good?"),
            AssistantTemplate(model=answering("{}", '{"good":true}'), output_type=Verdict, retries=1),
        ]
    )

    session = play(Runner(Echo(), template=ParallelTemplate([shop, judge])))

    assert contents(session) == ["9 euros", '{"good":true}']
    assert session.last.parsed == Verdict(good=True)
    assert [(run.template_id, run.result) for run in session.trace.tools] == [
        ("shop", "Emma at parallel/linear-1/shop")
    ]


def test_a_tool_may_be_a_parallel_template(play, answering):
    from antiphon import Tool

    research = ParallelTemplate([asking("a {{ request }}", turns=3), asking("b {{ request }}")], "research")
    whole = SubroutineTemplate(research, squash_strategy=FilterByRoleStrategy(["assistant"]))
    asks = Reply(tool_calls=(ToolCall(id="1", name="research", arguments={"request": "tides"}),))
    tree = LinearTemplate(
        [
            UserTemplate("?"),
            ToolingTemplate([Tool.from_template("research", "Researches.", whole)], model=answering(asks, "ok")),
        ]
    )

    session = play(Runner(Echo(), template=tree))

    assert session.trace.tools[0].result == "heard a tides\n\nheard b tides"


async def _listed(steps: Any) -> list[Message | Event]:
    return [step async for step in steps]


def test_what_they_say_comes_as_they_say_it():
    tree = ParallelTemplate([asking("a", "slow", 9), asking("b", "quick")], "research")
    runner = Runner(Echo(), template=tree)

    heard = asyncio.run(_listed(runner.astream()))

    assert [step.content for step in heard if isinstance(step, Message)] == ["a", "b", "heard b", "heard a"]
    assert [(step.text, step.template_path) for step in heard if isinstance(step, TextDelta)] == [
        ("heard b", "research/quick/answer"),
        ("heard a", "research/slow/answer"),
    ]
    assert [step.content for step in runner.iter()] == ["a", "heard a", "b", "heard b"]


def test_while_the_program_has_the_word_no_child_takes_a_step(doing):
    stepped: list[str] = []

    def child(name: str) -> LinearTemplate:
        return LinearTemplate([UserTemplate(name), AssistantTemplate(), doing(lambda _: stepped.append(name))])

    async def go() -> None:
        session = Session()
        async with aclosing(
            Runner(Echo(), template=ParallelTemplate([child(n) for n in "abc"])).aiter(session)
        ) as steps:
            async for _ in steps:
                before = list(stepped)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert stepped == before
                with pytest.raises(InvalidValue, match="in the middle of a run"):
                    await Runner(Echo(), template=child("d")).arun(session)
        assert sorted(stepped) == ["a", "b", "c"]

    asyncio.run(go())


@pytest.mark.parametrize("depth", [1, 2])
def test_while_the_program_has_the_word_nothing_follows_an_inner_parallel_template(doing, depth):
    stepped: list[int] = []
    inner: Template = asking("a")
    for _ in range(depth):
        inner = ParallelTemplate([inner], squash_strategy=FilterByRoleStrategy([]))
    talkative = LinearTemplate([UserTemplate(word) for word in "bcdef"])
    tree = ParallelTemplate([LinearTemplate([inner, doing(lambda _: stepped.append(1))]), talkative])

    async def go() -> None:
        async for _ in Runner(Echo(), template=tree).aiter():
            before = list(stepped)
            for _ in range(20):
                await asyncio.sleep(0)
            assert stepped == before

    asyncio.run(go())
    assert stepped


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_during_the_clean_up_ends_the_program(error):
    tree = ParallelTemplate(
        [asking("a", model=Stubborn(error)), asking("b", "two", model=Failing(ServerError("down")))]
    )

    with pytest.raises(type(error)) as raised:
        asyncio.run(Runner(Echo(), template=tree).arun())

    assert raised.value is error
    assert any("ServerError('down') was raised as well" in note for note in error.__notes__)


def test_an_observer_that_fails_ends_the_run():
    class Refusing(Observer):
        def on_part_wait(self, event: Any) -> None:
            raise RuntimeError(f"no more, at {event.path}")

    session = Session()
    tree = ParallelTemplate([asking("a", "one", 1), asking("b", "two", 2)])
    with observing(Refusing()), pytest.raises(RuntimeError, match="no more, at parallel/one/answer"):
        asyncio.run(Runner(Echo(), template=tree).arun(session))
    assert session.template_path is None


def test_a_child_cannot_render_in_the_session_of_its_parent(play, doing):
    parent = Session()

    def meddle(session: Session) -> None:
        list(UserTemplate("x").render(parent))

    with pytest.raises(InvalidValue, match="the children of 'parallel' run beside each other") as raised:
        play(Runner(Echo(), template=ParallelTemplate([doing(meddle), asking("b")])), parent)
    assert not getattr(raised.value, "__notes__", [])
    assert list(UserTemplate("x").render(parent))


def test_it_renders_without_a_run_of_a_runner(rendered):
    session = Session(runner=Runner(Echo()))

    steps = rendered(ParallelTemplate([asking("a", turns=3), asking("b")]), session)

    assert len(steps) == 4
    assert [content for _, content in said(session)] == ["heard a", "heard b"]


def test_an_iterator_that_is_dropped_ends_all():
    stuck, session = Stuck(), Session()

    async def go() -> None:
        tree = ParallelTemplate([asking("a", model=stuck), asking("b")])
        async for _ in Runner(Echo(), template=tree).aiter(session):
            break

    with observing(Pairs()) as pairs:
        asyncio.run(go())
    assert (session.messages, session.template_path, pairs.open) == ([], None, {})


def test_a_time_limit_ends_all():
    async def go() -> None:
        async with asyncio.timeout(0.01):
            await Runner(Stuck(), template=ParallelTemplate([asking("a"), asking("b")])).arun()

    with observing(Pairs()) as pairs, pytest.raises(TimeoutError):
        asyncio.run(go())
    assert pairs.open == {}


def test_it_is_drawn(answering):
    tree = ParallelTemplate(
        [asking("a", "one"), SubroutineTemplate(asking("b"), "two")],
        "research",
        squash_strategy=LLMSummarizingStrategy(),
    )
    tree.model = answering(name="small")

    assert as_text(tree).splitlines() == [
        "research (parallel)             overrides the model: small · gives back LLMSummarizingStrategy",
        "├── one (linear)",
        "│   ├── user-1 (user)",
        "│   └── answer (assistant)      model: small (of research)",
        "└── two (subroutine)",
        "    └── linear-1 (linear)",
        "        ├── user-1 (user)",
        "        └── answer (assistant)  model: small (of research)",
    ]
    assert '{{"research (parallel)' in as_mermaid(tree)


def test_what_it_is_not_given():
    with pytest.raises(InvalidType, match="templates of research takes a list of templates, not UserTemplate"):
        ParallelTemplate(UserTemplate("x"), "research")  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match="squash_strategy takes a SquashStrategy"):
        ParallelTemplate([], squash_strategy="last")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="two templates are called 'a'"):
        ParallelTemplate([asking("x", "a"), asking("y", "a")])


def test_a_subclass_of_a_subroutine_renders_as_it_says(play, contents):
    class Polite(SubroutineTemplate):
        def _render(self, session: Session) -> Any:
            yield Message(role="assistant", content="One moment.")
            return (yield from super()._render(session))

    tree: Template = ParallelTemplate([Polite(asking("a")), Polite(asking("b"))])

    assert contents(play(Runner(Echo(), template=tree))) == ["One moment.", "heard a", "One moment.", "heard b"]


async def fail(steps: Any) -> None:
    async for step in steps:
        if step.template_path == "parallel/ready/answer":
            raise ValueError("not this one")


async def be_cancelled(steps: Any) -> None:
    async for step in steps:
        if step.template_path == "parallel/ready/answer":
            asyncio.current_task().cancel()
            await asyncio.sleep(0)


async def stop(steps: Any) -> None:
    async for step in steps:
        if step.template_path == "parallel/ready/answer":
            break


@pytest.mark.parametrize("way", ["aiter", "astream", "astream_advance"])
@pytest.mark.parametrize(
    ("leave", "outcome"), [(fail, ValueError), (be_cancelled, asyncio.CancelledError), (stop, type(None))]
)
def test_an_event_loop_ends_when_the_program_has_left_its_steps(way, leave, outcome):
    """It cancels each child once, and nobody asks for another step."""
    stuck, session = Stuck(), Session()
    tree = ParallelTemplate([asking("a", "busy", model=stuck), asking("b", "ready", turns=3), asking("c")])
    steps = getattr(Runner(Echo(), template=tree), way)(session)  # kept, as in a traceback or by a program

    with observing(Pairs()) as pairs:
        raised = play_in_a_thread(leave(steps))

    assert type(raised) is outcome
    assert stuck.ended == [asyncio.CancelledError]
    assert (session.template_path, pairs.open) == (None, {})


def test_an_event_loop_ends_when_a_model_makes_an_error_of_its_cancellation():
    stubborn = Stubborn(KeyError("lost"))
    tree = ParallelTemplate([asking("a", "busy", model=stubborn), asking("b", "ready", turns=3)])
    steps = Runner(Echo(), template=tree).aiter()

    assert isinstance(play_in_a_thread(fail(steps)), ValueError)
    assert stubborn.asked == 1


@pytest.mark.parametrize("way", ["aiter", "astream"])
def test_an_event_loop_ends_when_a_child_says_something_while_it_is_cleaned_up(way):
    class Closing(Template):
        def _render(self, session: Session) -> Any:
            try:
                yield Message(role="user", content="a")
                yield from self.ask(session)
            except asyncio.CancelledError:
                yield (yield from self.ask(session, model=Echo()))
                raise
            return session

    tree = ParallelTemplate([Closing(), asking("b", "ready", turns=3, model=Echo())])

    assert isinstance(play_in_a_thread(fail(getattr(Runner(Stuck(), template=tree), way)())), ValueError)
