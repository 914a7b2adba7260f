"""What goes wrong outside of tests is told by whatever tells of the run."""

from __future__ import annotations

import json

GOOD = "def test_good(scripted_model):\n    ask(scripted_model('one'))\n"
BROKEN = "import no_such_module\n"
SECRET = "kX3f-Zq9-aB7w-Q2m5"
CONTINUE = "--continue-on-collection-errors"


def test_a_file_that_cannot_be_collected_is_told_with_its_error(project, report_of, monkeypatch):
    step = project.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests(GOOD)
    project.file("test_broken.py", BROKEN)

    report = report_of(CONTINUE, "-n1")

    text = step.read_text("utf-8")
    assert text.startswith("### Prompt templates: 1 error outside of tests, 1 of 1 test passed\n")
    assert "<code>test_broken.py</code>" in text
    assert "No module named 'no_such_module'" in text
    [error] = report["errors"]
    assert error["where"] == "test_broken.py"
    assert "No module named 'no_such_module'" in error["text"]
    assert error["message"].startswith("ImportError while importing test module")


def test_a_run_of_which_no_test_could_begin_writes_a_summary(project, monkeypatch):
    step = project.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests(GOOD)
    project.file("test_broken.py", BROKEN)

    project.run()

    assert step.read_text("utf-8").startswith("### Prompt templates: 1 error outside of tests, 0 of 0 tests passed\n")


def test_an_error_within_pytest_is_told(project, report_of):
    project.tests(GOOD)
    project.file("conftest.py", "def pytest_runtest_logfinish():\n    raise RuntimeError('broken plugin')\n")

    report = report_of("--templates-markdown=s.md")

    assert [(one["where"], one["message"].rpartition("> ")[2]) for one in report["errors"]] == [
        ("", "RuntimeError: broken plugin")
    ]
    text = (project.path / "s.md").read_text("utf-8")
    assert text.startswith("### Prompt templates: 1 error outside of tests, ")
    assert "broken plugin" in text


def test_a_run_that_fails_for_another_reason_says_with_which_status(project):
    project.tests(GOOD)

    project.file("conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 3\n")
    project.run("--templates-markdown=other.md")

    text = (project.path / "other.md").read_text("utf-8")
    assert text.startswith("### Prompt templates: failed with exit status 3, 1 of 1 test passed\n")


def test_no_secret_is_told(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.file("test_broken.py", f"raise KeyError('{SECRET}')\n")

    project.run("--templates-markdown=s.md", "--templates-json=run.json")

    text = (project.path / "s.md").read_text("utf-8")
    assert "KeyError: 'REDACTED'" in text
    assert SECRET not in text + json.dumps(json.loads((project.path / "run.json").read_text("utf-8")))


def test_shards_tell_the_same_error_once(project, report_of):
    from pytest_templates.reporting.document import Report
    from pytest_templates.reporting.merging import merged

    project.file("test_broken.py", BROKEN)
    report = Report.model_validate(report_of())

    assert merged([report, report]).errors == report.errors
