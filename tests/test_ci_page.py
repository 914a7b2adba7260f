"""What docs/ci.md says to copy: its files are parsed, and what they run is run, in a project of its examples."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

import pytest
import yaml

from antiphon import connect
from pytest_templates.commands.main import main

# An inner run takes back what it imported: what is slow to import is imported once.
connect("openai:m", base_url="http://127.0.0.1/v1", api_key="x")

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def files(language: str) -> dict[str, str]:
    """The files of a language that the page shows, by their names."""
    return {name.removeprefix("# "): text for name, _, text in (block.partition("\n") for block in blocks(language))}


COMMANDS = [command for block in blocks("sh") for command in block.splitlines()]
NIGHTLY = COMMANDS[-1]
INI = "[pytest]\naddopts = -p no:cacheprovider -p no:anyio -p no:hypothesispytest -p no:langsmith_plugin\n"
INI += "asyncio_default_fixture_loop_scope = function\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")


def can_unshare() -> bool:
    unshare = shutil.which("unshare")
    command = [unshare, "--net", "--map-root-user", "true"]
    return unshare is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not can_unshare(), reason="nobody may unshare the network here")


class Machine:
    """A machine that runs jobs, with the project of the page in its folder.

    What cannot be done without a network is written down in ``log`` instead: to install, and to talk to others.
    """

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path
        self.tools = pytester.mkdir(".tools")
        self.log = self.tools / "log"
        self.summary = self.tools / "summary.md"
        self._tool(
            "python",
            f"""case "$*" in
                "-m pip "*) echo "$*" >> {self.log};;
                "-m pytest_templates cassettes diff "*) exec {sys.executable} "$@";;  # its output goes to a file
                "-m pytest"*) {{ printf "%q " "$@"; echo; }} >&"$ASKED"; read -r status <&"$ANSWERED"; exit "$status";;
                *) exec {sys.executable} "$@";;
            esac""",
        )
        self._tool("sudo", 'while [ "$1" = -E ] || [ "$1" = -u ]; do [ "$1" = -u ] && shift; shift; done; exec "$@"')
        for name in ("gh", "curl"):
            self._tool(name, f'echo "{name} $*" >> {self.log}')
        for name, text in {**files("python"), "pytest.ini": INI}.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        shutil.copytree(ROOT / "docs" / "cassettes" / "ci", self.folder / "cassettes")

    def _tool(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        (self.tools / name).chmod(0o755)

    def type(self, command: str) -> int:
        """Do in this process what a command does that is no more than the call of a module."""
        python, *words = shlex.split(command)
        assert python == "python"
        return self._call(words)[0]

    def _call(self, words: list[str]) -> tuple[int, str]:
        """What ``python`` does with these words: its exit status, and what pytest says."""
        flag, module, *arguments = words
        assert flag == "-m"
        if module == "pytest_templates":
            return main(arguments), ""
        assert module == "pytest"
        result = self._pytester.runpytest_inprocess(*arguments)
        return int(result.ret), f"{result.stdout}{result.stderr}"

    def run(self, script: str, **environment: str) -> str:
        """Run a script as GitHub's runner does; the modules that its ``python`` is to call are called in this process.

        Returns:
            What the script has said, and below that what pytest has.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "GITHUB", "PYTEST"))}
        paths = {"PATH": f"{self.tools}:{kept['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path), "USER": "runner"}
        bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
        (asked, asks), (hears, answers) = os.pipe(), os.pipe()
        pipes = {"ASKED": str(asks), "ANSWERED": str(hears)}
        env = {**kept, **paths, **pipes, **environment}
        with (
            TemporaryFile("w+", encoding="utf-8") as said,
            os.fdopen(asked, encoding="utf-8") as calls,
            os.fdopen(answers, "w", encoding="utf-8") as statuses,
            pytest.MonkeyPatch.context() as patch,
            subprocess.Popen(
                bash, cwd=self.folder, env=env, stdout=said, stderr=subprocess.STDOUT, pass_fds=(asks, hears)
            ) as running,
        ):
            os.close(asks)
            os.close(hears)
            for name, value in environment.items():
                patch.setenv(name, value)
            texts = []
            for call in calls:
                status, text = self._call(shlex.split(call))
                print(status, file=statuses, flush=True)
                texts.append(text)
            running.wait()
            said.seek(0)
            whole = "".join([said.read(), *texts])
        assert running.returncode == 0, f"{script}\n{whole}"
        return whole


@pytest.fixture
def machine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    machine = Machine(pytester)
    assert machine.type("python -m pytest --templates-lock=update") == 0
    return machine


def job_of(file: str, name: str) -> dict[str, Any]:
    return yaml.safe_load(files("yaml")[f".github/workflows/{file}"])["jobs"][name]


def scripts_of(job: dict[str, Any]) -> list[str]:
    """What the steps of a job run, without those that are actions of others."""
    return [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> dict[str, Any]:
    return yaml.safe_load(files("yaml")[".gitlab-ci.yml"])


def on_github(machine: Machine, event: str) -> dict[str, str]:
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_WORKSPACE": str(machine.folder),
        "GITHUB_STEP_SUMMARY": str(machine.summary),
    }


@needs_namespaces
def test_the_workflow_of_github_replays_sealed_and_holds_branches_to_main(machine: Machine) -> None:
    install, check, _, tests, keep = scripts_of(job_of("tests.yml", "tests"))

    machine.run(install, **on_github(machine, "push"))
    assert machine.type(check) == 0
    assert "2 passed" in machine.run(tests, **on_github(machine, "push"))
    machine.run(keep, **on_github(machine, "push"))
    assert "templates baseline" in machine.run(tests, **on_github(machine, "merge_group"))

    assert machine.log.read_text("utf-8") == "-m pip install -r requirements.txt\n"
    summary = machine.summary.read_text("utf-8")
    assert summary.count("### Prompt templates: 2 of 2 tests passed") == 2
    assert "| models |  |  | holds |" in summary
    assert 'name="templates_models" value="scripted"' in (machine.folder / "junit.xml").read_text("utf-8")
    assert (machine.folder / "report.html").exists()


def test_what_the_jobs_install_is_what_the_modules_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [line] = files("text")["requirements.txt"].splitlines()
    name, extras = re.fullmatch(r"(\w+)\[([\w,]+)\]", line).groups()

    assert name == project["name"]
    assert set(extras.split(",")) == {"pytest", *re.findall(r'connect\("(\w+):', files("python")["test_desk.py"])}
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_workflow_of_github_tells_what_a_pull_request_changes_in_recordings(machine: Machine) -> None:
    job = job_of("tests.yml", "tests")
    [step] = [step for step in job["steps"] if step.get("name") == "Changed recordings"]
    cassette = machine.folder / "cassettes/test_desk/test_a_question_is_answered.yaml"
    commit = "git add *.py cassettes; git -c user.name=a -c user.email=a@b.test commit -qm Recorded"
    machine.run(f"git init -q -b main; {commit}")
    moved = cassette.with_name("test_another_question.yaml")
    machine.run(f"git mv {cassette} {moved}; {commit}")

    machine.run(step["run"], **on_github(machine, "pull_request"))

    assert job["steps"][0]["with"] == {"fetch-depth": 2}
    assert step["if"] == "github.event_name == 'pull_request'"
    assert "### Recorded calls: 1 cassette moved\n" in machine.summary.read_text("utf-8")


@pytest.mark.parametrize("status", [0, 1])
def test_commands_are_stopped_while_pytest_runs_and_no_longer(machine: Machine, status: int) -> None:
    [script] = blocks("bash")
    script = script.replace("python -m pytest", f"echo ::error::x; (exit {status})")

    stop, hostile, go_on = machine.run(f"bash -e <<'END' || true\n{script}END").splitlines()

    assert hostile == "::error::x"
    assert stop.startswith("::stop-commands::")
    assert len(stop.removeprefix("::stop-commands::")) == 36
    assert go_on == f"::{stop.removeprefix('::stop-commands::')}::"


class Model(BaseHTTPRequestHandler):
    """Says the same to everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "Yes, within 30 days."}
        said = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "id": "1", "model": "m"}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({**said, "object": "chat.completion", "created": 1}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_the_nightly_workflow_of_github_records_and_proposes(
    machine: Machine, tmp_path: Path, model_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record, propose = scripts_of(job_of("record.yml", "record"))
    machine.run(f"git init -q --bare {tmp_path}/origin; git init -q -b main; git remote add origin {tmp_path}/origin")
    machine.run("git add *.py cassettes; git -c user.name=a -c user.email=a@b.test commit -qm First")
    monkeypatch.setenv("MODEL_URL", model_url)
    monkeypatch.setenv("CI", "true")

    machine.run(propose)
    assert not machine.log.exists()  # nothing has changed
    assert machine.type(record) == 0
    machine.run(propose)

    assert machine.log.read_text("utf-8") == "gh pr create --fill\n"
    branch = machine.run("git branch --show-current").strip()
    pushed = machine.run(f"git -C {tmp_path}/origin show --name-only --format=%s {branch}")
    assert pushed == "Record again\n\ncassettes/test_desk/test_a_question_is_answered.yaml\n"


def test_the_pipeline_of_gitlab_replays_and_comments_on_the_merge_request(machine: Machine) -> None:
    job = gitlab()["tests"]
    script = "\n".join([*gitlab()["default"]["before_script"], *job["script"]])
    server = {"CI": "true", "GITLAB_CI": "true", "CI_API_V4_URL": "https://gitlab.test/api/v4", "CI_PROJECT_ID": "7"}
    request = {**server, "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "3", "COMMENT_TOKEN": "t"}
    assert machine.type("python -m pytest --templates-json=main.json") == 0

    machine.run(script, **request)
    machine.run("\n".join(job["after_script"]), **request)

    summary = (machine.folder / "summary.md").read_text("utf-8")
    assert summary.startswith("### Prompt templates: 2 of 2 tests passed")
    assert "| models |  |  | holds |" in summary
    assert machine.log.read_text("utf-8").endswith("/api/v4/projects/7/merge_requests/3/notes\n")
    made = {file.name for file in machine.folder.iterdir()}
    assert {*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"], *job["cache"]["paths"]} <= made


def test_shards_add_up(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    shard, together = (job_of("shards.yml", name) for name in ("shard", "together"))
    [*_, tests], (_, *merging) = scripts_of(shard), scripts_of(together)
    names = shard["strategy"]["matrix"]["shard"]

    assert shard["env"] == {"SHARD": "${{ matrix.shard }}"}
    assert gitlab()["shard"]["script"] == [tests]
    assert gitlab()["shard"]["parallel"]["matrix"] == [{"SHARD": names}]
    assert sorted(gitlab()["together"]["script"]) == sorted(merging)
    for name in names:
        assert machine.type(tests.replace("$SHARD", name)) == 0
    runs = " ".join(sorted(path.name for path in machine.folder.glob("run-*.json")))
    assert [machine.type(command.replace("run-*.json", runs)) for command in merging] == [0] * len(merging)
    assert "7 of 7 templates and branches rendered (100%)" in capsys.readouterr().out
    assert "test_a_late_parcel_is_about_delivery" in (machine.folder / "report.html").read_text("utf-8")


def test_the_commands_of_any_shell_run(machine: Machine) -> None:
    typed = [command for command in COMMANDS if command != NIGHTLY and command.startswith("python ")]

    assert [machine.type(command) for command in typed] == [0] * len(typed)
    run = json.loads((machine.folder / "run.json").read_text("utf-8"))
    assert [test["outcome"] for test in run["tests"]] == ["passed", "passed"]


def test_recording_at_night_is_one_command_everywhere() -> None:
    assert NIGHTLY == "python -m pytest --templates-record=all --templates-max-cost=2.00"
    assert gitlab()["record"]["script"] == [NIGHTLY]
    assert NIGHTLY in scripts_of(job_of("record.yml", "record"))


@needs_namespaces
def test_the_sealed_command_of_any_shell_runs(machine: Machine) -> None:
    [sealed] = [command for command in COMMANDS if not command.startswith("python ")]

    assert "1 passed" in machine.run(f"{sealed.replace('python', sys.executable)} test_triage.py")
