"""--templates-report: a page that tells what was said in each test."""

from __future__ import annotations

import os

import pytest

TESTS = """
def test_it(scripted_model):
    ask(scripted_model("Fine, thank you."))

def test_other(scripted_model):
    ask(scripted_model("Good bye."))
"""


def test_a_page_is_written_when_the_run_is_over(project):
    project.tests(TESTS)

    result = project.run("--templates-report=deep/report.html")

    assert result.ret == 0
    path = project.path / "deep" / "report.html"
    project.says(result, "templates: 2 calls", f"templates: the report is in {path}")
    page = path.read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "test_it.py::test_it" in page
    assert list(path.parent.iterdir()) == [path]


def test_the_page_and_the_json_tell_of_the_same_run(project):
    project.tests(TESTS)

    result = project.run("--templates-report=report.html", "--templates-json=run.json", "--templates-summary")

    assert result.ret == 0
    project.says(result, f"what models did is in {project.path / 'run.json'}")
    project.says(result, f"the report is in {project.path / 'report.html'}")


def test_tests_that_workers_run_are_in_the_page(project):
    project.tests(TESTS)

    result = project.run("--templates-report=report.html", "-n2")

    assert result.ret == 0
    page = (project.path / "report.html").read_text(encoding="utf-8")
    assert "test_it.py::test_it" in page
    assert "test_it.py::test_other" in page
    assert str(result.stdout).count("the report is in") == 1


def test_a_run_without_reports_records_nothing(project):
    project.tests(
        """
        from antiphon.observers import LISTENERS

        def test_it():
            assert not LISTENERS.now.template_enter
            assert not LISTENERS.now.follows_tools
        """
    )

    assert project.outcomes("--templates-summary") == {"passed": 1}
    assert project.outcomes("--templates-json=run.json") == {"failed": 1}
    assert project.outcomes("--templates-report=report.html") == {"failed": 1}


def test_nothing_is_written_where_tests_are_only_collected(project):
    project.tests(TESTS)

    project.run("--templates-report=report.html", "--collect-only")

    assert not (project.path / "report.html").exists()


@pytest.mark.parametrize("place", [".", "pytest.ini/report.html"])
def test_a_place_that_cannot_be_written_is_refused_before_the_tests_run(project, place):
    project.tests(TESTS)

    result = project.run(f"--templates-report={place}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --templates-report={project.path}*cannot be written: *"])
    assert "passed" not in str(result.stdout)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything can be written")
def test_a_folder_that_is_closed_is_refused(project):
    project.tests(TESTS)
    (project.path / "closed").mkdir(mode=0o500)

    result = project.run("--templates-report=closed/report.html")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --templates-report=*cannot be written: Permission denied"])


def test_a_page_that_cannot_be_written_in_the_end_fails_the_run(project):
    project.tests(
        """
        from pathlib import Path

        def test_it(scripted_model):
            ask(scripted_model("Fine."))
            Path("report.html").mkdir()
        """
    )

    result = project.run("--templates-report=report.html")

    assert result.ret == 1
    project.says(result, f"templates: --templates-report={project.path / 'report.html'} could not be written: ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("--templates-report", "--templates-json"),
        ("--templates-report", "--templates-markdown"),
        ("--templates-json", "--templates-markdown"),
        ("--templates-json", "--templates-baseline"),
        ("--templates-baseline", "--templates-markdown"),
        ("--templates-json", "GITHUB_STEP_SUMMARY"),
    ],
)
def test_a_file_is_named_once(project, monkeypatch, first, second):
    project.tests("def test_it():\n    print('it ran')\n")
    (project.path / "link").symlink_to(project.path, target_is_directory=True)
    is_option = second.startswith("--")
    if not is_option:
        monkeypatch.setenv(second, str(project.path / "link" / "run.html"))

    result = project.run(f"{first}=run.html", "-s", *([f"{second}=link/run.html"] if is_option else []))

    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {first} and {second} both name *run.html: each needs a file of its own"])
    result.stdout.no_fnmatch_line("*it ran*")
    assert not (project.path / "run.html").exists()
