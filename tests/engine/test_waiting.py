"""Conversations by turns: what waits for its user, is saved, and goes on in the same place."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import pytest
import trio

from antiphon import (
    AssistantTemplate,
    CachedModel,
    CommandLineRunner,
    EndTemplate,
    Event,
    FallbackModel,
    Farewell,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    ModelCall,
    Observer,
    ParallelTemplate,
    Reply,
    RetryingModel,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    TextDelta,
    Tool,
    ToolCall,
    ToolingTemplate,
    UpdateMetadata,
    UserInterface,
    UserTemplate,
    observing,
    tool,
)
from antiphon.effects import Effect
from antiphon.errors import (
    ContextLengthExceeded,
    InvalidType,
    InvalidValue,
    MessageLimitExceeded,
    ServerError,
    TreeChanged,
)

Turn = Callable[..., Session]


def advance(runner: Runner, session: Session, *answer: str, **options: Any) -> Session:
    return runner.advance(session, *answer, **options)


def aadvance(runner: Runner, session: Session, *answer: str, **options: Any) -> Session:
    return asyncio.run(runner.aadvance(session, *answer, **options))


def in_trio(runner: Runner, session: Session, *answer: str, **options: Any) -> Session:
    async def held() -> Session:
        return await runner.aadvance(session, *answer, **options)

    return trio.run(held)


def stream_advance(runner: Runner, session: Session, *answer: str, **options: Any) -> Session:
    for _ in runner.stream_advance(session, *answer, **options):
        pass
    return session


def astream_advance(runner: Runner, session: Session, *answer: str, **options: Any) -> Session:
    async def held() -> Session:
        async for _ in runner.astream_advance(session, *answer, **options):
            pass
        return session

    return asyncio.run(held())


@pytest.fixture(params=[advance, aadvance, in_trio, stream_advance, astream_advance], ids=lambda turn: turn.__name__)
def turn(request: pytest.FixtureRequest) -> Turn:
    return request.param


def chat(*more: Template) -> Template:
    turns = LoopTemplate(
        [UserTemplate(description="Question"), AssistantTemplate(template_id="answer")], exit_loop_count=2
    )
    return LinearTemplate([SystemTemplate("Be brief."), turns, *more], template_id="chat")


def loaded(session: Session) -> Session:
    """The session as another process loads it."""
    back = Session.model_validate_json(session.model_dump_json())
    assert back == session
    return back


def test_a_conversation_goes_on_where_it_waited(turn, answering, contents):
    model = answering("One.", "Two.")

    session = turn(Runner(model, template=chat()), Session())
    assert (contents(session), session.waiting_for) == (["Be brief."], "Question")

    session = turn(Runner(model, template=chat()), loaded(session), "First?")
    assert (contents(session), session.waiting_for) == (["Be brief.", "First?", "One."], "Question")

    session = turn(Runner(model, template=chat()), loaded(session), "Second?")
    assert contents(session) == ["Be brief.", "First?", "One.", "Second?", "Two."]
    assert (session.waiting_for, session.progress) == (None, None)
    assert len(model.heard) == 2
    assert [call.template_path for call in session.trace.calls] == ["chat/loop-2@1/answer", "chat/loop-2@2/answer"]


def test_the_user_interface_is_not_asked(turn, answering, saying):
    user = saying()

    session = turn(Runner(answering(), user, chat()), Session())

    assert (session.waiting_for, user.asked) == ("Question", [])


def test_a_template_that_does_not_say_what_it_wants_waits_for_you(turn, answering):
    assert turn(Runner(answering(), template=UserTemplate()), Session()).waiting_for == "You"


@pytest.mark.parametrize(("answer", "said"), [("Rome", "Rome"), ("", "Oslo"), (" \n", "Oslo")])
def test_an_empty_answer_is_the_default(turn, answering, contents, answer, said):
    runner = Runner(answering(), template=UserTemplate(description="City", default="Oslo"))
    session = turn(runner, Session())

    assert session.waiting_for == "City"
    assert contents(turn(runner, loaded(session), answer)) == [said]


def test_without_a_default_an_empty_answer_is_what_is_said(turn, answering, contents):
    runner = Runner(answering(), template=UserTemplate())

    assert contents(turn(runner, turn(runner, Session()), "")) == [""]


def test_without_an_answer_a_session_stays_as_it_is(turn, answering):
    runner = Runner(answering(), template=chat())
    session = turn(runner, Session())
    saved = session.model_dump_json()

    assert turn(runner, session).model_dump_json() == saved


def test_an_answer_that_nobody_waits_for_is_refused(turn, answering):
    with pytest.raises(InvalidValue, match=r"the session waits for no answer, and was given 'Hello'"):
        turn(Runner(answering(), template=chat()), Session(), "Hello")


def test_a_session_says_whether_its_conversation_is_over(turn, answering, contents):
    runner, session = Runner(answering("One.", ServerError("down"), "Two."), template=chat()), Session()
    over = [session.is_over]
    for answer in ([], ["First?"]):
        session = loaded(turn(runner, session, *answer))
        over.append(session.is_over)
    with pytest.raises(ServerError):
        turn(runner, session, "Second?")
    over.append(loaded(session).is_over)
    assert over == [False] * 4

    session = loaded(turn(runner, session))
    assert (session.is_over, session.waiting_for) == (True, None)
    said = contents(session)
    with pytest.raises(InvalidValue, match=r"given 'Third\?': its conversation has ended, and another one begins by"):
        turn(runner, session, "Third?")
    assert contents(session) == said

    session = loaded(turn(runner, session))  # another one, after what was said
    assert (session.is_over, session.waiting_for) == (False, "Question")


@pytest.mark.parametrize(("session", "answer"), [("no session", None), (Session(), 7), (Session(), b"text")])
def test_what_is_of_the_wrong_kind_is_refused(turn, answering, session, answer):
    with pytest.raises(InvalidType):
        turn(Runner(answering(), template=chat()), session, *([] if answer is None else [answer]))


def test_a_runner_without_a_template_leaves_the_session_as_it_is(turn, answering):
    session = Session()
    with pytest.raises(InvalidValue, match="nothing to run"):
        turn(Runner(answering()), session)

    assert turn(Runner(answering()), session, template=chat()).waiting_for == "Question"


def test_a_session_begins_with_what_is_in_it(turn, answering, contents):
    tree = LinearTemplate([UserTemplate(), AssistantTemplate("{{ goods[0] }} for {{ name }}.")])
    runner = Runner(answering(), template=tree)
    began = Session(messages=[Message(role="system", content="Hi")], metadata={"name": "Ada", "goods": ("fruit",)})

    session = turn(runner, loaded(turn(runner, began)), "Hello")

    assert contents(session) == ["Hi", "Hello", "fruit for Ada."]
    assert session.metadata == {"name": "Ada", "goods": ("fruit",)}


def test_metadata_that_cannot_be_saved_are_refused_at_the_beginning(turn, answering):
    with pytest.raises(InvalidValue, match=r"session\.metadata\['model'\] cannot be saved"):
        turn(Runner(answering(), template=chat()), Session(metadata={"model": answering()}))


# Turns that fail


def test_a_turn_that_failed_is_tried_again_for_what_is_missing(turn, answering, contents):
    tree = LinearTemplate([UserTemplate(description="Q"), AssistantTemplate(), AssistantTemplate(), UserTemplate()])
    model = answering("One.", ServerError("down"), "Two.")
    session = turn(Runner(model, template=tree), Session())

    with pytest.raises(ServerError):
        turn(Runner(model, template=tree), session, "Hello")
    assert (contents(session), session.waiting_for) == ([], "Q")
    assert [call.error is None for call in session.trace.calls] == [True, False]

    session = turn(Runner(model, template=tree), loaded(session))
    assert (contents(session), session.waiting_for) == (["Hello", "One.", "Two."], "You")
    assert len(model.heard) == 3
    assert [call.error for call in session.trace.calls] == [None, None]


def test_what_was_broken_off_goes_on_with_the_same_answer(turn, answering, contents):
    tree = LinearTemplate([UserTemplate(description="Q", default="Hm."), AssistantTemplate(), AssistantTemplate()])
    model = answering("One.", ServerError("down"), "Two.")
    runner = Runner(model, template=tree)
    session = turn(runner, Session())
    with pytest.raises(ServerError):
        turn(runner, session, "Hello")

    assert contents(turn(runner, loaded(session), "Hello")) == ["Hello", "One.", "Two."]
    assert len(model.heard) == 3


@pytest.mark.parametrize(("answer", "said"), [("Short.", "Short."), ("", "Hm.")])
def test_another_answer_takes_the_place_of_the_one_after_which_it_was_broken_off(
    turn, answering, contents, answer, said
):
    ask = UserTemplate(description="Q", default="Hm.")
    tree = LinearTemplate([ask, AssistantTemplate(), AssistantTemplate(), ask])
    model = answering("One.", *[ContextLengthExceeded("too long")] * 2, "Another.", "Two.")
    runner = Runner(model, template=tree)
    session = turn(runner, Session())
    for tried in ["Much too long.", None]:
        with pytest.raises(ContextLengthExceeded):
            turn(runner, session, *([] if tried is None else [tried]))
        session = loaded(session)

    session = turn(runner, session, answer)

    assert (contents(session), session.waiting_for) == ([said, "Another.", "Two."], "Q")
    assert contents(turn(runner, loaded(session), "Bye.")) == [said, "Another.", "Two.", "Bye."]
    assert [call.reply.content for call in session.trace.calls] == ["Another.", "Two."]


def test_another_answer_leaves_what_came_before_the_question(turn, answering, contents):
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate(), AssistantTemplate()])
    model = answering("Well?", ServerError("down"), "Fine.")
    session = turn(Runner(model, template=tree), Session())
    with pytest.raises(ServerError):
        turn(Runner(model, template=tree), session, "No.")

    assert contents(turn(Runner(model, template=tree), loaded(session), "Yes.")) == ["Hi", "Well?", "Yes.", "Fine."]
    assert len(model.heard) == 3


def test_a_first_turn_that_fails_is_tried_again(turn, answering, contents):
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), AssistantTemplate(), UserTemplate()])
    model = answering("One.", ServerError("down"), "Two.")
    session = Session()
    with pytest.raises(ServerError):
        turn(Runner(model, template=tree), session)

    with pytest.raises(InvalidValue, match="waits for no answer"):
        turn(Runner(model, template=tree), session, "Hello")
    session = turn(Runner(model, template=tree), loaded(session))

    assert (contents(session), session.waiting_for) == (["Hi", "One.", "Two."], "You")
    assert len(model.heard) == 3


def test_an_error_that_ends_the_run_is_not_kept_also_where_another_is_raised_for_it(turn, answering, contents):
    class Strict(Template):
        def _render(self, session):
            try:
                yield (yield from self.ask(session))
            except ServerError as error:
                raise LookupError("no answer") from error
            return session

    runner = Runner(answering(ServerError("down"), "One."), template=LinearTemplate([UserTemplate("Hi"), Strict()]))
    session = Session()
    with pytest.raises(LookupError):
        turn(runner, session)

    assert contents(turn(runner, session)) == ["Hi", "One."]


def test_a_failure_that_the_tree_deals_with_is_the_same_later(turn, answering, contents):
    class Patient(Template):
        def _render(self, session):
            try:
                yield (yield from self.ask(session))
            except ServerError as error:
                yield Message(role="assistant", content=f"{error}: {error.status}")
            return session

    model = answering(ServerError("down", status=503), "Never said.")
    tree = LinearTemplate([UserTemplate("Hi"), Patient(), UserTemplate()])
    session = turn(Runner(model, template=tree), Session())

    session = turn(Runner(model, template=tree), loaded(session), "Bye.")

    assert contents(session) == ["Hi", "down: 503", "Bye."]
    assert len(model.heard) == 1
    [call] = session.trace.calls
    assert (type(call.error), str(call.error), call.reply) == (ServerError, "down", None)


def test_an_error_whose_class_the_program_has_no_more_keeps_its_text(answering, contents):
    class OfOldProgram(Exception):
        pass

    class Patient(Template):
        def _render(self, session):
            try:
                yield (yield from self.ask(session))
            except Exception as error:  # noqa: BLE001
                yield Message(role="assistant", content=f"failed: {error}")
            return session

    tree = LinearTemplate([UserTemplate("Hi"), Patient(), UserTemplate()])
    session = Runner(answering(OfOldProgram("out of order")), template=tree).advance(Session())

    session = Runner(answering(), template=tree).advance(loaded(session), "Bye.")

    assert contents(session) == ["Hi", "failed: out of order", "Bye."]
    assert session.trace.calls[0].error.__notes__ == [
        f"it came in an earlier turn, as {__name__}:{OfOldProgram.__qualname__}, which is not at hand"
    ]


def test_a_run_of_the_same_session_is_refused_while_a_turn_is_under_way(answering, doing):
    session, refused = Session(), []

    def again(_inner: Session) -> None:
        with pytest.raises(InvalidValue, match="in a run already") as caught:
            Runner(answering(), template=chat()).advance(session)
        refused.append(caught.value)

    Runner(answering(), template=doing(again)).advance(session)

    assert len(refused) == 1


def test_a_turn_that_was_asked_for_before_another_one_took_place_is_refused(answering, contents):
    model = answering("One.", "Two.")
    runner = Runner(model, template=chat())
    session = runner.advance(Session())
    first, second = runner.stream_advance(session, "First?"), runner.stream_advance(session, "Second?")
    list(first)

    with pytest.raises(InvalidValue, match="changed since this turn was asked for"):
        list(second)

    assert (contents(session)[1:], len(model.heard)) == (["First?", "One."], 1)
    assert contents(runner.advance(session, "Second?"))[3:] == ["Second?", "Two."]


@pytest.mark.parametrize(
    "change", [Runner.advance, lambda _runner, session: session.append(Message(role="user", content="Psst."))]
)
def test_a_first_turn_that_was_asked_for_before_the_session_changed_is_refused(answering, change):
    runner, session = Runner(answering(), template=AssistantTemplate("Hello.")), Session()
    steps = runner.stream_advance(session)
    change(runner, session)

    with pytest.raises(InvalidValue, match="changed since this turn was asked for"):
        list(steps)

    assert len(session.messages) == 1


def test_leaving_a_stream_breaks_the_turn_off(answering, contents):
    tree = LinearTemplate([UserTemplate(), AssistantTemplate(), AssistantTemplate(), UserTemplate()])
    model = answering("One.", "Two.")
    runner = Runner(model, template=tree)
    session = runner.advance(Session())

    steps = runner.stream_advance(session, "Hello")
    said = [next(steps) for _ in range(3)]
    steps.close()

    assert [type(step) for step in said] == [Message, TextDelta, Message]
    assert contents(session) == []
    assert contents(runner.advance(loaded(session))) == ["Hello", "One.", "Two."]
    assert len(model.heard) == 2


# Conversations that are held, and broken off


class Leaving(Exception):
    """The user leaves."""


class Typing(UserInterface):
    """A user who types these lines, and leaves."""

    def __init__(self, *lines: str) -> None:
        self.lines = iter(lines)

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        for line in self.lines:
            return line
        raise Leaving


def said_by(steps: Iterable[Message | Event]) -> list[str]:
    said = []
    with suppress(Leaving):
        for step in steps:
            said += [step.content] if isinstance(step, Message) else []
    return said


def test_a_conversation_that_the_user_leaves_goes_on_there(answering, contents):
    model, session = answering("One.", "Two."), Session()
    assert said_by(Runner(model, Typing("First?"), chat()).hold(session)) == ["Be brief.", "First?", "One."]
    assert (contents(session), session.waiting_for) == (["Be brief.", "First?", "One."], "Question")

    session = loaded(session)
    assert said_by(Runner(model, Typing("Second?"), chat()).hold(session)) == ["Second?", "Two."]
    assert (contents(session)[3:], session.progress, session.is_over) == (["Second?", "Two."], None, True)


def test_a_conversation_goes_on_by_turns_and_at_a_user_interface(answering, contents):
    model, session = answering("One.", "Two."), Session()
    said_by(Runner(model, Typing(), chat()).hold(session))

    session = Runner(model, template=chat()).advance(loaded(session), "First?")
    assert said_by(Runner(model, Typing("Second?"), chat()).hold(loaded(session))) == ["Second?", "Two."]


@pytest.mark.parametrize("closed_after", [1, 2, 3, 4])
def test_a_conversation_that_is_held_may_be_closed_anywhere(answering, contents, closed_after):
    model, session = answering("Yes."), Session()
    with closing(Runner(model, Typing("First?", "Second?"), chat()).hold(session)) as steps:
        before = said_by(islice(steps, closed_after))
    assert contents(session) == before

    left = ["First?", "Second?"][sum(text.endswith("?") for text in before) :]
    after = said_by(Runner(model, Typing(*left)).hold(loaded(session), template=chat()))
    assert before + after == ["Be brief.", "First?", "Yes.", "Second?", "Yes."]


def test_an_error_breaks_a_conversation_off_where_it_came(answering, contents):
    model, session = answering("One.", ServerError("down"), "Two."), Session()
    with pytest.raises(ServerError):
        list(Runner(model, Typing("First?", "Second?"), chat()).hold(session))
    assert contents(session) == ["Be brief.", "First?", "One.", "Second?"]

    session = Runner(model, template=chat()).advance(loaded(session))
    assert contents(session)[3:] == ["Second?", "Two."]
    assert len(model.heard) == 3


# What comes once


def test_a_stream_yields_what_is_new(answering):
    runner = Runner(answering("One.", "Two."), template=chat(AssistantTemplate("Bye.")))
    session = Session()

    def said(*answer: str) -> list[str]:
        steps = runner.stream_advance(session, *answer)
        return [step.text if isinstance(step, TextDelta) else f"{step.role}: {step.content}" for step in steps]

    assert said() == ["system: Be brief."]
    assert said("First?") == ["user: First?", "One.", "assistant: One."]
    assert said("Second?") == ["user: Second?", "Two.", "assistant: Two.", "assistant: Bye."]


def said_in_turn(runner: Runner, session: Session, *answer: str) -> list[str]:
    return [step.content for step in runner.stream_advance(session, *answer) if isinstance(step, Message)]


def asaid_in_turn(runner: Runner, session: Session, *answer: str) -> list[str]:
    async def listen() -> list[str]:
        return [step.content async for step in runner.astream_advance(session, *answer) if isinstance(step, Message)]

    return asyncio.run(listen())


@pytest.mark.parametrize("said", [said_in_turn, asaid_in_turn])
def test_a_part_that_runs_beside_others_says_everything_once(said, answering):
    def child(name: str) -> Template:
        texts = [AssistantTemplate(f"{name} {number}") for number in (1, 2)]
        return LinearTemplate([*texts, UserTemplate(description=name), AssistantTemplate(f"{name} 3")])

    only_text = AssistantTemplate("text")
    models = LinearTemplate([UserTemplate("well"), AssistantTemplate(), AssistantTemplate("model 2")])
    tree = LinearTemplate([UserTemplate("Hi"), ParallelTemplate([only_text, child("a"), models, child("b")])])
    runner, session = Runner(answering("model 1"), template=LinearTemplate([tree, UserTemplate()])), Session()

    turns = [said(runner, session)]
    for answer in ("to a", "to b", "bye"):
        session = loaded(session)
        turns.append(said(runner, session, answer))

    heard = sorted(text for turn in turns for text in turn)
    names = ["a 1", "a 2", "a 3", "b 1", "b 2", "b 3", "bye", "model 1", "model 2", "text", "to a", "to b", "well"]
    assert heard == sorted(["Hi", *names])
    assert turns[-1] == ["bye"]


def test_a_part_that_a_turn_does_not_reach_says_nothing_again(answering):
    first = LinearTemplate([UserTemplate(description="a"), UserTemplate(description="aa")])
    second = LinearTemplate([AssistantTemplate("b"), UserTemplate(description="b")])
    runner, session = Runner(answering(), template=ParallelTemplate([first, second])), Session()

    turns = [
        asaid_in_turn(runner, session),
        said_in_turn(runner, session, "one"),
        asaid_in_turn(runner, session, "two"),
    ]

    assert turns == [["b"], ["one"], ["two"]]


def test_the_runner_of_the_terminal_prints_what_is_new(answering, capsys):
    runner = CommandLineRunner(answering("One."), template=chat())
    session = runner.advance(Session())
    capsys.readouterr()

    runner.advance(session, "First?")

    assert capsys.readouterr().out.splitlines() == [
        "user: First?  [chat/loop-2@1/user-1]",
        "assistant: One.  [chat/loop-2@1/answer · answering]",
    ]


class Listening(Observer):
    """Hears of calls, tools and templates."""

    def __init__(self) -> None:
        self.calls = 0
        self.tools = 0
        self.templates = 0

    def on_model_call(self, call):
        self.calls += 1

    def on_tool_run(self, run):
        self.tools += 1

    def on_template_enter(self, event):
        self.templates += 1


def tooling() -> tuple[Template, list[str]]:
    ran: list[str] = []

    def price(title: str) -> str:
        """Tells a price."""
        ran.append(title)
        return f"{title}: 9 euros"

    def broken() -> str:
        """Fails."""
        ran.append("broken")
        raise RuntimeError("out of order")

    ask = LinearTemplate([UserTemplate(description="Which?"), AssistantTemplate("Noted.")])
    tools = [price, broken, Tool.from_template("ask_back", "Asks the user.", ask)]
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools, template_id="desk"), UserTemplate()]), ran


CALLS = (
    ToolCall(id="1", name="price", arguments={"title": "Emma"}),
    ToolCall(id="2", name="broken"),
    ToolCall(id="3", name="unknown"),
    ToolCall(id="4", name="ask_back", arguments={"request": "Which edition?"}),
)


def test_tools_run_once_and_observers_hear_once_of_calls_and_tools(turn, answering):
    tree, ran = tooling()
    model = answering(Reply("I look.", tool_calls=CALLS), "9 euros.")

    with observing(Listening()) as heard:
        session = turn(Runner(model, template=tree), Session())
        assert (session.waiting_for, ran, heard.calls, heard.tools) == ("Which?", ["Emma", "broken"], 1, 3)
        session = turn(Runner(model, template=tree), loaded(session), "The second.")
        assert (session.waiting_for, ran, heard.calls, heard.tools) == ("You", ["Emma", "broken"], 2, 4)
        before = heard.templates
        session = turn(Runner(model, template=tree), loaded(session), "Bye.")

    assert (ran, heard.calls, heard.tools) == (["Emma", "broken"], 2, 4)
    assert heard.templates > before
    assert [(run.tool, run.result) for run in session.trace.tools] == [
        ("price", "Emma: 9 euros"),
        ("broken", "Error: RuntimeError: out of order"),
        ("unknown", "Error: InvalidValue: there is no tool 'unknown'; there are price, broken, ask_back"),
        ("ask_back", "Noted."),
    ]


class Noting(Observer):
    """Notes when tools begin, end and are recorded."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def on_tool_enter(self, event):
        self.noted.append(f"{event.call.name} begins")

    def on_tool_exit(self, event):
        ends = "waits" if event.error is not None else "ends"
        self.noted.append(f"{event.entered.call.name} {ends}")

    def on_tool_run(self, run):
        self.noted.append(f"{run.tool}: {run.result}")


