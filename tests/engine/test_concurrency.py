"""One tree, many conversations at once. Clause 8 of what templates with models of their own must do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    IfTemplate,
    InheritSystemStrategy,
    LinearTemplate,
    LoopTemplate,
    Model,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UpdateMetadata,
    UserTemplate,
)

MANY = 40


class Meeting(Model):
    """Answers with what it was told, as soon as several conversations are in it at once."""

    shared = frozenset({"meeting"})

    def __init__(self, parties: int = 4) -> None:
        self.meeting = threading.Barrier(parties)

    def _send(self, session: Session) -> str:
        self.meeting.wait(timeout=30)
        return f"{session.messages[0].content}/{session.last.content}"


class Pausing(Model):
    """Lets all the other tasks go on before it answers."""

    def _send(self, session: Session) -> str:
        return f"{session.messages[0].content}/{session.last.content}"

    async def _asend(self, session: Session) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        return self._send(session)


def tree(model: Model) -> LinearTemplate:
    """A tree with every kind of template that could keep something between two conversations."""
    inner = LinearTemplate([UserTemplate("{{ who }} inside"), AssistantTemplate(template_id="inner", model=model)])
    return LinearTemplate(
        [
            SystemTemplate("{{ who }}", before_transform=UpdateMetadata(seen=[])),
            LoopTemplate(
                [
                    UserTemplate("{{ who }} {{ session.messages | length }}"),
                    AssistantTemplate(template_id="answer"),
                    SubroutineTemplate(inner, "sub", session_init_strategy=InheritSystemStrategy()),
                    IfTemplate(lambda session: len(session.messages) > 6, BreakTemplate()),
                ],
                template_id="turns",
            ),
            UserTemplate("{{ who }} ends"),
        ],
        template_id="talk",
    )


def expected(who: str) -> list[str]:
    turn = [f"{who} 1", f"{who}/{who} 1", f"{who}/{who} inside"]
    other = [f"{who} 4", f"{who}/{who} 4", f"{who}/{who} inside"]
    return [who, *turn, *other, f"{who} ends"]


def check(session: Session, who: str) -> None:
    assert [message.content for message in session.messages] == expected(who)
    assert [call.template_path for call in session.trace.calls] == [
        *("talk/turns@1/answer", "talk/turns@1/sub/linear-1/inner"),
        *("talk/turns@2/answer", "talk/turns@2/sub/linear-1/inner"),
    ]
    assert all(message.content.startswith(who) for call in session.trace.calls for message in call.messages)
    assert session.metadata == {"who": who, "seen": []}
    assert session.template_path is None


@pytest.mark.parametrize("one_runner", [True, False])
def test_clause_8_many_threads_can_run_one_tree_at_once(one_runner):
    model = Meeting()
    template, runner = tree(model), Runner(model)

    def converse(n: int) -> Session:
        mine = runner if one_runner else Runner(model)
        return mine.run(Session(metadata={"who": f"<{n}>"}), template=template)

    with ThreadPoolExecutor(max_workers=4) as threads:
        sessions = list(threads.map(converse, range(MANY)))

    for n, session in enumerate(sessions):
        check(session, f"<{n}>")


@pytest.mark.parametrize("one_runner", [True, False])
@pytest.mark.asyncio
async def test_clause_8_many_tasks_can_run_one_tree_at_once(one_runner):
    model = Pausing()
    template, runner = tree(model), Runner(model)

    async def converse(n: int) -> Session:
        mine = runner if one_runner else Runner(model)
        return await mine.arun(Session(metadata={"who": f"<{n}>"}), template=template)

    sessions = await asyncio.gather(*map(converse, range(MANY)))

    for n, session in enumerate(sessions):
        check(session, f"<{n}>")


@pytest.mark.asyncio
async def test_clause_8_tasks_whose_models_block_run_one_tree_at_once():
    model = Meeting()
    template, runner = tree(model), Runner(model)

    async def converse(n: int) -> Session:
        return await runner.arun(Session(metadata={"who": f"<{n}>"}), template=template)

    sessions = await asyncio.gather(*map(converse, range(4)))  # each waits for the other three

    for n, session in enumerate(sessions):
        check(session, f"<{n}>")


def test_clause_8_conversations_played_step_by_step_in_turns_do_not_see_each_other():
    model = Pausing()
    runner = Runner(model, template=tree(model))
    sessions = [Session(metadata={"who": f"<{n}>"}) for n in range(MANY)]
    running: list[Any] = [runner.iter(session) for session in sessions]

    while running:
        running = [steps for steps in running if next(steps, None) is not None]

    for n, session in enumerate(sessions):
        check(session, f"<{n}>")


def test_clause_8_a_failing_conversation_leaves_the_others_alone(play):
    class Moody(Pausing):
        def _send(self, session: Session) -> str:
            if session.metadata.get("who") == "<1>":
                raise RuntimeError("not in the mood")
            return super()._send(session)

    model = Moody()
    runner = Runner(model, template=tree(model))

    with pytest.raises(RuntimeError, match="not in the mood"):
        play(runner, Session(metadata={"who": "<1>"}))

    check(play(runner, Session(metadata={"who": "<2>"})), "<2>")
