"""A feature is a room: who takes its code away loses the feature, and nothing else breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from antiphon.listeners import LISTENERS, Audience
from pytest_templates.plugin import ROOMS

GROUND = "pytest_templates.run.plugin"  # the life of a test, which every feature takes part in
BUILT_UPON = {  # features that need another one's code
    "pytest_templates.cassettes.plugin": ("model_override", "snapshots", "determinism", "lock"),
    "pytest_templates.snapshots.plugin": ("lock",),
    "pytest_templates.scripting.plugin": ("lock",),
}
# An import of what was taken away fails, as if its files were gone. A finder would not do: that of pytest comes first.
TAKEN_AWAY = """
import sys

for name in [name for name in sys.modules if name.partition(".")[0] == "pytest_templates"]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys({gone!r}))
"""
TESTS = {
    "samples": "@pytest.mark.llm_samples(2)\ndef test_samples():\n    ask(Echo())\n",
    "scripting": "def test_script(scripted_model):\n    assert ask(scripted_model('Hi.')).last.content == 'Hi.'\n",
    "live_calls": "@pytest.mark.llm_live(reason='why not')\ndef test_live():\n    pass\n",
    "cassettes": (
        "@pytest.mark.llm_cassette('yes')\ndef test_replay():\n"
        "    asked = {'model': 'small', 'messages': [{'role': 'user', 'content': 'Hello.'}]}\n"
        "    answer = httpx.post('http://chat.test/v1/chat/completions', json=asked).json()\n"
        "    assert answer['choices'][0]['message']['content'] == 'Yes.'\n"
    ),
    "isolation": "@pytest.mark.llm_isolation('off', reason='why not')\ndef test_unguarded():\n    research(Echo())\n",
    "spending": "@pytest.mark.llm_budget(calls=1)\ndef test_budget():\n    ask(Echo())\n",
    "snapshots": "def test_snapshot(llm_snapshot):\n    assert ask(Echo()) == llm_snapshot\n",
}
OPTIONS = {
    "isolation": ["--templates-isolation=precise"],
    "coverage": ["--templates-coverage"],
    "lock": ["--templates-lock=update"],
    "determinism": ["--templates-twice"],
    "reporting": ["--templates-summary", "--templates-json=run.json"],
    "spending": ["--templates-max-cost=1"],
}
ECHO = """
import httpx
import pytest

from antiphon import *
from program import *
from pytest_templates import assert_models

class Echo(Model):
    def _send(self, session):
        return session.last.content

def test_trace(llm_trace):
    assert_models(research(Echo()), {"summary": "Echo"})
    assert llm_trace.models == {"summary": ["Echo"]}

"""


@pytest.fixture
def without(project, record, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs tests of every feature that is left when some rooms are taken away, with all of their options."""

    def run(rooms: set[str]) -> pytest.RunResult:
        left = [name for name in TESTS if name not in rooms]
        project.file("test_it.py", ECHO + "\n".join(TESTS[name] for name in left))
        record("yes", "Hello.")
        gone = [f"pytest_templates.{name}" for name in rooms]
        project.file("away/taken_away.py", TAKEN_AWAY.format(gone=gone))
        monkeypatch.syspath_prepend(project.path / "away")
        monkeypatch.setattr(LISTENERS, "now", Audience())  # the suite's own would miss the rooms, too
        blocked = [f"-pno:{plugin}" for plugin in ROOMS if plugin.split(".")[1] in rooms]
        options = [option for name, given in OPTIONS.items() if name not in rooms for option in given]
        return project.run("-ptaken_away", *blocked, *options, "--snapshot-update", "--strict-markers")

    return run


@pytest.mark.parametrize("plugin", [plugin for plugin in ROOMS if plugin != GROUND])
def test_without_a_room_every_other_feature_works(plugin: str, without: Callable[..., pytest.RunResult]) -> None:
    gone = {plugin.split(".")[1], *BUILT_UPON.get(plugin, ())}

    result = without(gone)

    outcomes = result.parseoutcomes()
    outcomes.pop("warnings", None)
    tests = len([name for name in TESTS if name not in gone]) + 1
    skipped = int("live_calls" not in gone)  # it needs --templates-live
    assert outcomes == {"passed": tests - skipped, **({"skipped": skipped} if skipped else {})}
    assert result.ret == pytest.ExitCode.OK


def test_with_every_room_everything_works(without: Callable[..., pytest.RunResult]) -> None:
    result = without(set())

    result.assert_outcomes(passed=len(TESTS), skipped=1)
