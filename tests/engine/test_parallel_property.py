"""What a tree with parallel parts does is the same in an event loop, where they overtake each other, and without."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    IfTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Model,
    ModelCall,
    ParallelTemplate,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    ToolCall,
    ToolingTemplate,
    UserInterface,
    UserTemplate,
    tool,
)
from antiphon.errors import AntiphonError, ServerError
from antiphon.observers import Observer, observing

SUITE = settings.get_profile("suite")
EXAMPLES = 25 if settings().max_examples == SUITE.max_examples else settings().max_examples // 2


def delay(session: Session) -> int:
    """How long others have time to overtake: something that depends on the place, and on nothing else."""
    return sum(map(ord, session.template_path or "")) % 7


class Echo(Model):
    """Asks for a tool where it may, once, and else answers with what it was sent; a topic that is down fails."""

    def _send(self, session: Session) -> Reply | str:
        if session.metadata.get("topic") == "down":
            raise ServerError("down")
        if session.request.tools and session.last.role != "tool":
            calls = tuple(ToolCall(id=f"c{number}", name="price", arguments={"number": number}) for number in (1, 2))
            return Reply(tool_calls=calls)
        return f"{len(session.messages)} {session.last.content}"

    async def _asend(self, session: Session) -> Reply | str:
        for _ in range(delay(session)):
            await asyncio.sleep(0)
        return self._send(session)


class Counting(UserInterface):
    """A user whose answers tell in which order they came."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        self.asked += 1
        return f"answer {self.asked}"

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:
        for _ in range(delay(session)):
            await asyncio.sleep(0)
        return self.ask(session, description, default)


@tool
async def price(number: int) -> str:
    """Tells a price."""
    for _ in range(5 - number):
        await asyncio.sleep(0)
    return f"{number} euros"


@dataclass
class Told(Observer):
    """What observers hear: what was where, how deep, in which order at each place."""

    heard: list[tuple[Any, ...]] = field(default_factory=list)
    open: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    def _begins(self, what: str, path: str | None, depth: int) -> None:
        self.heard.append((path, what, depth))
        self.open[what, path] += 1
        assert self.open[what, path] == 1

    def _ends(self, what: str, path: str | None) -> None:
        self.open[what, path] -= 1
        assert self.open[what, path] == 0

    def on_template_enter(self, event: Any) -> None:
        assert event.session.template_path == event.path
        self._begins("template", event.path, event.depth)

    def on_template_exit(self, event: Any) -> None:
        self._ends("template", event.path)
        self.heard.append((event.path, "said", [message.content for message in event.session.messages]))

    def on_subroutine_enter(self, event: Any) -> None:
        self._begins("subroutine", event.path, event.depth)

    def on_subroutine_exit(self, event: Any) -> None:
        self._ends("subroutine", event.path)

    def on_model_enter(self, event: Any) -> None:
        self._begins("model", event.caller.template_path, event.depth)

    def on_model_exit(self, event: Any) -> None:
        self._ends("model", event.call.template_path)

    def on_tool_run(self, run: Any) -> None:
        self.heard.append((run.template_path, run.tool, run.result))


def noting(session: Session) -> Session:
    """An after-transform that writes to the session of its template."""
    session.metadata["notes"].append((session.template_path, len(session.messages)))
    return session


def telling(topic: str) -> Callable[[Session], Session]:
    """A before-transform that writes to the session of its template."""

    def tell(session: Session) -> Session:
        session.metadata["topic"] = topic
        return session

    return tell


topics = st.sampled_from(["tides", "winds", "tides", "winds", "tides", "winds", "down"])
transforms = st.fixed_dictionaries(
    {},
    optional={"before_transform": st.builds(telling, topics), "after_transform": st.just(noting)},
)
inits = st.one_of(st.none(), st.builds(FilteredInheritStrategy, st.just(lambda message: message.role == "user")))
squashes = st.one_of(
    st.none(), st.builds(LLMSummarizingStrategy), st.builds(FilterByRoleStrategy, st.just(["user", "assistant"]))
)
leaves: st.SearchStrategy[Template] = st.one_of(
    st.builds(lambda: UserTemplate("On {{ topic }}.")),
    st.builds(lambda: UserTemplate(description="?")),
    st.builds(lambda options: LinearTemplate([UserTemplate("Well?"), AssistantTemplate()], **options), transforms),
    st.builds(lambda: LinearTemplate([UserTemplate("Emma?"), ToolingTemplate([price])])),
    st.builds(lambda: BreakTemplate()),
    st.builds(lambda: EndTemplate("Bye.")),
)


