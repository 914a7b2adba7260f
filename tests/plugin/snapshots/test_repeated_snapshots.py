"""Tests that a plugin runs several times compare the conversation of their test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

REPEATING = """
import pytest

@pytest.fixture
def __pytest_repeat_step_number(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    # as pytest-repeat does
    metafunc.fixturenames.append("__pytest_repeat_step_number")
    ids = lambda index: f"{index + 1}-2"
    metafunc.parametrize("__pytest_repeat_step_number", range(2), indirect=True, ids=ids)
"""
MULTIPLYING = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    # as pytest-flakefinder does
    name = f"__flakefinder_{metafunc.function.__name__}"
    metafunc.fixturenames.append(name)
    metafunc.parametrize(name, list(range(2)))
"""
TESTS = """
    import os

    def talk(model, answer):
        return ask(model(os.environ.get("ANSWER", answer), name="small"))

    def test_plain(scripted_model, llm_snapshot):
        assert talk(scripted_model, "Hi!") == llm_snapshot
        assert talk(scripted_model, "Bye!") == llm_snapshot(name="bye")

    class TestTalk:
        @pytest.mark.parametrize("answer", ["yes", "1-2"])
        def test_several(self, scripted_model, llm_snapshot, answer):
            assert talk(scripted_model, answer) == llm_snapshot
"""
NAMES = ["TestTalk.test_several[1-2]", "TestTalk.test_several[yes]", "test_plain", "test_plain~bye"]


def _names(kept: Callable[[], dict[str, str]]) -> list[str]:
    """What was kept, without the hashes of names with capitals."""
    stems = (name.removeprefix("test_it/").removesuffix(".chat") for name in kept())
    return sorted(stem.rpartition("-")[0] if stem.startswith("TestTalk") else stem for stem in stems)


@pytest.mark.parametrize("conftest", [REPEATING, MULTIPLYING], ids=["pytest-repeat", "pytest-flakefinder"])
def test_each_repetition_compares_the_conversation_of_its_test(
    project, run, kept: Callable[[], dict[str, str]], monkeypatch, conftest: str
) -> None:
    run(TESTS, "--snapshot-update").assert_outcomes(passed=3)
    alone = kept()
    project.file("conftest.py", conftest)

    repeated = run(TESTS)
    updated = run(TESTS, "--snapshot-update")

    repeated.assert_outcomes(passed=6)
    updated.assert_outcomes(passed=6)
    assert "unused" not in str(repeated.stdout)
    assert _names(kept) == NAMES
    assert kept() == alone
    monkeypatch.setenv("ANSWER", "No.")
    run(TESTS).assert_outcomes(failed=6)


def test_repetitions_in_several_workers_write_and_compare_one_file(
    project, run, kept: Callable[[], dict[str, str]]
) -> None:
    project.file("conftest.py", REPEATING)

    run(TESTS, "--snapshot-update", "-n2").assert_outcomes(passed=6)

    assert _names(kept) == NAMES
    project.file("conftest.py", "")
    run(TESTS).assert_outcomes(passed=3)
