from __future__ import annotations

from collections.abc import Callable

import pytest

TESTS = """
import json
import os
from urllib.request import Request, urlopen

class Real(Model):
    # Asks with what Python brings along: fast to load.
    name = "small"

    def _send(self, session):
        body = {"model": self.name, "messages": [{"role": "user", "content": session.last.content}]}
        url = os.environ["CHAT_URL"] + "/chat/completions"
        request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        return json.load(urlopen(request))["choices"][0]["message"]["content"]

def say(*texts):
    for text in texts:
        Runner(Real(), template=LinearTemplate([UserTemplate(text), AssistantTemplate()], template_id="talk")).run()

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_greets(name):
    say(f"I am {name}.", "Bye.")

@pytest.mark.llm_cassette("both")
def test_one():
    say("One.")

@pytest.mark.llm_cassette("both")
def test_two():
    say("Two.")
"""


@pytest.fixture
def recorded(project, record, monkeypatch):
    """A project whose tests use everything that was recorded for them."""
    monkeypatch.setenv("CHAT_URL", "http://chat.test/v1")
    project.tests(TESTS)
    for name in ("ada", "bob"):
        record(f"test_it/test_greets[{name}]", f"I am {name}.", "Bye.")
    record("both", "One.", "Two.")
    return project


@pytest.fixture
def change(recorded) -> Callable[[str, str], None]:
    """Writes something else in the tests: ``change("old", "new")``."""

    def write(old: str, new: str) -> None:
        text = (recorded.path / "test_it.py").read_text(encoding="utf-8")
        assert old in text
        recorded.file("test_it.py", text.replace(old, new))

    return write


@pytest.fixture
def bob_is_gone(change) -> None:
    """One of the tests is there no more."""
    change('["ada", "bob"]', '["ada"]')


@pytest.fixture
def bye_is_gone(change) -> None:
    """Two of the tests need less."""
    change('"I am {name}.", "Bye."', '"I am {name}."')
