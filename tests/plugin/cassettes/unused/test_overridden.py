"""What tests have recorded with other models (--templates-model) is theirs, and nobody else's business."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_templates.cassettes.paths import cassette_path, overridden_path, without_overrides
from pytest_templates.commands.main import main
from pytest_templates.model_override.plugin import overrides_of

OVERRIDE = "answer=openai:tiny"
OPTION = f"--templates-model={OVERRIDE}"
FOLDER = overridden_path(Path("it.yaml"), Path(), overrides_of([OVERRIDE])).parent.name


@pytest.fixture
def overridden(recorded, record):
    """A project that has recorded a test and a named cassette with another model, too."""
    record(f"{FOLDER}/test_it/test_greets[bob]", "I am bob.")
    record(f"{FOLDER}/both", "One.")
    return recorded


def test_a_full_run_takes_them_for_cassettes_of_their_tests(overridden):
    result = overridden.run()

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*unused recordings*")


def test_a_full_run_names_those_whose_test_is_gone(overridden, bob_is_gone):
    overridden.says(
        overridden.run(),
        "without a test:",
        f"  cassettes/{FOLDER}/test_it/test_greets[bob].yaml",
        "  cassettes/test_it/test_greets[bob].yaml",
    )


def test_a_run_with_other_models_says_nothing_of_what_it_did_not_use(overridden, record, bye_is_gone):
    record(f"{FOLDER}/test_it/test_greets[ada]", "I am ada, too.")

    result = overridden.run(OPTION)

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*unused recordings*")


def test_list_says_whose_they_are_and_prune_lets_them_be(overridden, capsys, monkeypatch):
    monkeypatch.chdir(overridden.path)

    assert main(["cassettes", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert main(["cassettes", "prune"]) == 0
    pruned = capsys.readouterr().out

    [line] = [line for line in listed if line.strip().startswith(f"{FOLDER}/test_it")]
    assert line.endswith("test_it.py::test_greets[bob]")
    assert pruned == "every cassette has a test\n"


def test_prune_knows_every_cassette_where_the_option_stands_in_the_ini_file(overridden, capsys, monkeypatch):
    monkeypatch.chdir(overridden.path)
    overridden.ini(f"addopts = {OPTION}")

    assert main(["cassettes", "prune"]) == 0

    assert capsys.readouterr().out == "every cassette has a test\n"


@pytest.mark.parametrize("test", ["test_it", "test_it[a=b]", "TestIt.test_it[a/b]", "é" * 200])
def test_the_tests_own_cassette_is_known_by_the_path_of_the_other_one(tmp_path, test):
    own = cassette_path(tmp_path, Path("tests/test_it.py"), test)
    other = overridden_path(own, tmp_path, overrides_of(["answer=openai:small", "a/**/b@*=openai:" + "large" * 90]))

    assert other != own
    assert without_overrides(other.relative_to(tmp_path).as_posix()) == own.relative_to(tmp_path).as_posix()
    assert without_overrides(own.relative_to(tmp_path).as_posix()) == own.relative_to(tmp_path).as_posix()
    assert all(len(part.encode()) < 128 for part in other.relative_to(tmp_path).parts)


def test_without_another_model_there_is_only_the_tests_own(tmp_path):
    assert overridden_path(tmp_path / "it.yaml", tmp_path, ()) == tmp_path / "it.yaml"