def ask_model(*more: Template) -> Tool[..., Any]:
    research = LinearTemplate([*more, UserTemplate("Look."), AssistantTemplate()])
    return Tool.from_template("research", "Looks something up.", research)


RESEARCH = Reply("", tool_calls=[ToolCall(id="1", name="research", arguments={"request": "Emma"})])


def test_observers_hear_once_of_a_subroutine_that_is_a_tool(turn, answering):
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([ask_model()]), UserTemplate(), UserTemplate()])
    runner = Runner(answering(RESEARCH, "9 euros.", "So it is."), template=tree)

    with observing(Noting()) as heard:
        session = turn(runner, Session())
        turn(runner, loaded(turn(runner, loaded(session), "Thanks.")), "Bye.")

    assert heard.noted == ["research begins", "research ends", "research: 9 euros."]


def test_observers_hear_in_each_turn_of_a_subroutine_that_waits_in_it(turn, answering):
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([ask_model(UserTemplate())]), UserTemplate()])
    runner = Runner(answering(RESEARCH, "9 euros.", RESEARCH, "8 euros.", "So it is."), template=tree)

    with observing(Noting()) as heard:
        session = turn(runner, Session())
        for answer in ("The first.", "The second.", "Bye."):
            session = turn(runner, loaded(session), answer)

    waits, goes_on = ["research begins", "research waits"], ["research begins", "research ends"]
    assert heard.noted == [*waits, *goes_on, "research: 9 euros.", *waits, *goes_on, "research: 8 euros."]


