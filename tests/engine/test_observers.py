"""Observers hear of everything, in pairs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Observer,
    Reply,
    Runner,
    Session,
    SessionInitStrategy,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    observing,
)
from antiphon.trace import current_caller


class Listening(Observer):
    """Keeps what it hears, as (what, path), and the events."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str | None]] = []
        self.events: list[object] = []

    def on_template_enter(self, event):
        self._note("enter", event)

    def on_template_exit(self, event):
        self._note("exit", event)

    def on_subroutine_enter(self, event):
        self._note("sub enter", event)

    def on_subroutine_exit(self, event):
        self._note("sub exit", event)

    def on_model_call(self, call):
        self.heard.append(("call", call.template_path))
        self.events.append(call)

    def _note(self, what: str, event) -> None:
        self.heard.append((what, event.path))
        self.events.append(event)

    def unpaired(self) -> list[tuple[str, str | None]]:
        open_: list[tuple[str, str | None]] = []
        for what, path in self.heard:
            if what.endswith("enter"):
                open_.append((what, path))
            elif what.endswith("exit"):
                assert open_.pop() == (what.replace("exit", "enter"), path)
        return open_


TREE = LinearTemplate(
    [UserTemplate("x"), SubroutineTemplate(LinearTemplate([UserTemplate("y"), AssistantTemplate()]), "s")]
)


def test_everything_is_heard_in_order(play, answering):
    with observing(Listening()) as listening:
        play(Runner(answering()), template=TREE)

    assert listening.heard == [
        ("enter", "linear"),
        ("enter", "linear/user-1"),
        ("exit", "linear/user-1"),
        ("enter", "linear/s"),
        ("sub enter", "linear/s"),
        ("enter", "linear/s/linear-1"),
        ("enter", "linear/s/linear-1/user-1"),
        ("exit", "linear/s/linear-1/user-1"),
        ("enter", "linear/s/linear-1/assistant-2"),
        ("call", "linear/s/linear-1/assistant-2"),
        ("exit", "linear/s/linear-1/assistant-2"),
        ("exit", "linear/s/linear-1"),
        ("sub exit", "linear/s"),
        ("exit", "linear/s"),
        ("exit", "linear"),
    ]


def test_events_say_which_template_which_session_and_how_deep(play, answering):
    session = Session()
    with observing(Listening()) as listening:
        play(Runner(answering()), session, template=TREE)

    entered, sub_entered, call, sub_exited = (listening.events[index] for index in (3, 4, 9, 12))
    assert (entered.template, entered.session, entered.depth) == (TREE.children[1], session, 0)
    assert (sub_entered.template, sub_entered.parent, sub_entered.depth) == (TREE.children[1], session, 0)
    assert call is session.trace.calls[0]
    assert (sub_exited.parent, sub_exited.error, sub_exited.depth) == (session, None, 0)
    assert [message.content for message in sub_exited.child.messages] == ["y", "ok"]


@pytest.mark.parametrize("index", [0, 2, 4, 9, 12])
def test_events_are_frozen(index, play, answering):
    with observing(Listening()) as listening:
        play(Runner(answering()), template=TREE)

    with pytest.raises(AttributeError):
        listening.events[index].depth = 9


def fail(session: Session) -> Session:
    raise RuntimeError("on purpose")


class Failing(SessionInitStrategy):
    def initialize(self, parent_session: Session) -> Session:
        return fail(parent_session)


FAILING = {
    "template": UserTemplate("{{ nope }}"),
    "before-transform": LinearTemplate([UserTemplate("x", before_transform=fail)]),
    "after-transform": LinearTemplate([UserTemplate("x", after_transform=fail)]),
    "in a subroutine": SubroutineTemplate(LoopTemplate([UserTemplate("{{ nope }}")])),
    "subroutine's strategy": SubroutineTemplate(UserTemplate("x"), session_init_strategy=Failing()),
    "model": LinearTemplate([UserTemplate("x"), AssistantTemplate()]),
}


@pytest.mark.parametrize("place", FAILING)
def test_enter_and_exit_come_in_pairs_also_when_something_fails(place, play, answering):
    session = Session()
    with observing(Listening()) as listening, pytest.raises(Exception, match=r"nope|on purpose|down") as caught:
        play(Runner(answering(RuntimeError("down"))), session, template=FAILING[place])

    assert listening.unpaired() == []
    assert listening.heard[-1] == ("exit", FAILING[place].kind)
    assert listening.events[-1].error is caught.value


@pytest.mark.parametrize("leaving", [BreakTemplate, EndTemplate])
def test_enter_and_exit_come_in_pairs_when_a_break_or_end_passes(leaving, play, answering):
    tree = LinearTemplate([LoopTemplate([SubroutineTemplate(LoopTemplate([leaving()]))], exit_loop_count=2)])
    with observing(Listening()) as listening:
        play(Runner(answering()), template=tree)

    assert listening.unpaired() == []


