"""--templates-cassettes, templates_cassettes: where recordings lie; behind a URL, see test_remote_cassettes.py."""

from __future__ import annotations

import pytest

REAL = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["small", "large"])
def test_it(name):
    ask(real(name))
"""


@pytest.fixture
def files(project):
    """The recordings, by file."""
    return lambda folder="cassettes": {file: file.read_bytes() for file in (project.path / folder).rglob("*.yaml")}


@pytest.mark.parametrize(
    ("ini", "arguments", "folder"),
    [
        ("templates_cassettes = tapes", [], "tapes"),
        ("", ["--templates-cassettes=tapes/new"], "tapes/new"),
        ("templates_cassettes = tapes", ["--templates-cassettes=elsewhere"], "elsewhere"),
    ],
)
def test_cassettes_lie_where_the_option_or_the_ini_key_says(project, chat_server, files, ini, arguments, folder):
    project.ini(ini)
    project.tests(REAL.replace(', "large"', ""))

    project.run("--templates-record=missing", *arguments).assert_outcomes(passed=1)

    assert len(files(folder)) == 1
    assert not (project.path / "cassettes").exists()
    project.run(*arguments).assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


def test_cassettes_may_lie_outside_of_the_project(project, chat_server, tmp_path_factory):
    project.tests(REAL)
    folder = tmp_path_factory.mktemp("tapes")

    project.run("--templates-record=missing", f"--templates-cassettes={folder}").assert_outcomes(passed=2)

    assert len([*folder.rglob("*.yaml")]) == 2


def test_cassettes_lie_below_the_root_directory_wherever_pytest_is_started(project, chat_server, files, monkeypatch):
    project.tests(REAL, "tests/test_it.py")
    monkeypatch.chdir(project.path / "tests")
    monkeypatch.syspath_prepend(project.path)

    project.run("--templates-record=missing").assert_outcomes(passed=2)

    assert {file.parent for file in files()} == {project.path / "cassettes/tests/test_it"}


def test_workers_record_into_the_folder(project, chat_server, files):
    project.tests(REAL.replace("real(name)", "Plain(name)"))

    project.run("-n2", "--templates-record=missing", "--templates-cassettes=tapes").assert_outcomes(passed=2)

    assert len(files("tapes")) == 2
    project.run("-n2", "--templates-cassettes=tapes").assert_outcomes(passed=2)
    assert len(chat_server.asked) == 2


def test_a_file_is_refused_with_what_is_taken(project):
    project.file("notes.txt", "")
    project.tests("def test_it():\n    pass\n")

    result = project.run("--templates-cassettes=notes.txt")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--templates-cassettes=notes.txt: it takes a folder or a URL, and this is a file" in str(result.stderr)