def test_observers_hear_once_of_a_subroutine_in_a_turn_that_is_tried_again(turn, answering):
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([ask_model()])])
    runner, session = Runner(answering(RESEARCH, "9 euros.", ServerError("down"), "Yes."), template=tree), Session()

    with observing(Noting()) as heard:
        with pytest.raises(ServerError):
            turn(runner, session)
        turn(runner, loaded(session))

    assert heard.noted == ["research begins", "research ends", "research: 9 euros."]


def test_observers_hear_of_a_tool_that_runs_beside_a_part_with_answers(answering):
    def price() -> str:
        """Tells a price."""
        return "9 euros"

    call = Reply("", tool_calls=[ToolCall(id="1", name="price")])
    tooling, plain = answering(call, ServerError("down"), "So it is."), answering("Well.")
    first = LinearTemplate([UserTemplate(), ToolingTemplate([price], model=tooling)])
    second = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model=plain), UserTemplate(description="b")])
    tree = ParallelTemplate([first, second])
    session = aadvance(Runner(answering(), template=tree), Session())

    with observing(Noting()) as heard, pytest.raises(ServerError):
        advance(Runner(answering(), template=tree), session, "Hello")

    assert heard.noted == ["price begins", "price ends", "price: 9 euros"]
    assert [run.tool for run in session.trace.tools] == ["price"]
    assert sorted(str(one.error) for one in session.trace.calls) == ["None", "None", "down"]


