from __future__ import annotations

from collections.abc import Callable

import anthropic  # noqa: F401 - slow to import, and needed in inner runs
import pytest

TROUBLE = '''
import os

def real():
    return connect("openai:gpt-4o-mini", base_url=os.environ["CHAT_URL"], api_key="x")

def runner_of(model, kind):
    """A runner that gets its test into trouble; in three cases of four it raises an error as well."""
    inner = talk()
    if kind == "IsolationViolation":
        inner = LinearTemplate([talk(), AssistantTemplate("Done.", before_transform=meddle)])
    return Runner(model, template=SubroutineTemplate(inner, "research"))

def meddle(session):
    kept["notes"].append("x")
    return session

kept = {}

def begin():
    kept["notes"] = []
    return Session(metadata=kept)

def quietly(runner, session):
    try:
        runner.run(session)
    except BaseException:
        pass

@pytest.fixture
def trouble(scripted_model):
    """Makes a runner, and a session for it, that get the test into trouble of a kind."""
    def make(kind=KIND):
        scripts = {"UnscriptedCall": (), "IsolationViolation": ("one",)}
        model = scripted_model(*scripts[kind], name=kind) if kind in scripts else real()
        return runner_of(model, kind), begin()
    return make
'''
MARKED = "pytestmark = pytest.mark.llm_cassette\n"


@pytest.fixture
def troubled(project, chat_server) -> Callable[..., pytest.RunResult]:
    """Runs tests that get into trouble of a kind, the name of an error of ours."""

    def run(kind: str, text: str, *options: str) -> pytest.RunResult:
        marked = MARKED if kind in {"CassetteMiss", "BudgetExceeded"} else ""
        project.tests(TROUBLE.replace("KIND", repr(kind)) + marked + text)
        if kind == "BudgetExceeded":
            options = ("--templates-record=missing", "--templates-max-cost=0", *options)
        return project.run(*options)

    return run