def grown(within: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    several = st.lists(within, min_size=1, max_size=3)
    parallel = st.builds(
        lambda inner, init, squash, options: ParallelTemplate(
            inner, session_init_strategy=init, squash_strategy=squash, **options
        ),
        several,
        inits,
        squashes,
        transforms,
    )
    return st.one_of(
        parallel,
        parallel,
        st.builds(lambda inner, options: LinearTemplate(inner, **options), several, transforms),
        st.builds(lambda inner, turns: LoopTemplate(inner, exit_loop_count=turns), several, st.integers(1, 2)),
        st.builds(lambda one, other: IfTemplate(lambda session: len(session.messages) > 2, one, other), within, within),
        st.builds(
            lambda inner, init, squash, options: SubroutineTemplate(
                inner, session_init_strategy=init, squash_strategy=squash, **options
            ),
            within,
            inits,
            squashes,
            transforms,
        ),
    )


trees = st.builds(ParallelTemplate, st.lists(grown(st.recursive(leaves, grown, max_leaves=6)), min_size=2, max_size=3))


async def _listed(steps: Any) -> list[Any]:
    return [step async for step in steps]


WAYS: dict[str, Callable[[Runner, Session], Any]] = {
    "run": lambda runner, session: runner.run(session),
    "arun": lambda runner, session: asyncio.run(runner.arun(session)),
    "iter": lambda runner, session: list(runner.iter(session)),
    "aiter": lambda runner, session: asyncio.run(_listed(runner.aiter(session))),
    "stream": lambda runner, session: list(runner.stream(session)),
    "astream": lambda runner, session: asyncio.run(_listed(runner.astream(session))),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the conversation, and what happened, by its place in the tree."""

    error: str
    messages: list[Message]
    metadata: dict[str, Any]
    steps: list[tuple[str | None, str]]
    calls: dict[str | None, list[Any]]
    tools: dict[str | None, list[Any]]
    heard: dict[str | None, list[Any]]


def by_place(found: list[tuple[str | None, Any]]) -> dict[str | None, list[Any]]:
    grouped: dict[str | None, list[Any]] = {}
    for path, one in found:
        grouped.setdefault(path, []).append(one)
    return grouped


def outcome(tree: Template, way: str) -> Outcome:
    session = Session(metadata={"topic": "parcels", "notes": []})
    error, steps = "", None
    with observing(Told()) as told:
        try:
            steps = WAYS[way](Runner(Echo(), Counting(), tree), session)
        except AntiphonError as raised:
            error = f"{type(raised).__name__}: {raised}"
    assert not +told.open, "what begins ends"
    assert session.template_path is None
    shown = [one for one in steps if isinstance(one, Message)] if isinstance(steps, list) else []
    return Outcome(
        error,
        list(session.messages),
        session.metadata,
        sorted((str(one.template_path), one.content) for one in shown),
        by_place([(one.template_path, _fixed(one)) for one in session.trace.calls]),
        by_place([(one.template_path, (one.tool, one.result)) for one in session.trace.tools]),
        by_place([(path, what) for path, *what in told.heard]),
    )


def _fixed(call: ModelCall) -> tuple[Any, ...]:
    """What of a call does not depend on the clock."""
    return call.template_id, call.depth, call.chosen_by, [message.content for message in call.messages], call.reply


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees, ways=st.sampled_from([("run", "arun"), ("iter", "aiter"), ("stream", "astream")]))
def test_what_is_parallel_gives_the_same_as_one_after_another(tree: Template, ways: tuple[str, str]) -> None:
    one_after_another, at_once = (outcome(tree, way) for way in ways)

    if one_after_another.error:  # who comes behind the one that fails was not begun, or has been
        assert (at_once.error, at_once.messages) == (one_after_another.error, one_after_another.messages)
    else:
        assert at_once == one_after_another