def test_a_farewell_that_was_broken_off_ends_the_conversation(answering, contents):
    def leave() -> Farewell:
        """Says good-bye."""
        return Farewell("Bye.")

    model = answering(Reply("", tool_calls=[ToolCall(id="1", name="leave")]))
    runner, session = Runner(model, template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([leave])])), Session()
    steps = runner.stream_advance(session)
    assert [next(steps).content for _ in range(3)] == ["Hi", "", "Bye."]
    steps.close()

    assert contents(runner.advance(loaded(session))) == ["Hi", "", "Bye.", "Bye."]
    assert len(model.heard) == 1


def test_a_template_that_a_tool_renders_in_its_session_is_a_part_of_the_tool(turn, answering, contents):
    when = LinearTemplate([UserTemplate("When?"), AssistantTemplate(template_id="when")])
    deep = SubroutineTemplate(when, "research")
    inner = LinearTemplate([UserTemplate("Which?"), AssistantTemplate(template_id="facts"), deep])

    def look(session: Session) -> str:
        """Looks something up."""
        return " ".join(step.content for step in inner.render(session) if isinstance(step, Message))

    call = Reply("I look.", tool_calls=[ToolCall(id="1", name="look")])
    model = answering(call, "The first.", "Of 1816.", "So it is.")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look]), UserTemplate(), UserTemplate()])
    session = turn(Runner(model, template=tree), Session())
    said = contents(session)
    calls = [(one.template_path, one.template_id, one.depth, one.reply) for one in session.trace.calls]

    session = turn(Runner(model, template=tree), loaded(session), "Thanks.")
    session = turn(Runner(model, template=tree), loaded(session), "Bye.")

    assert contents(session) == [*said, "Thanks.", "Bye."]
    assert [(one.template_path, one.template_id, one.depth, one.reply) for one in session.trace.calls] == calls
    assert len(model.heard) == len(calls) == 4


