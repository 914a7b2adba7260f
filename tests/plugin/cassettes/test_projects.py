"""Several projects in one run: the cassettes of a test lie in the tree of its own project, wherever pytest starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TEST = """
@pytest.mark.llm_cassette
def test_it():
    ask(Plain(PROJECT))

@pytest.mark.llm_cassette("shared")
def test_more():
    ask(Plain(PROJECT + " more"))
"""
OPTIONS = "pythonpath = {up}\nasyncio_default_fixture_loop_scope = function\n"
TOML = 'pythonpath = "{up}"\nasyncio_default_fixture_loop_scope = "function"\n'
INI_FILES = {
    "a/pytest.ini": "[pytest]\n" + OPTIONS,
    "b/pyproject.toml": "[tool.pytest.ini_options]\n" + TOML + 'templates_cassettes = "tapes"\n',
    "c/d/tox.ini": "[pytest]\n" + OPTIONS,
    "e/setup.cfg": "[tool:pytest]\n" + OPTIONS,
    "f/pyproject.toml": "[tool.pytest]\n" + TOML.replace('"{up}"', '["{up}"]'),
    "g/pytest.toml": "[pytest]\n" + TOML.replace('"{up}"', '["{up}"]'),
}
FOLDERS = [str(Path(file).parent) for file in INI_FILES]


@pytest.fixture
def services(project, chat_server, monkeypatch) -> Callable[[], dict[str, str]]:
    """Projects with tests of the same names, and none that holds them all; gives the cassettes there are."""
    (project.path / "pytest.ini").unlink()
    for file, text in INI_FILES.items():
        folder = Path(file).parent
        project.file(file, text.format(up=project.path.as_posix()))
        project.tests(TEST.replace("PROJECT", f"'{folder.as_posix()}'"), f"{folder}/tests/test_it.py")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--import-mode=importlib", prepend=" ")

    def cassettes() -> dict[str, str]:
        files = [file for file in project.path.rglob("*.yaml") if ".journal" not in file.parts]
        return {file.relative_to(project.path).as_posix(): file.read_text(encoding="utf-8") for file in files}

    return cassettes


def own(folder: str) -> set[str]:
    place = f"{folder}/{'tapes' if folder == 'b' else 'cassettes'}"
    return {f"{place}/tests/test_it/test_it.yaml", f"{place}/shared.yaml"}


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_a_run_from_the_top_and_runs_from_inside_find_the_same_files(
    services, project, chat_server, monkeypatch, workers
):
    project.run("--templates-record=missing", *workers, *FOLDERS).assert_outcomes(passed=12)
    recorded, asked = services(), len(chat_server.asked)
    changed = project.run("--templates-record=changed", *FOLDERS[::-1])
    as_editors_do = [f"--rootdir={project.path / 'b'}"]  # no ini file is read
    as_editors_do += [f"-opythonpath={project.path}", "-oasyncio_default_fixture_loop_scope=function"]
    replayed = project.run(*workers, *as_editors_do, *FOLDERS[2:], "a", "b")

    changed.assert_outcomes(passed=12)
    replayed.assert_outcomes(passed=12)
    assert "unused recordings" not in str(replayed.stdout)
    assert set(recorded) == set().union(*map(own, FOLDERS))
    assert all(f"model: {folder}" in recorded[name] for folder in FOLDERS for name in own(folder))
    for folder in FOLDERS:
        monkeypatch.chdir(project.path / folder)
        project.run("--templates-record=changed").assert_outcomes(passed=2)
    assert (services(), len(chat_server.asked)) == (recorded, asked)
    assert not list(project.path.rglob(".journal"))


def test_a_conftest_that_names_a_folder_makes_its_own_folder_a_project(services, project, monkeypatch):
    project.file("a/tests/deep/conftest.py", 'templates_cassettes = "own"\n')
    project.file("a/tests/conftest.py", "")  # says nothing of it
    project.tests(TEST.replace("PROJECT", "'deep'"), "a/tests/deep/more/test_deep.py")

    project.run("--templates-record=missing", "b", "a").assert_outcomes(passed=6)

    deep = {"a/tests/deep/own/more/test_deep/test_it.yaml", "a/tests/deep/own/shared.yaml"}
    assert set(services()) == own("a") | own("b") | deep
    monkeypatch.chdir(project.path / "a/tests/deep/more")
    project.run().assert_outcomes(passed=2)


def test_one_project_in_another_has_its_own_tree(services, project):
    project.ini("testpaths = tests a\n")
    project.tests(TEST.replace("PROJECT", "'top'"), "tests/test_it.py")

    result = project.run("--templates-record=missing")

    result.assert_outcomes(passed=4)
    assert set(services()) == own("a") | {"cassettes/tests/test_it/test_it.yaml", "cassettes/shared.yaml"}


def test_the_command_line_names_one_folder_for_all_and_no_two_tests_share_a_file(services, project):
    command = ["--templates-cassettes=all", "a", "b", "c"]

    project.run("--templates-record=missing", *command).assert_outcomes(passed=6)
    project.run(*command[:1], *command[:0:-1]).assert_outcomes(passed=6)

    names = [f"all/{folder}/tests/test_it/test_it.yaml" for folder in ("a", "b", "c/d")]
    assert set(services()) == {*names, "all/shared.yaml"}


def test_an_ini_file_that_the_command_line_names_is_that_of_all_tests(services, project):
    project.file("ci/all.ini", INI_FILES["a/pytest.ini"].format(up=project.path.as_posix()))

    project.run("--templates-record=missing", "-c", "ci/all.ini", "a", "b").assert_outcomes(passed=4)

    names = [f"ci/cassettes/_up/{folder}/tests/test_it/test_it.yaml" for folder in ("a", "b")]
    assert set(services()) == {*names, "ci/cassettes/shared.yaml"}


def test_unused_recordings_are_told_of_every_project_that_was_run_as_a_whole(services, project):
    project.run("--templates-record=missing", *FOLDERS[:3]).assert_outcomes(passed=6)
    for folder in ("a", "b", "c/d"):
        place = "tapes" if folder == "b" else "cassettes"
        (project.path / folder / place / "shared.yaml").rename(project.path / folder / place / "left.yaml")
        module = project.path / folder / "tests/test_it.py"
        module.write_text(module.read_text(encoding="utf-8").partition('@pytest.mark.llm_cassette("shared")')[0])

    result = project.run("a", "b", "c/d/tests/test_it.py")

    result.assert_outcomes(passed=3)
    project.says(result, "without a test:\n  a/cassettes/left.yaml\n  b/tapes/left.yaml\n  Remove")


WRONG = {
    "b/pyproject.toml": "[tool.pytest]\ntemplates_cassettes = 5\n",
    "b/tests/conftest.py": "templates_cassettes = 5\n",
}


@pytest.mark.parametrize("file", WRONG)
def test_what_is_no_folder_is_refused_with_the_file_that_says_it(services, project, file):
    project.file(file, WRONG[file])

    result = project.run("a", "b")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"templates_cassettes in {project.path / file}: it takes a text, not 5" in str(result.stderr)


NO_INI = "there is no ini file, so where cassettes are looked for depends on where pytest is started: "


@pytest.fixture
def loose(project, chat_server, monkeypatch) -> Path:
    """A folder with tests, and no ini file in it or above."""
    (project.path / "pytest.ini").unlink()
    options = f"-opythonpath={project.path.as_posix()} -oasyncio_default_fixture_loop_scope=function"
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--import-mode=importlib {options}", prepend=" ")
    project.tests(TEST.replace("PROJECT", "'loose'"), "top/tests/test_it.py")
    return project.path / "top"


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "worker"])
def test_a_recording_without_an_ini_file_says_once_what_settles_where_it_lies(loose, project, monkeypatch, workers):
    monkeypatch.chdir(loose)
    recorded = project.run("--templates-record=missing", *workers)

    recorded.assert_outcomes(passed=2)
    assert str(recorded.stdout).count(f"{NO_INI}put an empty pytest.ini into {loose}\n") == 1
    replayed = project.run()
    replayed.assert_outcomes(passed=2)
    assert NO_INI not in str(replayed.stdout)


@pytest.mark.parametrize("settled", ["pytest.ini", "setup.py", "conftest.py", "--rootdir=.", "--templates-cassettes=x"])
def test_nothing_is_said_where_it_does_not_depend_on_the_start(loose, project, monkeypatch, settled):
    monkeypatch.chdir(loose)
    option = [settled] if settled.startswith("--") else []
    if not option:
        (loose / settled).write_text("templates_cassettes = 'own'\n" if settled == "conftest.py" else "")

    result = project.run("--templates-record=missing", *option)

    result.assert_outcomes(passed=2)
    assert NO_INI not in str(result.stdout)


@pytest.mark.parametrize("start", ["tests", ".."])
def test_a_miss_without_an_ini_file_names_the_cassette_that_lies_elsewhere(loose, project, monkeypatch, start):
    monkeypatch.chdir(loose)
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    monkeypatch.chdir(loose / start)

    missed = project.run()
    (loose / "pytest.ini").touch()
    found = project.run(loose)

    missed.assert_outcomes(failed=2)
    for name in ("tests/test_it/test_it", "shared"):
        project.says(
            missed,
            "no-cassette: the file does not exist",
            f"There is one at {loose / 'cassettes' / name}.yaml. Without an ini file",
            f"put an empty pytest.ini into {loose}\n",
        )
    found.assert_outcomes(passed=2)


def test_a_miss_names_the_cassette_from_before_there_was_an_ini_file(loose, project, monkeypatch):
    monkeypatch.chdir(loose / "tests")
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    (loose / "pytest.ini").touch()

    missed = project.run()

    missed.assert_outcomes(failed=2)
    old = loose / "tests/cassettes/test_it/test_it.yaml"
    project.says(missed, f"There is one at {old}: move it to where it is looked for now.")


def test_a_cassette_of_that_name_in_another_project_is_none_of_this_test(loose, project, monkeypatch):
    project.ini()
    monkeypatch.chdir(project.path)
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    (loose / "pytest.ini").touch()

    missed = project.run()

    missed.assert_outcomes(failed=2)
    assert "There is one at" not in str(missed.stdout)
