"""How much the engine does, in calls of functions: the same in every run, where times are not.

The limits are a little above what is needed now, with the observer of this test run.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Runner,
    Session,
    SubroutineTemplate,
    UserTemplate,
)
from antiphon.drawing import as_text


class Echo(Model):
    """Answers at once."""

    def _send(self, session):
        return "Yes."


def conversation(turns: int):
    tree = LoopTemplate([UserTemplate("{{ name }} asks."), AssistantTemplate()], exit_loop_count=turns)
    runner = Runner(Echo(), template=tree)
    return lambda: runner.run(Session(metadata={"name": "Ada"}))


def test_a_turn_takes_the_same_however_long_the_conversation_is(calls_of):
    early = calls_of(conversation(20)) - calls_of(conversation(10))
    late = calls_of(conversation(1010)) - calls_of(conversation(1000))

    assert late == early
    assert early / 10 < 220


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a Python that keeps room for more fields than a message has")
def test_a_turn_keeps_little_memory():
    tracemalloc.start()
    try:
        sessions, held = [], []
        for turns in (100, 300):
            work = conversation(turns)
            work()
            before = tracemalloc.get_traced_memory()[0]
            sessions.append(work())
            held.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()

    assert (held[1] - held[0]) / 200 < 1300  # 2,200 where pydantic makes the messages


RUNS_OF_TEMPLATES_THAT_GO = """
import gc
import tracemalloc

from antiphon import AssistantTemplate, LinearTemplate, Model, Runner, Session, UserTemplate


class Echo(Model):
    name = "echo"

    def _send(self, session):
        return "Yes"


def runs(number, name):
    for place in range(number):
        tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate()], template_id=f"{name}-{place}")
        Runner(Echo()).run(Session(), template=tree)
    gc.collect()


runs(50, "first")
tracemalloc.start()
runs(50, "second")
before = tracemalloc.get_traced_memory()[0]
runs(500, "third")
print(tracemalloc.get_traced_memory()[0] - before)
"""


def test_nothing_is_kept_of_templates_that_are_gone():  # in a process of its own: the plugin keeps what tests run
    kept = subprocess.run([sys.executable, "-c", RUNS_OF_TEMPLATES_THAT_GO], check=True, capture_output=True, text=True)

    assert int(kept.stdout) / 500 < 40  # less than the shortest text takes


def test_a_piece_of_an_answer_takes_the_same_however_long_the_answer_is(calls_of):
    class Speaker(Echo):
        def __init__(self, pieces):
            self.pieces = pieces

        def _stream(self, session):
            yield from ["Yes. "] * self.pieces

    def speech(pieces):
        runner = Runner(Speaker(pieces), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
        return lambda: list(runner.stream())

    early = calls_of(speech(20)) - calls_of(speech(10))

    assert calls_of(speech(1010)) - calls_of(speech(1000)) == early
    assert early / 10 < 72


@pytest.mark.llm_isolation("off", reason="counts what the engine does, without the guard")
@pytest.mark.parametrize(("messages", "templates", "earlier"), [(1000, 1, 0), (1, 1000, 0), (1, 1, 300)])
def test_a_subroutine_takes_the_same_in_whatever_parent(messages, templates, earlier, calls_of):
    routine = SubroutineTemplate(LinearTemplate([UserTemplate("{{ name }} asks."), AssistantTemplate()]))

    def subroutine(messages, templates, earlier):
        tree = LinearTemplate([*(UserTemplate("Hi") for _ in range(templates)), routine])
        said = [Message(role="user", content="Hi") for _ in range(messages)]
        session = Session(messages=said, metadata={"name": "Ada"})
        runner = Runner(Echo(), template=tree)
        for _ in range(earlier):
            runner.run(session, template=routine)
        return calls_of(lambda: runner.run(session, template=routine))

    least = subroutine(1, 1, 0)

    assert subroutine(messages, templates, earlier) == least
    assert least < 545


@pytest.mark.parametrize("work", [as_text, lambda tree: list(tree.walk()), lambda tree: tree.variables])
def test_looking_at_a_tree_takes_time_in_proportion(work, calls_of):
    def tree(size):
        return LinearTemplate([LinearTemplate([UserTemplate("Hi {{ name }}")]) for _ in range(size)])

    small, large = tree(50), tree(500)

    assert calls_of(lambda: work(large)) < 11 * calls_of(lambda: work(small))


def test_a_text_that_was_compiled_is_not_compiled_again(calls_of):
    def build():
        return UserTemplate("Hi {{ name | upper }}")

    assert calls_of(build) < 100