@pytest.mark.parametrize("answer", ["Yes.", ""])
def test_a_tool_cannot_wait_for_the_user(turn, answering, answer):
    ask = UserTemplate(description="Sure?", default="No.")

    @tool(reraise=True)
    def sure(session: Session) -> str:
        """Asks the user."""
        return next(step.content for step in ask.render(session) if isinstance(step, Message))

    tree = LinearTemplate([UserTemplate(), ToolingTemplate([sure])])
    runner = Runner(answering(Reply("", tool_calls=[ToolCall(id="1", name="sure")])), template=tree)
    session = turn(runner, Session())

    with pytest.raises(InvalidValue, match=r"asks the user for 'Sure\?' within a tool.*Tool\.from_template"):
        turn(runner, session, answer)


def test_what_a_tool_changes_in_its_session_stays_so(turn, answering):
    def order(session: Session) -> str:
        """Orders."""
        session.metadata["orders"].append(("Emma", 1))
        session.metadata["total"] = 9
        del session.metadata["draft"]
        return "Done."

    call = Reply("", tool_calls=[ToolCall(id="1", name="order")])
    tree = LinearTemplate(
        [UserTemplate(), ToolingTemplate([order]), UserTemplate("It is {{ total }}."), UserTemplate()]
    )
    runner = Runner(answering(call, "Ordered."), template=tree)
    session = turn(runner, Session(metadata={"orders": [], "draft": True, "shop": "Oslo"}))

    session = turn(runner, loaded(turn(runner, session, "Emma")), "Bye.")

    assert session.metadata == {"orders": [("Emma", 1)], "total": 9, "shop": "Oslo"}
    assert session.messages[-2].content == "It is 9."