def test_enter_and_exit_come_in_pairs_when_a_run_is_closed(answering):
    with observing(Listening()) as listening:
        steps = Runner(answering()).iter(template=LoopTemplate([SubroutineTemplate(TREE)]))
        next(steps)
        steps.close()

    assert listening.unpaired() == []
    assert listening.heard


def test_a_cancelled_run_is_left_with_the_cancellation(answering):
    class Stuck(answering):
        async def _asend(self, session: Session) -> str:
            await asyncio.Event().wait()

    async def cancelled() -> None:
        await asyncio.wait_for(Runner(Stuck()).arun(template=TREE), 0.01)

    with observing(Listening()) as listening, pytest.raises(TimeoutError):
        asyncio.run(cancelled())

    assert listening.unpaired() == []
    exits = [event for event in listening.events if type(event).__name__ == "TemplateExited"]
    assert isinstance(exits[-1].error, asyncio.CancelledError)


def test_calls_that_fail_are_heard_with_their_error(play, answering):
    with observing(Listening()) as listening, pytest.raises(RuntimeError):
        play(Runner(answering(RuntimeError("down"))), template=FAILING["model"])

    assert [str(event.error) for event in listening.events if hasattr(event, "chosen_by")] == ["down"]


def test_an_observer_hears_only_while_it_is_observing_and_all_that_observe_hear(play, answering):
    runner = Runner(answering(), template=UserTemplate("x"))
    with observing(Listening()) as outer:
        with observing(Listening()) as inner:
            play(runner)
        play(runner)
    play(runner)

    assert (len(inner.heard), len(outer.heard)) == (2, 4)


def test_an_observer_that_observes_twice_is_no_error(play, answering):
    listening = Listening()
    with observing(listening), observing(Listening()):
        pass
    with observing(listening):
        play(Runner(answering()), template=UserTemplate("x"))

    assert len(listening.heard) == 2


def test_threads_and_tasks_are_heard_too(answering):
    runner = Runner(answering(), template=UserTemplate("x"))

    async def tasks() -> None:
        await asyncio.gather(runner.arun(), runner.arun())

    with observing(Listening()) as listening:
        thread = threading.Thread(target=runner.run)
        thread.start()
        thread.join()
        asyncio.run(tasks())

    assert len(listening.heard) == 6


def test_direct_calls_are_heard(answering):
    with observing(Listening()) as listening:
        answering().send(Session(messages=[Message(role="user", content="x")]))

    assert listening.heard == [("call", None)]


METHODS = [
    *("on_template_enter", "on_template_exit", "on_subroutine_enter", "on_subroutine_exit", "on_model_call"),
    *("on_model_enter", "on_model_resume", "on_model_suspend", "on_model_exit"),
]


@pytest.mark.parametrize("method", METHODS)
def test_what_an_observer_raises_ends_the_work_and_leaves_the_session_usable(method, play, answering):
    def refuse(self, event):
        raise RuntimeError("no more")

    session = Session()
    with (
        observing(type("Refusing", (Observer,), {method: refuse})()),
        pytest.raises(RuntimeError, match="no more"),
    ):
        play(Runner(answering()), session, template=TREE)

    assert session.template_path is None
    play(Runner(answering()), session, template=TREE)
    assert session.messages[-1].template_path == "linear/s/linear-1/assistant-2"


@pytest.mark.parametrize("method", METHODS)
def test_what_an_observer_raises_leaves_the_others_with_whole_pairs(method, play, answering):
    def refuse(self, event):
        raise RuntimeError("no more")

    with (
        observing(Listening()) as before,
        observing(type("Refusing", (Observer,), {method: refuse})()),
        observing(Listening()) as after,
        pytest.raises(RuntimeError, match="no more"),
    ):
        play(Runner(answering()), template=TREE)

    assert (before.unpaired(), after.unpaired()) == ([], [])


def test_an_observer_that_begins_in_the_middle_of_a_run_hears_no_exit_without_its_enter(answering):
    tree = SubroutineTemplate(LinearTemplate([UserTemplate("a"), UserTemplate("b")]), "s")
    steps = Runner(answering()).iter(template=tree)
    with observing(Listening()) as before:
        next(steps)
        with observing(Listening()) as late:
            assert [step.content for step in steps] == ["b"]

    assert before.unpaired() == []
    assert late.heard == [("enter", "s/linear-1/user-2"), ("exit", "s/linear-1/user-2")]


