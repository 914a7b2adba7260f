"""Where the environment variable CI is set no conversation is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

UPDATE = "--snapshot-update"
TEST = """
    import os

    def test_talk(scripted_model, llm_snapshot):
        session = ask(scripted_model(os.environ.get("ANSWER", "Hi!"), name="small"))
        assert session == llm_snapshot
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_in_ci_nothing_is_written_and_nothing_removed(
    run: Callable[..., pytest.RunResult],
    kept: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    workers: list[str],
) -> None:
    test = (
        TEST
        + """
    @pytest.mark.skipif("GONE" in os.environ, reason="gone")
    def test_other(llm_snapshot):
        assert [Message(role="user", content="x")] == llm_snapshot
    """
    )
    run(test, "--snapshot-update").assert_outcomes(passed=2)
    before = kept()
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("ANSWER", "Changed")

    result = run(TEST, "--snapshot-update", *workers)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["--snapshot-update was given where the environment variable CI is set: no snapshot*"])
    assert kept() == before


@pytest.mark.parametrize("option", ["--snapshot-update", "--snapshot-update-new-only"])
def test_in_ci_both_ways_to_update_are_refused(
    run: Callable[..., pytest.RunResult],
    kept: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    monkeypatch.setenv("CI", "true")

    run(TEST, option).assert_outcomes(errors=1)

    assert kept() == {}


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_in_ci_a_test_that_asks_for_the_fixture_while_it_runs_writes_nothing_and_removes_nothing(
    run: Callable[..., pytest.RunResult],
    kept: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    workers: list[str],
) -> None:
    run(f"{TEST}\n    def test_other(llm_snapshot):\n        assert Message(role='user') == llm_snapshot\n", UPDATE)
    before = kept()
    monkeypatch.setenv("CI", "true")
    test = """
        def test_talk(request):
            assert Message(role="user", content="x") == request.getfixturevalue("llm_snapshot")
    """

    result = run(test, UPDATE, *workers)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*where the environment variable CI is set: no snapshot is written or removed*"])
    assert kept() == before
    assert len(before) == 2


def test_in_ci_other_snapshots_may_be_updated(
    run: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")

    run("def test_other(snapshot):\n    assert 1 == snapshot\n", "--snapshot-update").assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--snapshot-update", "--snapshot-update-new-only"])
def test_in_ci_a_run_that_compares_conversations_updates_nothing_at_all(
    run: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("CI", "true")
    test = f"{TEST}\n    def test_other(snapshot):\n        assert 1 == snapshot\n"

    run(test, option).assert_outcomes(errors=1, failed=1)