def test_a_change_by_a_tool_that_cannot_be_kept_is_an_error_when_it_comes(turn, answering):
    def connect(session: Session) -> None:
        """Connects."""
        session.metadata["line"] = object()

    model = answering(Reply("", tool_calls=[ToolCall(id="1", name="connect")]))
    with pytest.raises(InvalidValue, match=r"RunTools at .* session's metadata cannot be kept.*\['line'\]"):
        turn(Runner(model, template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([connect])])), Session())


def test_calls_within_a_tool_are_in_the_trace_in_every_turn(answering):
    expert = answering("9 euros.", name="expert")

    def ask_expert(session: Session) -> str:
        """Asks an expert."""
        return expert.send(session).content

    model = answering(Reply("", tool_calls=[ToolCall(id="1", name="ask_expert")]), "It is 9 euros.")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([ask_expert]), UserTemplate()])
    session = Runner(model, template=tree).advance(Session())
    before = [(call.model, call.chosen_by, list(call.messages)) for call in session.trace.calls]

    session = Runner(model, template=tree).advance(loaded(session), "Bye.")

    assert [(call.model, call.chosen_by, list(call.messages)) for call in session.trace.calls] == before
    assert [call.model for call in session.trace.calls] == ["answering", "expert", "answering"]
    assert len(expert.heard) == 1


def test_what_templates_do_to_messages_is_done_once_in_each_turn(answering):
    def mark(session: Session) -> Session:
        for message in session.messages:
            message.metadata["marks"] = message.metadata.get("marks", 0) + 1
        return session

    tree = LinearTemplate([AssistantTemplate(after_transform=mark), UserTemplate(), UserTemplate()])
    runner = Runner(answering(), template=tree)
    session = runner.advance(Session(messages=[Message(role="user", content="Hi")]))
    session = runner.advance(runner.advance(session, "One"), "Two")

    assert [message.metadata.get("marks", 0) for message in session.messages] == [1, 1, 0, 0]


def test_a_transform_behind_a_question_runs_when_it_is_answered(turn, answering):
    after: list[int] = []

    def note(session: Session) -> Session:
        after.append(len(session.messages))
        return session

    runner = Runner(answering(), template=LinearTemplate([UserTemplate(after_transform=note)], after_transform=note))
    session = turn(runner, Session())
    assert after == []

    turn(runner, session, "Hello")
    assert after == [1, 1]


def test_a_model_that_code_beside_the_templates_asks_is_asked_once(turn, answering):
    judge = answering("No.", "Yes.", name="judge")
    loop = LoopTemplate([UserTemplate()], lambda session: judge.send(session).content == "Yes.")
    runner = Runner(answering(), template=LinearTemplate([loop, UserTemplate(description="Last")]))

    session = turn(runner, turn(runner, Session()), "One")
    session = turn(runner, loaded(session), "Two")
    session = turn(runner, loaded(session), "Bye")

    assert len(judge.heard) == 2
    assert [(call.model, call.chosen_by) for call in session.trace.calls] == [("judge", "direct")] * 2


def test_the_trace_names_models_and_what_they_used_as_before(answering):
    class Careful(Model):
        name = "careful"

        def __init__(self, within: Model) -> None:
            self.within = within

        def _send(self, session: Session) -> Message:
            try:
                return self.within.send(session)
            except ServerError:
                return self.within.send(session)

    within = answering(ServerError("down"), Reply("One.", served_by="w-1"), name="within")
    careful = Careful(within)
    runner = Runner(careful, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate()]))
    session = runner.advance(Session())
    [call] = session.trace.calls

    [again] = runner.advance(loaded(session), "Bye.").trace.calls

    assert (again.model, again.served_by, again.reply, again.usage) == ("within", "w-1", call.reply, call.usage)
    assert (again.origin, again.asked) == (within, careful)
    assert [(str(one.error), one.reply) for one in again.inner] == [(str(one.error), one.reply) for one in call.inner]
    assert (again.seconds, again.messages) == (call.seconds, call.messages)
    assert [one.origin for one in again.inner] == [one.origin for one in call.inner] == [within, within]


def test_retries_fallbacks_and_caches_are_in_the_trace_as_before(answering):
    busy, small = answering(ServerError("down", status=503), name="busy"), answering("One.", name="small")
    model = CachedModel(FallbackModel([RetryingModel(busy, attempts=2, wait=lambda attempt: 0.0), small]))
    runner = Runner(model, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate()]))
    session = runner.advance(Session())

    def told(call: ModelCall) -> tuple[Any, ...]:
        error = None if call.error is None else str(call.error)
        inner = [told(one) for one in call.inner]
        return call.model, call.origin, call.reply, call.usage, call.waited, error, inner

    before = [told(call) for call in session.trace.calls]
    assert [told(call) for call in runner.advance(loaded(session), "Bye.").trace.calls] == before
    assert (len(busy.heard), len(small.heard)) == (2, 1)


def test_a_session_keeps_the_calls_of_its_runs_before_the_conversation(answering):
    runner = Runner(answering("One.", "Two."), template=chat())
    session = Runner(answering("Zero."), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()])).run()

    session = runner.advance(runner.advance(session), "First?")

    assert [call.reply.content for call in session.trace.calls] == ["Zero.", "One."]


def test_a_subroutine_waits_and_its_parent_does_not_hear_of_that(turn, answering, contents):
    inner = LinearTemplate([AssistantTemplate("Which?"), UserTemplate(description="Edition"), AssistantTemplate()])
    tree = LinearTemplate([UserTemplate("Hi"), SubroutineTemplate(inner, "research"), EndTemplate("Bye.")])
    runner = Runner(answering("The second."), template=tree)

    session = turn(runner, Session())
    assert (contents(session), session.waiting_for) == (["Hi"], "Edition")
    assert contents(turn(runner, loaded(session), "The last.")) == ["Hi", "The second.", "Bye."]


