"""What a hundred parallel children of one tree cost beside a hundred tasks of hand-written code, in time and memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, TypeAlias

from jinja2 import Environment
from measuring import compared, show, show_compared
from memory import traced
from turns import ANSWER, METADATA, TEXT, ConstantModel, Line

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    ParallelTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    UserTemplate,
)

CHILDREN = 100

Conversation: TypeAlias = Coroutine[Any, Any, Any]


class AwaitedModel(ConstantModel):
    """Lets the event loop go on before it answers, as a model behind a network does."""

    async def _asend(self, session: Session) -> str:
        await asyncio.sleep(0)
        return ANSWER


def by_hand() -> Callable[[], Conversation]:
    """The floor: tasks, compiled text, slots, and no engine."""
    text = Environment().from_string(TEXT)

    async def child() -> list[Line]:
        lines = [Line("user", text.render(METADATA))]
        await asyncio.sleep(0)
        lines.append(Line("assistant", ANSWER))
        return lines

    async def converse() -> list[Line]:
        async with asyncio.TaskGroup() as tasks:
            children = [tasks.create_task(child()) for _ in range(CHILDREN)]
        return [one.result()[-1] for one in children]

    return converse


def child() -> LinearTemplate:
    """What each child says."""
    return LinearTemplate([UserTemplate(TEXT), AssistantTemplate()])


def played(tree: Template) -> Callable[[], Conversation]:
    """The engine."""
    runner = Runner(AwaitedModel(), template=tree)
    return lambda: runner.arun(Session(metadata=METADATA))


def runs() -> Callable[[], Conversation]:
    """The engine, with a run of its own for each child: nothing is isolated, and nothing given back."""
    runner = Runner(AwaitedModel(), template=child())

    async def converse() -> list[Session]:
        async with asyncio.TaskGroup() as tasks:
            children = [tasks.create_task(runner.arun(Session(metadata=METADATA))) for _ in range(CHILDREN)]
        return [one.result() for one in children]

    return converse


def peak(loop: asyncio.AbstractEventLoop, converse: Callable[[], Conversation]) -> tuple[float, float]:
    """The most kilobytes in use while it runs, and those that its result holds."""
    loop.run_until_complete(converse())
    tracemalloc.start()
    try:
        before = traced()
        tracemalloc.reset_peak()
        result = loop.run_until_complete(converse())
        most = tracemalloc.get_traced_memory()[1] - before
        held = traced() - before
        del result
        return most / 1024, held / 1024
    finally:
        tracemalloc.stop()


def main() -> None:
    """Measure, and print."""
    parallel = played(ParallelTemplate([child() for _ in range(CHILDREN)]))
    things = {
        "tasks by hand": by_hand(),
        "parallel children": parallel,
        "subroutines, one after another": played(
            LinearTemplate([SubroutineTemplate(child()) for _ in range(CHILDREN)])
        ),
        "tasks, each with a run": runs(),
    }
    with closing(asyncio.new_event_loop()) as loop:
        if [message.content for message in loop.run_until_complete(parallel()).messages] != [ANSWER] * CHILDREN:
            raise RuntimeError("the benchmark's conversation went wrong")
        measured = compared({name: lambda one=one: loop.run_until_complete(one()) for name, one in things.items()})
        show_compared(f"{CHILDREN} conversations of a message and an answer", measured)
        kilobytes = {name: peak(loop, one) for name, one in things.items()}
    floor = kilobytes["tasks by hand"]
    show(
        "Memory for them",
        ("", "most KB", "times the floor", "KB kept", "times the floor"),
        ((name, most, most / floor[0], held, held / floor[1]) for name, (most, held) in kilobytes.items()),
    )


if __name__ == "__main__":
    main()
