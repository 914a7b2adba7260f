"""llm_doubled: a test whose real models are answered by a double inside of their client."""

from __future__ import annotations

import pytest

PATCHED = """
import httpx2
import pytest

from antiphon import connect
from antiphon.errors import ModelError

SAID = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}

@pytest.fixture
def doubled(monkeypatch):
    async def answer(self, request):
        return httpx2.Response(200, json=SAID, request=request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", answer)
"""


@pytest.mark.parametrize(("arguments", "workers"), [("'by a patch'", ()), ("reason='by a patch'", ("-n1",))])
def test_what_the_double_says_reaches_the_program(project, arguments, workers):
    project.tests(
        PATCHED
        + f"""
@pytest.mark.llm_doubled({arguments})
def test_it(doubled, llm_trace):
    assert ask(connect("openai-chat:m")).last.content == "Paris."
    assert llm_trace.models == {{"answer": ["openai-chat:m"]}}

@pytest.mark.llm_doubled({arguments})
async def test_async(doubled):
    session = await Runner(connect("openai-chat:m"), template=talk()).arun()
    assert session.last.content == "Paris."

@pytest.mark.llm_doubled({arguments})
@pytest.mark.llm_budget(cost=1)
def test_stream(doubled):
    assert isinstance([*Runner(connect("openai-chat:gpt-4o"), template=talk()).iter()][-1].content, str)
"""
    )
    project.ini("asyncio_mode = auto")

    result = project.run("--templates-summary", *workers)

    result.assert_outcomes(passed=3)
    project.says(result, "answer", "double")


def test_a_call_that_no_double_answers_is_refused(project):
    project.tests(
        PATCHED
        + """
@pytest.mark.llm_doubled("I forgot it")
def test_it():
    with pytest.raises(ModelError):
        ask(connect("openai-chat:m", max_retries=0))
"""
    )

    result = project.run()

    assert result.parseoutcomes()["failed"] == 1
    project.says(
        result,
        "test_it.py::test_it reaches for api.openai.com",
        "and no double has answered there: it is marked llm_doubled",
        "A call of a model: let the double answer all that its client sends, or mark the test llm_cassette",
    )


def test_a_double_that_is_a_server_on_this_machine_is_reached(project, chat_server):
    project.tests("@pytest.mark.llm_doubled('a server')\ndef test_it():\n    ask(real())\n")

    assert project.outcomes() == {"passed": 1}
    assert chat_server.asked == ["Hello."]


@pytest.mark.parametrize(
    ("marks", "complaint"),
    [
        ("llm_doubled()", "marker llm_doubled: .*reason"),
        ("llm_doubled(' ')", "marker llm_doubled: reason is a text that says why, not ' '"),
        ("llm_doubled('x')\n@pytest.mark.llm_cassette", "is marked llm_cassette and llm_doubled"),
        ("llm_doubled('x')\n@pytest.mark.llm_live('y')", "is marked llm_live and llm_doubled"),
    ],
)
def test_a_marker_that_says_nothing_or_something_else_is_refused(project, marks, complaint):
    project.tests(f"@pytest.mark.{marks}\ndef test_it():\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([f".*test_it.py::test_it.*{complaint}"])