def test_children_that_run_at_the_same_time_wait_one_after_another(turn, answering, contents):
    def child(name: str) -> Template:
        return LinearTemplate(
            [UserTemplate(name), AssistantTemplate(), UserTemplate(description=name)], template_id=name
        )

    model = answering("ok")
    tree = LinearTemplate([ParallelTemplate([child("a"), child("b")]), UserTemplate(description="c")])
    session, waited = turn(Runner(model, template=tree), Session()), []
    while session.waiting_for is not None:
        waited.append(session.waiting_for)
        session = turn(Runner(model, template=tree), loaded(session), f"about {session.waiting_for}")

    assert waited == ["a", "b", "c"]
    assert contents(session) == ["about a", "about b", "about c"]
    assert sorted(call.template_path for call in session.trace.calls) == [
        "linear/parallel-1/a/assistant-2",
        "linear/parallel-1/b/assistant-2",
    ]
    assert len(model.heard) == 2


def test_the_limit_of_messages_is_that_of_the_whole_conversation(turn, answering):
    runner = Runner(answering(), template=chat())
    session = turn(runner, turn(runner, Session(), max_messages=4), "First?", max_messages=4)

    with pytest.raises(MessageLimitExceeded):
        turn(runner, session, "Second?", max_messages=4)


# Effects of the program's own


@dataclass(frozen=True)
class Draw(Effect):
    """Draws a number."""

    numbers: Any
    why: str = "lots"

    def asked(self) -> str:
        return self.why

    def perform(self) -> Any:
        drawn = next(self.numbers)
        if isinstance(drawn, Exception):
            raise drawn
        return drawn

    async def aperform(self) -> Any:
        return self.perform()


def test_an_effect_that_lacks_a_way_to_be_performed_is_refused_where_it_is_made() -> None:
    class OnlyBlocking(Effect):
        def perform(self) -> None:
            """Do nothing."""

    with pytest.raises(TypeError, match="aperform"):
        OnlyBlocking()  # type: ignore[abstract]


class Drawing(Template):
    """Says what it drew."""

    def __init__(self, *drawn: Any, **options: Any) -> None:
        super().__init__()
        self.numbers = iter(drawn)
        self.options = options

    def _render(self, session: Session) -> Any:
        try:
            drawn = yield Draw(self.numbers, **self.options)
        except LookupError as error:
            drawn = repr(error)
        yield Message(role="user", content=repr(drawn))
        return session


@pytest.mark.parametrize("drawn", [7, None, (1, 2), {"a": b"x"}, LookupError("empty", 3)])
def test_an_effect_of_the_program_s_own_is_performed_once(turn, answering, contents, drawn):
    runner = Runner(answering(), template=LinearTemplate([Drawing(drawn), UserTemplate()]))

    session = turn(runner, loaded(turn(runner, Session())), "Bye.")

    assert contents(session) == [
        repr(drawn) if not isinstance(drawn, LookupError) else "\"LookupError('empty', 3)\"",
        "Bye.",
    ]


def test_an_answer_that_cannot_be_kept_is_an_error_when_it_comes(turn, answering):
    with pytest.raises(InvalidValue, match=r"effect Draw at 'drawing' was performed, and its answer cannot be kept"):
        turn(Runner(answering(), template=Drawing(object())), Session())


def test_an_answer_of_a_model_that_cannot_be_kept_is_an_error_when_it_comes(turn, answering):
    odd = Message(role="assistant", content="Well.", metadata={"at": object()})
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate()])
    with pytest.raises(InvalidValue, match=r"metadata of the answer of 'answering' at 'linear/assistant-2'\['at'\]"):
        turn(Runner(answering(odd), template=tree), Session())


def test_a_call_that_cannot_be_kept_is_told_of_all_the_same(turn, answering, doing):
    model = answering(Message(role="assistant", content="Well.", metadata={"at": object()}))
    tree = LinearTemplate([UserTemplate("Hi"), doing(lambda session: model.send(session))])

    with observing(Listening()) as heard, pytest.raises(InvalidValue, match="metadata of the answer"):
        turn(Runner(answering(), template=tree), Session())

    assert heard.calls == len(model.heard) == 1


# Trees and sessions that have changed


def talk(*, system="Be brief.", question="Question", answer_id="answer", reply=None, before=(), after=()) -> Template:
    turns = [UserTemplate(description=question), AssistantTemplate(reply, template_id=answer_id), *after]
    return LinearTemplate(
        [SystemTemplate(system), *before, LoopTemplate(turns, template_id="turns")], template_id="talk"
    )