def test_an_observer_that_begins_when_another_is_told_of_an_enter_hears_whole_pairs(play, answering):
    late = Listening()

    class Calling(Observer):
        def on_template_enter(self, event):
            if event.path == "linear/s/linear-1":
                stack.enter_context(observing(late))

    with ExitStack() as stack, observing(Calling()):
        play(Runner(answering()), template=TREE)

    assert late.unpaired() == []
    assert [what for what, _ in late.heard] == ["enter", "exit", "enter", "call", "exit"]


@pytest.mark.parametrize("method", METHODS)
def test_an_observers_methods_do_nothing_by_default(method):
    assert getattr(Observer(), method)(object()) is None


class Following(Observer):
    """Keeps what it hears of models and tools: what, and which."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.open: list[object] = []

    def on_model_enter(self, event):
        self.open.append(event)
        self.heard.append(("enter", event.model.name))

    def on_model_resume(self, event):
        assert event in self.open
        self.heard.append(("resume", event.model.name))

    def on_model_suspend(self, event):
        assert event in self.open
        self.heard.append(("suspend", event.model.name))

    def on_model_exit(self, event):
        self.open.remove(event.entered)
        self.heard.append(("exit", event.call.model))

    def on_tool_enter(self, event):
        self.open.append(event)
        self.heard.append(("tool enter", event.call.name))

    def on_tool_exit(self, event):
        self.open.remove(event.entered)
        self.heard.append(("tool exit", f"{event.result} {type(event.error).__name__}"))


ASKED = Session(messages=[Message(role="user", content="x")])


def test_a_model_that_asks_another_is_followed_with_it(answering):
    class Asking(answering):
        def _send(self, session):
            return self.answers[0].send(session)

    with observing(Following()) as following:
        Asking(answering(name="inner"), name="outer").send(ASKED)

    assert following.heard == [
        ("enter", "outer"),
        ("resume", "outer"),
        ("enter", "inner"),
        ("resume", "inner"),
        ("suspend", "inner"),
        ("exit", "inner"),
        ("suspend", "outer"),
        ("exit", "inner"),  # the one that answered
    ]


def test_a_model_that_streams_rests_while_the_program_has_its_pieces(answering):
    class Speaking(answering):
        def _stream(self, session):
            yield "a"
            yield "b"

    with observing(Following()) as following:
        for piece in Speaking(name="m").stream(ASKED):
            following.heard.append(("piece", getattr(piece, "text", "")))

    assert [what for what, _ in following.heard] == [
        *("enter", "resume", "suspend", "resume", "suspend", "piece", "resume", "suspend", "piece"),
        *("resume", "suspend", "exit", "piece"),
    ]


def test_tools_are_followed_also_those_that_cannot_be_run(play, answering):
    def good() -> str:
        """Work."""
        return "fine"

    def bad() -> str:
        """Fail."""
        raise RuntimeError("on purpose")

    calls = [ToolCall(id=name, name=name) for name in ("good", "bad", "none")]
    tree = LinearTemplate([UserTemplate("x"), ToolingTemplate([good, bad])])
    with observing(Following()) as following:
        play(Runner(answering(Reply(tool_calls=calls), "done")), template=tree)

    assert following.open == []
    assert [heard for heard in following.heard if heard[0].startswith("tool")] == [
        ("tool enter", "good"),
        ("tool exit", "fine NoneType"),
        ("tool enter", "bad"),
        ("tool exit", "None RuntimeError"),
        ("tool enter", "none"),
        ("tool exit", "None InvalidValue"),
    ]


@pytest.mark.parametrize("method", ["on_model_enter", "on_model_resume", "on_tool_enter"])
def test_who_follows_hears_pairs_also_where_another_observer_raises(method, play, answering):
    def refuse(self, event):
        raise RuntimeError("no more")

    def good() -> str:
        """Work."""
        return "fine"

    tree = LinearTemplate([UserTemplate("x"), ToolingTemplate([good])])
    model = answering(Reply(tool_calls=[ToolCall(id="1", name="good")]), "done")
    with (
        observing(Following()) as before,
        observing(type("Refusing", (Observer,), {method: refuse})()),
        observing(Following()) as after,
        pytest.raises(RuntimeError, match="no more"),
    ):
        play(Runner(model), template=tree)

    assert before.open == after.open == []
    assert before.heard == after.heard
    heard = [what for what, _ in before.heard]
    assert heard.count("resume") == heard.count("suspend")
    assert current_caller() is None


def test_who_begins_to_listen_while_a_model_is_asked_hears_nothing_of_that_call(answering):
    late = Following()

    class Calling(answering):
        def _send(self, session):
            stack.enter_context(observing(late))
            return "ok"

    with ExitStack() as stack, observing(Following()) as early:
        Calling().send(ASKED)

    assert (late.heard, early.open) == ([], [])
