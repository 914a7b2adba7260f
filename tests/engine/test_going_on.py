"""Whatever a tree does, stopping it anywhere, saving it, and going on gives the conversation that never stopped.

Trees are made up; models and users answer by what they are shown, so that a conversation is the same each time. It is
stopped where it waits for its user, where it is interrupted while a model or a tool is at work, and where whoever
listens to it leaves. With ``--hypothesis-profile=fuzz`` 10,000 trees are tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, closing, contextmanager
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    CleanSessionStrategy,
    EndTemplate,
    Farewell,
    FilterByRoleStrategy,
    IfTemplate,
    Image,
    InheritSystemStrategy,
    LastMessageStrategy,
    LastNMessagesStrategy,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Model,
    ParallelTemplate,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    Tool,
    ToolCall,
    ToolingTemplate,
    UpdateMetadata,
    Usage,
    UserInterface,
    UserTemplate,
    tool,
)
from antiphon.errors import AntiphonError, ServerError
from antiphon.trace import ModelCall, ToolRun

SUITE = settings.get_profile("suite")
EXAMPLES = 60 if settings().max_examples == SUITE.max_examples else settings().max_examples // 2


class Stop(BaseException):
    """The process is stopped."""


class Clock:
    """Counts what is done outside of the tree, and stops the process at some of it.

    Attributes:
        done: What was done, in order.
        stops: At which deeds, counted from 1, the process is stopped before they are done.
    """

    def __init__(self, stops: frozenset[int] = frozenset()) -> None:
        self.done: list[str] = []
        self.stops = stops
        self._begun = 0

    def begin(self) -> None:
        self._begun += 1
        if self._begun in self.stops:
            raise Stop


CLOCK = Clock()


def chosen(session: Session, *choices: Any) -> Any:
    """What is answered to a conversation: the same each time."""
    said = repr([(one.role, one.content, one.tool_calls) for one in session.messages])
    return choices[sha256(said.encode()).digest()[0] % len(choices)]


@tool
def price(title: str = "Emma") -> str:
    """Tells a price."""
    CLOCK.begin()
    CLOCK.done.append("price")
    return f"{title}: 9 euros"


@tool
def nothing() -> str:
    """Says nothing."""
    CLOCK.begin()
    CLOCK.done.append("nothing")
    return ""


@tool
async def picture() -> Image:
    """Shows a picture."""
    await asyncio.sleep(0)
    CLOCK.begin()
    CLOCK.done.append("picture")
    return Image.from_bytes(b"x", "image/png")


@tool
async def failing() -> str:
    """Fails."""
    CLOCK.begin()
    CLOCK.done.append("failing")
    raise RuntimeError("out of order")


@tool
def asking(session: Session) -> str:
    """Asks a model by itself."""
    CLOCK.begin()
    return Answering(name="asked by a tool").send(session).content


@tool
def rendering(session: Session) -> str:
    """Renders a template in its session, and notes that."""
    CLOCK.begin()
    session.metadata["rendered"] = (*session.metadata.get("rendered", ()), len(session.messages))
    noted = LinearTemplate([UserTemplate("Note it."), AssistantTemplate(Answering("noting", faults=False))])
    return " ".join(step.content for step in noted.render(session) if isinstance(step, Message))


@tool
def leaving() -> Farewell:
    """Says good-bye."""
    CLOCK.begin()
    return Farewell("Bye.")


def tools() -> list[Tool[..., Any]]:
    ask = LinearTemplate([UserTemplate(description="Which one?"), AssistantTemplate()])
    end = LinearTemplate([AssistantTemplate("So be it."), EndTemplate()])
    return [
        *(price, nothing, picture, failing, asking, rendering, leaving),
        Tool.from_template("ask_back", "Asks the user.", ask),
        Tool.from_template("end_all", "Ends the conversation.", SubroutineTemplate(end)),
    ]


NAMES = [one.name for one in tools()]


def called(number: str, name: str) -> ToolCall:
    return ToolCall(id=number, name=name, arguments={"request": "Well?"} if name in ("ask_back", "end_all") else {})


class Answering(Model):
    """Answers by what it is shown: a text, calls of tools, or with a fault."""

    def __init__(self, name: str = "answering", faults: bool = True) -> None:
        self.name = name
        self.faults = faults

    def _send(self, session: Session) -> Reply:
        CLOCK.begin()
        CLOCK.done.append(f"{self.name}: {len(session.messages)}")
        usage = Usage(input_tokens=len(session.messages))
        if session.request.tools and chosen(session, True, True, False):
            names = chosen(session, *[[one, other] for one in NAMES for other in [*NAMES, None, None, None]])
            calls = tuple(called(f"c{place}", name) for place, name in enumerate(names) if name)
            return Reply(chosen(session, "", "I look."), tool_calls=calls, usage=usage)
        if self.faults and chosen(session, *[False] * 9, True):
            raise ServerError("down", status=503)
        text = chosen(session, "Yes.", "No.", "7", "0,1", "Well, well.")
        return Reply(text, usage=usage, served_by="a-1", thinking=chosen(session, None, "Hm."))

    async def _asend(self, session: Session) -> Reply:
        await asyncio.sleep(0)
        return self._send(session)

    async def _astream(self, session: Session) -> AsyncGenerator[str | Reply | Message]:
        yield await self._asend(session)


class TryingTwice(Model):
    """A model that asks another one once more where that fails."""

    def __init__(self) -> None:
        self.within = Answering(name="within")

    def _send(self, session: Session) -> Message | str:
        try:
            return self.within.send(session)
        except ServerError:
            return "Nobody is there."


class Saying(UserInterface):
    """A user who answers by what was said."""

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        return said(session.template_path, description) or default or ""


def said(path: str | None, description: str | None) -> str:
    return f"About {description} at {path}." if len(path or "") % 3 else ""


def agreed(session: Session) -> bool:
    """A condition that asks a model by itself."""
    return bool(session.messages) and Answering(name="judge", faults=False).send(session).content == "Yes."


def counted(session: Session) -> Session:
    session.metadata["count"] = session.metadata.get("count", 0) + 1
    return session


def trimmed(session: Session) -> Session:
    if session.last.role == "user":
        session.messages[:-1] = []
    return session


class Trying(Template):
    """Asks a model, and goes on where that fails."""

    def _render(self, session: Session) -> Any:
        try:
            message = yield from self.ask(session, TryingTwice() if len(session.messages) % 2 else None)
        except ServerError as error:
            message = Message(role="assistant", content=f"{error} ({error.status}, {type(error).__name__})")
        yield message
        return session


inits = st.sampled_from([CleanSessionStrategy(), InheritSystemStrategy(), LastNMessagesStrategy(2)])
squashes = st.sampled_from(
    [
        LastMessageStrategy(),
        LLMSummarizingStrategy(Answering("summarizing", faults=False)),
        FilterByRoleStrategy(["assistant", "user"]),
    ]
)
transforms = st.sampled_from([None, None, counted])
leaves: st.SearchStrategy[Template] = st.one_of(
    st.builds(UserTemplate, st.none(), st.sampled_from([None, "a", "b"])),
    st.builds(lambda: UserTemplate(description="c", default="By default.")),
    st.builds(lambda transform: UserTemplate("What is Emma?", before_transform=transform), transforms),
    st.builds(lambda: SystemTemplate("Be brief: {{ count | default(0) }}.", before_transform=UpdateMetadata(x=(1,)))),
    st.builds(lambda: ToolingTemplate(tools(), max_rounds=3)),
    st.builds(lambda: ToolingTemplate(tools(), output_type=int, retries=1)),
    st.builds(lambda: AssistantTemplate(output_type=int, retries=1)),
    st.builds(lambda transform: AssistantTemplate(after_transform=transform), transforms),
    st.builds(Trying),
)


def grown(within: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    several = st.lists(within, min_size=1, max_size=4)
    return st.one_of(
        st.builds(LinearTemplate, several),
        st.builds(lambda inner, turns: LoopTemplate(inner, exit_loop_count=turns), several, st.integers(1, 3)),
        st.builds(lambda inner: LoopTemplate(inner, agreed, exit_loop_count=2), several),
        st.builds(lambda inner: LoopTemplate([*inner, BreakTemplate()]), several),
        st.builds(lambda one, other: IfTemplate(agreed, one, other), within, within),
        st.builds(
            lambda inner, init, squash, after: SubroutineTemplate(
                inner, session_init_strategy=init, squash_strategy=squash, after_transform=after
            ),
            within,
            inits,
            squashes,
            transforms,
        ),
        st.builds(lambda inner: LinearTemplate([UserTemplate(), *inner], after_transform=trimmed), several),
        st.builds(
            lambda inner, init, squash: ParallelTemplate(inner, session_init_strategy=init, squash_strategy=squash),
            st.lists(within, min_size=1, max_size=3),
            inits,
            squashes,
        ),
    )


trees = grown(st.recursive(leaves, grown, max_leaves=8))


def run(runner: Runner, session: Session) -> None:
    runner.run(session)


def arun(runner: Runner, session: Session) -> None:
    asyncio.run(runner.arun(session))


def advance(runner: Runner, session: Session, answer: str | None, leave_after: int) -> bool:
    assert runner.advance(session, answer) is session
    return True


def aadvance(runner: Runner, session: Session, answer: str | None, leave_after: int) -> bool:
    asyncio.run(runner.aadvance(session, answer))
    return True


def stream_advance(runner: Runner, session: Session, answer: str | None, leave_after: int) -> bool:
    steps = runner.stream_advance(session, answer)
    with closing(steps):
        for _ in range(leave_after):
            if next(steps, None) is None:
                return True
    return False


def astream_advance(runner: Runner, session: Session, answer: str | None, leave_after: int) -> bool:
    async def listen() -> bool:
        async with aclosing(runner.astream_advance(session, answer)) as steps:
            for _ in range(leave_after):
                if await anext(steps, None) is None:
                    return True
        return False

    return asyncio.run(listen())


Way = Callable[[Runner, Session, "str | None", int], bool]
sync_ways, async_ways = st.sampled_from([advance, stream_advance]), st.sampled_from([aadvance, astream_advance])


@contextmanager
def stopped() -> Iterator[None]:
    """The process may be stopped, also while several tools are at work."""
    try:
        yield
    except Stop:
        pass
    except BaseExceptionGroup as several:
        if several.subgroup(Stop) is None:
            raise


def go_on(runner: Runner, session: Session, ways: list[Way], leave_after: int) -> Session:
    """Hold a conversation by turns to its end; in between it is saved, and loaded anew."""
    answer: str | None = None
    for turn in range(500):
        has_ended = False
        with stopped():
            has_ended = ways[turn % len(ways)](runner, session, answer, leave_after + turn)  # at last it is all heard
        saved = session.model_dump_json()
        loaded = Session.model_validate_json(saved)
        assert loaded == session
        assert loaded.model_dump_json() == saved
        progress = loaded.progress
        if has_ended and progress is None:
            return session
        waiting = None if progress is None or progress.is_broken_off else progress.waiting
        answer = None if waiting is None else said(waiting.path, waiting.description)
        session = loaded
    raise AssertionError("it goes on for ever")


def of_call(call: ModelCall) -> tuple[Any, ...]:
    error = None if call.error is None else (type(call.error), str(call.error))
    inner = [of_call(one) for one in call.inner]
    who = call.template_id, call.template_path, call.model, call.served_by, call.chosen_by, call.depth
    return *who, list(call.messages), call.reply, call.usage, error, inner


def of_run(run: ToolRun) -> tuple[Any, ...]:
    error = None if run.error is None else (type(run.error), str(run.error))
    return run.template_id, run.template_path, run.tool, run.arguments, run.result, error


def has_parallel(tree: Template) -> bool:
    return any(isinstance(template, ParallelTemplate) for template in tree.walk())


def assert_same(tree: Template, now: Iterable[Any], before: Iterable[Any]) -> None:
    """What is done at the same time may be done in any order."""
    kind = in_any_order if has_parallel(tree) else list
    assert kind(now) == kind(before)


def in_any_order(done: Iterable[Any]) -> list[str]:
    return sorted(map(repr, done))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=trees,
    stops=st.frozensets(st.integers(1, 12), max_size=3),
    ways=st.one_of(st.lists(sync_ways, min_size=1, max_size=3), st.lists(async_ways, min_size=1, max_size=3)),
    leave_after=st.integers(0, 9),
    begins_with=st.sampled_from(
        [Session(), Session(messages=[Message(role="user", content="Hi.")], metadata={"a": 1})]
    ),
)
def test_a_conversation_that_stops_anywhere_is_the_one_that_never_stopped(
    tree: Template, stops: frozenset[int], ways: list[Way], leave_after: int, begins_with: Session
) -> None:
    global CLOCK  # noqa: PLW0603  # tools and models are made once
    runner = Runner(Answering(), Saying(), tree)
    CLOCK = Clock()
    whole, failure = begins_with.model_copy(deep=True), None
    try:
        (run if ways[0] in (advance, stream_advance) else arun)(runner, whole)
    except AntiphonError as error:
        failure = error
    done = CLOCK.done

    CLOCK = Clock(stops)
    session = begins_with.model_copy(deep=True)
    again = Runner(Answering(), template=tree)
    if failure is not None:
        with pytest.raises(AntiphonError) as caught:
            go_on(again, session, ways, leave_after)
        if not has_parallel(tree):  # of several that fail, one is the first
            assert (type(caught.value), str(caught.value)) == (type(failure), str(failure))
        return

    session = go_on(again, session, ways, leave_after)
    assert session.messages == whole.messages
    assert session.metadata == whole.metadata
    assert_same(tree, map(of_call, session.trace.calls), map(of_call, whole.trace.calls))
    assert_same(tree, map(of_run, session.trace.tools), map(of_run, whole.trace.tools))
    if {*ways} <= {advance, aadvance}:  # who leaves while a model speaks has not heard its answer
        assert_same(tree, CLOCK.done, done)  # nothing is done twice