@pytest.mark.parametrize(
    ("change", "expected", "found", "path"),
    [
        (
            {"system": "Be kind."},
            "message 0: system says 'Be brief.' at 'talk/system-1'",
            "system says 'Be kind.' at 'talk/system-1'",
            "talk/system-1",
        ),
        (
            {"question": "Wish"},
            "the user is asked at 'talk/turns@1/user-1': 'Question'",
            "the user is asked at 'talk/turns@1/user-1': 'Wish'",
            "talk/turns@1/user-1",
        ),
        (
            {"answer_id": "reply"},
            "a model is asked at 'talk/turns@1/answer', after 'First?'",
            "a model is asked at 'talk/turns@1/reply', after 'First?'",
            "talk/turns@1/reply",
        ),
        (
            {"reply": "No."},
            "a model is asked at 'talk/turns@1/answer', after 'First?'",
            "the user is asked at 'talk/turns@2/user-1': 'Question'",
            "talk/turns@2/user-1",
        ),
        (
            {"after": [AssistantTemplate("Well.")]},
            "the messages that were said",
            None,
            "talk/turns@1/assistant-3",
        ),
        (
            {"before": [EndTemplate()]},
            "the user is asked at 'talk/turns@1/user-1': 'Question'",
            "nothing more",
            "talk/turns@1/user-1",
        ),
        (
            {"before": [UserTemplate(description="Name")]},
            "the user is asked at 'talk/turns@1/user-1': 'Question'",
            "the user is asked at 'talk/user-2': 'Name'",
            "talk/user-2",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_tree_that_has_changed_is_an_error_that_names_the_first_difference(
    turn, answering, change, expected, found, path
):
    model = answering("One.")
    session = turn(Runner(model, template=talk()), Session())
    session = loaded(turn(Runner(model, template=talk()), session, "First?"))
    saved = session.model_dump_json()

    with pytest.raises(TreeChanged) as caught:
        turn(Runner(model, template=talk(**change)), session, "Second?")

    error = caught.value
    if found is None:
        expected, found = "message 3: nothing", "assistant says 'Well.' at 'talk/turns@1/assistant-3'"
    assert (error.expected, error.found, error.template_path) == (expected, found, path)
    assert f"expected: {expected}\n  found:    {found}\n  go on with the tree that began it" in str(error)
    assert "Session(messages=session.messages, metadata=session.metadata)" in str(error)
    assert session.model_dump_json() == saved
    assert len(model.heard) == 1


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (EndTemplate(), "nothing more"),
        (AssistantTemplate(), "a model is asked at 'talk/assistant-2', after 'Be brief.'"),
        (ToolingTemplate([]), "a model is asked at 'talk/tooling-2', after 'Be brief.'"),
    ],
    ids=["end", "model", "tools"],
)
def test_nothing_is_asked_before_the_question_that_waits(turn, answering, more, found):
    model = answering("Never said.")
    session = turn(Runner(model, template=talk()), Session())

    with pytest.raises(TreeChanged) as caught:
        turn(Runner(model, template=talk(before=[more])), loaded(session), "First?")

    assert caught.value.expected == "the user is asked at 'talk/turns@1/user-1': 'Question'"
    assert caught.value.found == found
    assert model.heard == []


def test_a_text_that_is_another_each_time_is_named(answering):
    numbers = count()
    tree = LinearTemplate(
        [SystemTemplate("It is {{ n }}."), UserTemplate()],
        before_transform=lambda session: UpdateMetadata(n=next(numbers)).process(session),
    )
    session = Runner(answering(), template=tree).advance(Session())

    with pytest.raises(TreeChanged, match=r"'It is 0\.'(?s:.*)'It is 1\.'(?s:.*)a clock, random numbers"):
        Runner(answering(), template=tree).advance(session, "Hello")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda session: session.append(Message(role="user", content="Psst.")), "messages"),
        (lambda session: session.metadata.update(seen=True), "metadata"),
    ],
    ids=["messages", "metadata"],
)
def test_a_session_that_is_changed_while_it_waits_is_refused(turn, answering, change, part):
    runner = Runner(answering(), template=chat())
    session = loaded(turn(runner, Session()))
    change(session)

    with pytest.raises(InvalidValue, match=f"the {part} of the session were changed while it waited for 'Question'"):
        turn(runner, session, "First?")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda session: session.append(Message(role="user", content="Psst.")), "messages"),
        (lambda session: session.metadata.update(seen=True), "metadata"),
    ],
    ids=["messages", "metadata"],
)
def test_a_session_that_is_changed_before_its_first_turn_is_tried_again_is_refused(
    turn, answering, contents, change, part
):
    tree = LinearTemplate([AssistantTemplate(), AssistantTemplate()])
    model = answering("One.", ServerError("down"), "Two.")
    began = Session(messages=[Message(role="user", content="Hi")], metadata={"day": ("Monday",)})
    with pytest.raises(ServerError):
        turn(Runner(model, template=tree), began)
    session = loaded(began)
    change(session)

    with pytest.raises(InvalidValue, match=f"the {part} of the session were changed since its last turn failed"):
        turn(Runner(model, template=tree), session)
    assert contents(turn(Runner(model, template=tree), loaded(began))) == ["Hi", "One.", "Two."]


def test_a_session_that_is_changed_after_it_was_held_is_refused(answering):
    model, session = answering("One.", ServerError("down"), "Two."), Session()
    with pytest.raises(ServerError):
        list(Runner(model, Typing("First?", "Second?"), chat()).hold(session))
    session.metadata["seen"] = True

    with pytest.raises(InvalidValue, match="metadata of the session were changed since its last turn failed"):
        list(Runner(model, Typing("Second?"), chat()).hold(loaded(session)))


def test_what_a_newer_minor_version_has_saved_waits_on(answering, contents):
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate(), AssistantTemplate()])
    saved = json.loads(Runner(answering("One."), template=tree).advance(Session()).model_dump_json())
    saved.update(version="1.9", mood="fine")
    saved["messages"][0]["mood"] = saved["progress"]["mood"] = saved["progress"]["performed"][0]["mood"] = "fine"
    saved["progress"]["performed"][0]["message"] = {**saved["messages"][1], "mood": "fine", "thinking": "Hm."}

    session = Session.model_validate_json(json.dumps(saved))
    del saved["progress"]["performed"][0]["message"]["mood"]
    assert json.loads(session.model_dump_json()) == saved

    assert contents(Runner(answering("Two."), template=tree).advance(session, "Well?"))[2:] == ["Well?", "Two."]
    assert session.version == "1.9"


def test_running_what_waits_is_refused(play, answering):
    session = Runner(answering(), template=chat()).advance(Session())

    with pytest.raises(InvalidValue, match=r"waits for 'Question'.*advance.*messages, metadata=session\.metadata\)$"):
        play(Runner(answering(), template=chat()), session)


PROGRAM = """
import sys

from antiphon import AssistantTemplate, LinearTemplate, LoopTemplate, Model, Runner, Session, UserTemplate


class Echo(Model):
    def _send(self, session):
        return f"{len(session.messages)}: {session.last.content}"


turns = LoopTemplate([UserTemplate(), AssistantTemplate()], exit_loop_count=2)
session = Session.model_validate_json(sys.stdin.read())
print(Runner(Echo(), template=turns).advance(session, *sys.argv[1:]).model_dump_json())
"""


def test_each_turn_may_be_one_of_another_process(contents):
    saved = "{}"
    for answer in ([], ["Hello"], ["Bye"]):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *answer], input=saved, capture_output=True, text=True, check=True
        )
        saved = done.stdout

    assert contents(Session.model_validate_json(saved)) == ["Hello", "1: Hello", "Bye", "3: Bye"]
