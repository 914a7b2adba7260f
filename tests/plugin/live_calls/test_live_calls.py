"""Real models are called only by tests that are marked for it."""

from __future__ import annotations

import pytest

REAL = """
import asyncio
import os
"""
WAYS = {
    "run": "ask(real())",
    "arun": "asyncio.run(Runner(real(), None, talk()).arun())",
    "stream": "list(Runner(real(), None, talk()).stream())",
    "astream": "asyncio.run(drain(Runner(real(), None, talk()).astream()))",
    "by name": "ask('openai:gpt-4o-mini')",
    "a model object": "ask(connect(openai_model()))",
    "send": "real().send(Session(messages=[Message(role='user', content='Hello.')]))",
}
HELPERS = """
async def drain(pieces):
    async for _ in pieces:
        pass

def openai_model():
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("m", provider=OpenAIProvider(base_url=os.environ["CHAT_URL"], api_key="x"))
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_real_model_is_not_called_by_a_test_that_did_not_ask_for_it(project, chat_server, way):
    project.tests(f"{REAL}{HELPERS}\ndef test_it():\n    {WAYS[way]}\n")

    result = project.run()

    result.assert_outcomes(failed=1)
    assert chat_server.asked == []
    project.says(
        result,
        "LiveCallRefused: test_it.py::test_it is about to call a real model",
        "model     openai:",
        "asked by  " + ("code outside of templates" if way == "send" else "talk/answer"),
        "@pytest.mark.llm_cassette",
        "@pytest.mark.llm_live(reason=",
    )


@pytest.mark.parametrize("where", ["test", "fixture", "teardown", "thread"])
def test_a_refused_call_fails_the_test_also_where_the_program_swallows_it(project, chat_server, where):
    project.tests(
        REAL
        + """
import threading

def call():
    swallow(ask, real())

@pytest.fixture
def calls(request):
    where = request.param
    if where == "fixture":
        call()
    yield where
    if where == "teardown":
        call()

@pytest.mark.parametrize("calls", ["WHERE"], indirect=True)
def test_it(calls):
    if calls == "test":
        call()
    if calls == "thread":
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
""".replace("WHERE", where)
    )

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert chat_server.asked == []
    project.says(result, "LiveCallRefused: test_it.py::test_it[", "talk/answer")


def test_a_refused_call_is_in_the_trace_with_its_error(project, chat_server):
    project.tests(
        REAL
        + """
def test_it(llm_trace):
    with pytest.raises(antiphon.errors.AntiphonError):
        ask(real())
    assert isinstance(llm_trace.calls[0].error, LiveCallRefused)
"""
    )

    project.run().assert_outcomes(failed=1)  # it is held against the test all the same


def test_what_is_no_real_model_is_not_refused(project):
    project.tests(
        """
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.messages import ModelResponse, TextPart

class Own(Model):
    def _send(self, session):
        return "Hi."

def test_it(scripted_model):
    answers = lambda messages, info: ModelResponse(parts=[TextPart("Hi.")])
    for model in (Own(), scripted_model("Hi."), connect(FunctionModel(answers)), connect(TestModel())):
        ask(model)
"""
    )

    assert project.outcomes() == {"passed": 1}


def test_a_replayed_call_is_not_refused(project, chat_server):
    project.tests(REAL + "\n@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n")

    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)

    assert len(chat_server.asked) == 1
