"""--templates-record=changed, recording in CI, and the command that a missing recording names."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from pytest_templates.cassettes.storage.store import load_cassette

REAL = """
import os

def real(name="m"):
    return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x")

def say(*prompts):
    for prompt in prompts:
        real().send(Session(messages=[Message(role="user", content=prompt)]))
"""


@pytest.fixture
def prompts(project):
    """What a cassette's requests ask, in order."""

    def read(name: str = "test_it/test_it") -> list[str]:
        recorded = load_cassette(project.path / f"cassettes/{name}.yaml")
        return [json.loads(one.request.body)["messages"][-1]["content"] for one in recorded]

    return read


def marked(*said: str, marker: str = "llm_cassette", more: str = "") -> str:
    return f"{REAL}\n@pytest.mark.{marker}\ndef test_it():\n    say(*{said})\n    {more}\n"


def test_changed_sends_what_is_new_and_drops_what_is_not_used(project, chat_server, prompts):
    project.tests(marked("one", "two", "three"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    chat_server.asked.clear()
    project.tests(marked("three", "new", "one"))

    result = project.run("--templates-record=changed")

    result.assert_outcomes(passed=1)
    assert chat_server.asked == ["new"]
    assert prompts() == ["three", "new", "one"]
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("end", ["assert False", "pytest.skip()"])
def test_changed_drops_nothing_in_a_test_that_did_not_pass(project, chat_server, prompts, end):
    project.tests(marked("one", "two"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    kept = prompts()
    project.tests(marked("one", more=end))

    project.run("--templates-record=changed")

    assert prompts() == kept == ["one", "two"]


def test_changed_drops_from_a_shared_cassette_what_no_test_of_a_full_run_played(project, chat_server, prompts):
    shared = "@pytest.mark.llm_cassette('shared')\ndef test_{}():\n    say('{}')\n"
    project.tests(REAL + shared.format("one", "one") + shared.format("two", "two"))
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    project.tests(REAL + shared.format("one", "one") + shared.format("two", "new"))

    project.run("--templates-record=changed", "-k", "two").assert_outcomes(passed=1)
    in_part = prompts("shared")
    project.run("--templates-record=changed").assert_outcomes(passed=2)

    assert in_part == ["one", "two", "new"]
    assert prompts("shared") == ["one", "new"]
    assert chat_server.asked == ["one", "two", "new"]


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
def test_in_ci_a_missing_cassette_is_an_error_whatever_the_mode(project, chat_server, monkeypatch, mode):
    monkeypatch.setenv("CI", "true")
    project.tests(marked("one"))

    result = project.run(f"--templates-record={mode}")

    result.assert_outcomes(failed=1)
    assert chat_server.asked == []
    assert not (project.path / "cassettes").exists()
    project.says(
        result,
        "no-cassette: the file does not exist",
        "pytest test_it.py::test_it --templates-record=missing",
        "The environment variable CI is set, so no cassette is begun here",
    )


@pytest.mark.parametrize(
    ("value", "is_ci"), [("1", True), ("woodpecker", True), ("", False), ("False", False), ("0", False)]
)
def test_what_makes_a_run_one_in_ci(project, chat_server, monkeypatch, value, is_ci):
    monkeypatch.setenv("CI", value)
    project.tests(marked("one"))

    project.run("--templates-record=missing").assert_outcomes(failed=is_ci, passed=not is_ci)


@pytest.mark.parametrize(
    ("variables", "server"),
    [
        ({"TF_BUILD": "True"}, "Azure Pipelines"),
        ({"JENKINS_URL": "https://ci.test", "BUILD_ID": "7"}, "Jenkins"),
        ({"GITHUB_ACTIONS": "true"}, "GitHub Actions"),
        ({"TF_BUILD": "True", "CI": "false"}, ""),  # CI decides where it is set
    ],
)
def test_servers_that_do_not_set_ci_are_recognised(project, chat_server, monkeypatch, variables, server):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project.tests(marked("one"))

    result = project.run("--templates-record=missing")

    result.assert_outcomes(failed=bool(server), passed=not server)
    project.says(result, *([f"{server} is recognised, so no cassette is begun here"] if server else []))


def test_in_ci_a_cassette_that_is_there_is_recorded_as_the_mode_says(project, chat_server, monkeypatch, prompts):
    project.tests(marked("one"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    monkeypatch.setenv("CI", "true")
    project.tests(marked("two"))

    project.run("--templates-record=changed").assert_outcomes(passed=1)

    assert prompts() == ["two"]


def test_outside_of_ci_nothing_is_said_of_it(project):
    project.tests(marked("one").replace('os.environ["CHAT_URL"]', '"http://127.0.0.1:1/v1"'))

    assert "variable CI" not in str(project.run().stdout)


NASTY = ["it's", 'a "quote"', "$HOME", "a b", "semi;colon", "back\\slash", "a::b", "[x]", "star*", "ü"]
COMMAND = f"""
{REAL}
@pytest.mark.llm_cassette
class TestDesk:
    @pytest.mark.parametrize("name", {NASTY!r})
    def test_it(self, name):
        say("Hello from " + name)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="quotes for a POSIX shell")
@pytest.mark.parametrize("start", [".", "tests", "tests/desk", "elsewhere"])
def test_the_command_that_is_named_records_what_is_missing(project, chat_server, monkeypatch, start):
    project.tests(COMMAND, "tests/desk/test_answers.py")
    (project.path / "elsewhere").mkdir()
    monkeypatch.chdir(project.path / start)
    options = ["--templates-cassettes=my tapes", f"--rootdir={project.path}", f"-c{project.path / 'pytest.ini'}"]

    failed = project.run(project.path / "tests", *options)
    lines = [line for line in failed.outlines if "--templates-record=" in line]
    commands = sorted({line.strip(" E") for line in lines if line.strip(" E").startswith("pytest ")})
    assert len(commands) == len(NASTY)
    first, *arguments = shlex.split(
        " ".join([commands[0], *(command.removeprefix("pytest") for command in commands[1:])])
    )
    result = project.run(*arguments, *options[1:])

    assert first == "pytest"
    result.assert_outcomes(passed=len(NASTY))
    assert len([*(project.path / start / "my tapes").rglob("*.yaml")]) == len(NASTY)


def test_the_closest_mode_is_named(project, chat_server):
    project.tests(marked("one"))
    project.says(project.run(), "no-cassette", "--templates-record=missing")
    project.run("--templates-record=missing").assert_outcomes(passed=1)

    project.tests(marked("one", "one"))
    project.says(project.run(), "already-played", "--templates-record=missing")

    project.tests(marked("another"))
    project.says(project.run(), "no-match", "--templates-record=changed")
