from __future__ import annotations

import pytest

PROMPTS = """
import os, random, time, uuid
from program import Plain
from datetime import date, datetime
from pathlib import Path

def talk_about(text):
    answer = AssistantTemplate(template_id="answer")
    return LinearTemplate([SystemTemplate("Be kind."), UserTemplate(text), answer], template_id="talk")

def say(text, model=None, **metadata):
    return Runner(model or ScriptedModel("Yes."), template=talk_about(text)).run(Session(metadata=metadata))

def note(what):
    with open("notes.txt", "a") as notes:
        print(what, file=notes)

class Order:
    pass
"""


@pytest.fixture
def twice(project, monkeypatch):
    """Runs tests, which know of the functions above, with --templates-twice: ``twice("def test_it(): …", "-n2")``."""

    monkeypatch.delenv("PYTHONHASHSEED", raising=False)  # by this, tests know which run they are in

    def run(text: str, *arguments: str) -> pytest.RunResult:
        project.file("prompts.py", PRELUDE + PROMPTS)
        project.file("test_it.py", "from prompts import *\n\n" + text)
        return project.run("--templates-twice", *arguments)

    return run


@pytest.fixture
def notes(project):
    """What the tests have noted so far, in both runs."""
    return lambda: (project.path / "notes.txt").read_text(encoding="utf-8").split()


PRELUDE = """
import pytest
from antiphon import *
from pytest_templates import *
"""
