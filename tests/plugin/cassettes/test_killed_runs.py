"""Recording while processes are killed, and several at once: nothing that was paid for is lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from pytest_templates.cassettes.storage.store import load_cassette

BARE = """
import json
import os
import random
import signal
import threading
from pathlib import Path
from urllib.request import Request, urlopen

class Bare(Model):
    # Asks with what Python brings along: fast to load_cassette in every worker.

    def _send(self, session):
        body = {"messages": [{"role": "user", "content": session.last.content}]}
        headers = {"content-type": "application/json"}
        with urlopen(Request(os.environ["CHAT_URL"] + "/chat", json.dumps(body).encode(), headers)) as answer:
            said = json.load(answer)["choices"][0]["message"]["content"]
        with open("received", "a") as file:
            file.write(said + "\\n")
        return said

def kill_soon(chance):
    # Kill this process within 50 ms, at most three times in all.
    if random.random() < chance and len([*Path().glob("kill-*")]) < 3:
        Path(f"kill-{os.getpid()}").touch()
        threading.Timer(random.random() / 20, os.kill, (os.getpid(), signal.SIGKILL)).start()

def talk_about(*subjects):
    for subject in subjects:
        Runner(Bare(), template=LinearTemplate([UserTemplate(subject), AssistantTemplate()])).run()
"""


@pytest.fixture
def prompts(project):
    """The last messages that a cassette holds."""

    def read(name):
        found = load_cassette(project.path / "cassettes" / f"{name}.yaml")
        return [json.loads(one.request.body)["messages"][-1]["content"] for one in found]

    return read


@pytest.fixture
def answers(project):
    """Every answer that any cassette holds."""

    def read():
        files = (project.path / "cassettes").rglob("*.yaml")
        responses = [json.loads(one.response.body) for file in files for one in load_cassette(file)]
        return [response["choices"][0]["message"]["content"] for response in responses]

    return read


def test_a_run_that_is_killed_is_gone_on_with(project, chat_server, prompts):
    project.tests(
        BARE
        + """
@pytest.mark.llm_cassette
def test_it():
    talk_about("one", "two")
    if not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    talk_about("three")
"""
    )
    project.run_forked("--templates-record=missing")
    assert chat_server.asked == ["one", "two"]
    assert not (project.path / "cassettes/test_it").exists()

    result = project.run("--templates-record=missing")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["templates: *, 2 replayed, 1 recorded"])
    assert chat_server.asked == ["one", "two", "three"] == prompts("test_it/test_it")
    assert [file.name for file in (project.path / "cassettes").iterdir()] == ["test_it"]


def test_an_interrupted_run_is_gone_on_with(project, chat_server, prompts):
    project.tests(
        BARE
        + """
@pytest.mark.llm_cassette
def test_it():
    talk_about("one")
    if not Path("interrupted").exists():
        Path("interrupted").touch()
        raise KeyboardInterrupt
"""
    )
    assert project.run_forked("--templates-record=missing").ret == pytest.ExitCode.INTERRUPTED

    project.run("--templates-record=missing").assert_outcomes(passed=1)

    assert chat_server.asked == ["one"] == prompts("test_it/test_it")


@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "pytest.exit('enough')", "assert False"])
def test_a_teardown_that_ends_otherwise_takes_no_answer_away(project, chat_server, prompts, end):
    project.tests(
        BARE
        + f"""
@pytest.fixture
def ending():
    yield
    if not Path("ended").exists():
        Path("ended").touch()
        {end}

@pytest.mark.llm_cassette
def test_it(ending):
    talk_about("one")
"""
    )
    assert project.run_forked("--templates-record=missing").ret != 0

    project.run("--templates-record=missing").assert_outcomes(passed=1)

    assert chat_server.asked == ["one"] == prompts("test_it/test_it")
    assert not (project.path / "cassettes/.journal").exists()


def test_workers_killed_at_random_lose_and_double_nothing(project, chat_server, answers):
    project.tests(
        BARE
        + """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range(12))
def test_it(number):
    kill_soon(0.5)
    talk_about(*(f"{number}.{turn}" for turn in range(4)))
"""
    )
    for _ in range(6):
        result = project.run("-n2", "--max-worker-restart=20", "--templates-record=missing")
        if result.ret == 0:
            break

    assert result.ret == 0
    received = (project.path / "received").read_text().split("\n")[:-1]
    kept = Counter(answers())
    assert sum(kept.values()) == 48
    assert set(kept.values()) == {1}
    assert set(kept) == set(received)
    assert len(chat_server.asked) - 48 <= len([*project.path.glob("kill-*")])  # one request each was under way
    assert not (project.path / "cassettes/.journal").exists()
    project.run().assert_outcomes(passed=12)


@pytest.mark.parametrize("mode", ["missing", "all"])
def test_workers_that_share_a_cassette_record_what_one_process_would_record(project, chat_server, prompts, mode):
    project.tests(
        BARE
        + """
@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("number", range(8))
def test_it(number):
    talk_about(f"{number}.0", f"{number}.1")
"""
    )
    project.run("--templates-record=missing", "-k", "0").assert_outcomes(passed=1)

    project.run("-n2", f"--templates-record={mode}").assert_outcomes(passed=8)

    assert prompts("shared") == [f"{number}.{turn}" for number in range(8) for turn in range(2)]
    assert [file.name for file in (project.path / "cassettes").iterdir()] == ["shared.yaml"]
    project.run().assert_outcomes(passed=8)


def test_two_runs_at_once_keep_what_each_has_recorded(project, chat_server, prompts):
    project.tests(
        BARE
        + """
@pytest.mark.llm_cassette("shared")
def test_it():
    talk_about(*(f"{os.environ['RUN']}.{number}" for number in range(20)))
"""
    )
    command = [sys.executable, "-mpytest", "-q", "-pno:cacheprovider", "--templates-record=missing"]
    runs = [
        subprocess.Popen(command, cwd=project.path, env={**os.environ, "RUN": name}, stdout=subprocess.DEVNULL)
        for name in "ab"
    ]
    assert [run.wait(120) for run in runs] == [0, 0]

    assert sorted(prompts("shared")) == sorted(f"{name}.{number}" for name in "ab" for number in range(20))
