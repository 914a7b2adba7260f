"""Whatever happens in a run, the conversation that is left is one that every provider takes.

Trees, answers of models, users and tools are made up, and so is how a run ends: by itself, by an error, by Ctrl+C,
closed half-way, cancelled while something is awaited. With ``--hypothesis-profile=fuzz`` 10,000 of them are tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    CleanSessionStrategy,
    EndTemplate,
    Farewell,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    IfTemplate,
    InheritSystemStrategy,
    LastMessageStrategy,
    LastNMessagesStrategy,
    LinearTemplate,
    LLMFilteringStrategy,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserInterface,
    UserTemplate,
    tool,
)
from antiphon.errors import AntiphonError, ServerError
from antiphon.pairing import paired
from antiphon.rules import violations

SUITE = settings.get_profile("suite")
EXAMPLES = 100 if settings().max_examples == SUITE.max_examples else settings().max_examples // 2
ROLES: Any = ["system", "user", "assistant", "tool"]


@tool
def price(title: str = "Emma") -> str:
    """Tells a price."""
    return f"{title}: 9 euros"


@tool
def nothing() -> str:
    """Says nothing."""
    return ""


@tool
async def slow() -> str:
    """Takes its time."""
    for _ in range(3):
        await asyncio.sleep(0)
    return "at last"


@tool
def failing() -> str:
    """Fails."""
    raise RuntimeError("out of order")


@tool(reraise=True)
def fatal() -> str:
    """Fails, and the run with it."""
    raise RuntimeError("out of order")


@tool
def stopped() -> str:
    """Is stopped by Ctrl+C."""
    raise KeyboardInterrupt


@tool
def leaving() -> Farewell:
    """Says good-bye."""
    return Farewell("Bye.")


@tool
def noting(session: Session) -> str:
    """Says something in the session, in the middle of its round."""
    session.append(Message(role="user", content="Noted."))
    return "noted"


@tool
async def cancelling() -> str:
    """Cancels itself."""
    await asyncio.sleep(0)
    raise asyncio.CancelledError


def tools() -> list[Tool[..., Any]]:
    """All tools; those that run a template run one of their own."""
    asking = SubroutineTemplate(LinearTemplate([UserTemplate("?"), AssistantTemplate()]))
    ending = SubroutineTemplate(LinearTemplate([AssistantTemplate("So be it."), EndTemplate()]))
    return [
        *(price, nothing, slow, failing, fatal, stopped, leaving, noting, cancelling),
        Tool.from_template("ask_back", "Asks a model.", asking),
        Tool.from_template("end_all", "Ends the conversation.", ending),
    ]


FAULTS = [ServerError("down"), KeyboardInterrupt(), RuntimeError("a mistake")]


class Answering(Model):
    """Gives made-up answers, and takes note of every conversation that all providers would have refused."""

    shared = frozenset({"answers", "refused"})

    def __init__(self, answers: list[Any]) -> None:
        self.answers = iter(answers)
        self.refused: list[str] = []

    def _send(self, session: Session) -> Reply | str:
        self.refused += broken(session)
        answer = next(self.answers, "Yes.")
        if isinstance(answer, BaseException):
            raise answer
        return answer if session.request.tools or not isinstance(answer, Reply) else answer.content  # as real ones do

    async def _asend(self, session: Session) -> Reply | str:
        await asyncio.sleep(0)
        return self._send(session)

    async def _astream(self, session: Session) -> AsyncGenerator[str | Reply | Message]:
        yield await self._asend(session)


class Saying(UserInterface):
    """A user who says something, or leaves."""

    def __init__(self, says: list[Any]) -> None:
        self.says = iter(says)

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        said = next(self.says, "Go on.")
        if isinstance(said, BaseException):
            raise said
        return said

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:
        await asyncio.sleep(0)
        return self.ask(session, description, default)


def broken(session: Session) -> list[str]:
    return [f"{one.text} ({one.rule.name})" for one in violations(session.messages)]


calls = st.lists(st.sampled_from(tools()), min_size=1, max_size=3).map(
    lambda tools: tuple(ToolCall(id=f"c{number}", name=one.name) for number, one in enumerate(tools))
)
replies = st.builds(
    lambda content, calls, finish_reason: Reply(content, tool_calls=calls, finish_reason=finish_reason),
    st.sampled_from(["", "\n", "I look."]),
    calls,
    st.sampled_from([None, None, None, "tool_call", "length"]),
)
answers = st.lists(
    st.one_of(*[replies] * 4, st.sampled_from(["Yes.", "", "0", "0,2", *FAULTS])), min_size=1, max_size=6
)
users = st.lists(st.sampled_from(["Hello.", "", EOFError(), KeyboardInterrupt()]), max_size=3)


def trimmed(number: int) -> Callable[[Session], Session]:
    """A transform that keeps the last messages, as a program should: calls with their results."""

    def trim(session: Session) -> Session:
        length = len(session.messages)
        session.messages[:] = paired(session.messages, range(max(0, length - number), length))
        return session

    return trim


numbers = st.integers(0, 4)
inits = st.one_of(
    st.builds(CleanSessionStrategy),
    st.builds(InheritSystemStrategy),
    st.builds(LastNMessagesStrategy, numbers),
    st.builds(
        lambda roles: FilteredInheritStrategy(lambda message: message.role in roles), st.lists(st.sampled_from(ROLES))
    ),
)
squashes = st.one_of(
    st.builds(LastMessageStrategy),
    st.builds(LLMFilteringStrategy),
    st.builds(LLMSummarizingStrategy),
    st.builds(FilterByRoleStrategy, st.lists(st.sampled_from(ROLES))),
)
transforms = st.one_of(st.none(), st.none(), st.builds(trimmed, numbers))
asking = [
    st.builds(lambda trim: ToolingTemplate(tools(), max_rounds=3, after_transform=trim), transforms),
    st.builds(lambda trim: ToolingTemplate(tools(), max_rounds=3, before_transform=trim), transforms),
    st.builds(lambda retries: ToolingTemplate(tools(), output_type=int, retries=retries), st.integers(0, 2)),
]
saying = [
    st.builds(lambda: SystemTemplate("Be brief.")),
    st.builds(lambda: UserTemplate("What is Emma?")),
    st.builds(UserTemplate),
    st.builds(lambda: AssistantTemplate("Well.")),
    st.builds(lambda trim: AssistantTemplate(after_transform=trim), transforms),
    st.builds(lambda: EndTemplate("Bye.")),
]
leaves: st.SearchStrategy[Template] = st.one_of(*asking * 3, *saying)


def grown(within: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    several = st.lists(within, min_size=1, max_size=4)
    return st.one_of(
        st.builds(LinearTemplate, several),
        st.builds(lambda inner, turns: LoopTemplate(inner, exit_loop_count=turns), several, st.integers(1, 2)),
        st.builds(lambda inner: LoopTemplate([*inner, BreakTemplate()]), several),
        st.builds(lambda one, other: IfTemplate(lambda session: bool(session.messages), one, other), within, within),
        st.builds(
            lambda inner, init, squash, trim: SubroutineTemplate(
                inner, session_init_strategy=init, squash_strategy=squash, after_transform=trim
            ),
            within,
            inits,
            squashes,
            transforms,
        ),
    )


trees = grown(st.recursive(leaves, grown, max_leaves=8))


@dataclass(frozen=True)
class Way:
    """A way to run a tree, and where it is left: after so many steps, or when so many times others had their turn."""

    name: str
    leave_after: int

    def play(self, runner: Runner, session: Session) -> None:
        with suppress(AntiphonError, RuntimeError, EOFError, KeyboardInterrupt, asyncio.CancelledError):
            if self.name == "run":
                runner.run(session)
            elif self.name == "iter":
                self._go_through(runner.iter(session))
            elif self.name == "stream":
                self._go_through(runner.stream(session))
            else:
                asyncio.run(self._cancelled(runner, session))

    def _go_through(self, steps: Generator[Any, None, Any]) -> None:
        for _ in zip(range(self.leave_after), steps, strict=False):
            pass
        steps.close()

    async def _cancelled(self, runner: Runner, session: Session) -> None:
        running = asyncio.ensure_future(self._awaited(runner, session))
        for _ in range(self.leave_after):
            await asyncio.sleep(0)
        running.cancel()
        await running

    async def _awaited(self, runner: Runner, session: Session) -> None:
        if self.name == "arun":
            await runner.arun(session)
            return
        async for _ in runner.astream(session):
            pass


ways = st.builds(Way, st.sampled_from(["run", "iter", "stream", "arun", "astream"]), st.integers(0, 15))
GO_ON = LinearTemplate([UserTemplate("Go on."), AssistantTemplate()])


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees, said=answers, users=users, way=ways, init=inits)
def test_no_conversation_breaks_what_all_providers_demand(
    tree: Template, said: list[Any], users: list[Any], way: Way, init: Any
) -> None:
    model, session = Answering(said), Session()
    way.play(Runner(model, Saying(users), tree), session)
    assert model.refused == [], "asked"
    assert broken(session) == [], "left"

    saved = Session.model_validate_json(session.model_dump_json())
    assert broken(saved) == [], "saved"
    willing = Answering([])
    for resumed in (session, saved):
        Runner(willing, template=GO_ON).run(resumed)
        assert broken(resumed) == [], "resumed"
    Runner(willing, template=SubroutineTemplate(GO_ON, session_init_strategy=init)).run(saved)
    assert broken(saved) == [], "squashed"
    assert willing.refused == [], "asked again"
