from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAM = """
import os

@pytest.fixture
def real():
    return lambda name="large", **settings: connect(
        f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x", **settings
    )

def desk(model):
    '''Two templates that ask, the second with what the first said.'''
    classify, answer = AssistantTemplate(template_id="classify"), AssistantTemplate(template_id="answer")
    return Runner(model, template=LinearTemplate([UserTemplate("Hello."), classify, answer], template_id="desk"))
"""

DESK = """
@pytest.mark.llm_cassette
def test_desk(real, llm_trace):
    desk(real()).run()
    print([(call.template_id, call.model, call.chosen_by) for call in llm_trace.calls])
"""


@pytest.fixture
def tests(project) -> Callable[[str], None]:
    """Writes tests of a program that asks real models; by default one, of a desk with two templates that ask."""
    return lambda text=DESK: project.tests(PROGRAM + text)


@pytest.fixture
def reached(chat_server, monkeypatch):
    """The server, where models named on the command line reach it, too."""
    monkeypatch.setenv("OPENAI_BASE_URL", chat_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    return chat_server


@pytest.fixture
def files(project):
    """The recordings, by their path in the folder of the cassettes."""
    folder = project.path / "cassettes"
    return lambda: {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.yaml")}
