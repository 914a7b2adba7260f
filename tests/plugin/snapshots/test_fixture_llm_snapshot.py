"""The fixture llm_snapshot, as its users meet it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TEST = """
    import os

    def test_talk(scripted_model, llm_snapshot):
        session = ask(scripted_model(os.environ.get("ANSWER", "Hi!"), name="small"))
        assert session == llm_snapshot
"""
FILE = "[user] talk/user-1\n    Hello.\n\n[assistant] talk/answer · small\n    Hi!\n"


def test_a_conversation_is_kept_in_a_file_for_people(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    run(TEST, "--snapshot-update").assert_outcomes(passed=1)

    assert kept() == {"test_it/test_talk.chat": FILE}


def test_the_same_conversation_passes_and_another_fails_with_its_cause(
    run: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(TEST, "--snapshot-update")
    run(TEST).assert_outcomes(passed=1)

    monkeypatch.setenv("ANSWER", "Good day!")
    result = run(TEST)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *the model answered differently in talk/answer; all that this snapshot shows before it is the same:",
            "E *message 2: [[]assistant[]] talk/answer · small",
            "E *- [[]Hi[]]!",
            "E *+ [[]Good day[]]!",
            "E *if that is right, --snapshot-update writes it",
        ]
    )


def test_a_snapshot_that_is_missing_fails_and_is_not_written(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    result = run(TEST)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *does not exist!*", "E *message 1 is new: *"], consecutive=True)
    assert kept() == {}


def test_a_snapshot_that_is_no_text_fails_with_its_difference_and_is_written_anew(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]], pytester: pytest.Pytester
) -> None:
    run(TEST, "--snapshot-update")
    file = pytester.path / "__snapshots__" / "test_it" / "test_talk.chat"
    file.write_bytes(file.read_bytes().replace(b"Hi!", b"H\xef!"))

    result = run(TEST)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *- [[]H?xef[]]!", "E *+ [[]Hi[]]!"])
    run(TEST, "--snapshot-update").assert_outcomes(passed=1)
    assert kept() == {"test_it/test_talk.chat": FILE}


def test_a_snapshot_that_cannot_be_read_is_named(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    (pytester.path / "__snapshots__" / "test_it" / "test_talk.chat").mkdir(parents=True)

    result = run(TEST)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *TestingError: the snapshot *test_talk.chat cannot be read: Is a directory; put*"])


def test_every_test_has_a_file_of_its_own(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    test = """
        @pytest.mark.parametrize("text", ["a/b", "ab", "a:b", "AB", "a" * 300, "a" * 301])
        def test_talk(text, llm_snapshot):
            assert [Message(role="user", content=text)] == llm_snapshot
            assert [Message(role="user", content="once more")] == llm_snapshot
            assert [Message(role="user", content="named")] == llm_snapshot(name="a/b")
    """
    run(test, "--snapshot-update").assert_outcomes(passed=6)

    assert len({name.lower() for name in kept()}) == 18
    assert max(len(Path(name).name) for name in kept()) < 200
    result = run(test)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["18 snapshots passed."])


def test_unused_snapshots_are_reported_and_removed_by_syrupys_option(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    test = """
        @pytest.mark.parametrize("text", [{}])
        def test_talk(text, llm_snapshot):
            assert [Message(role="user", content=text)] == llm_snapshot
    """
    run(test.format("'ab', 'abc', 'a/b'"), "--snapshot-update").assert_outcomes(passed=3)

    result = run(test.format("'ab'"))
    result.stdout.fnmatch_lines(["1 snapshot passed. 2 snapshots unused."])
    assert result.ret != 0
    run(test.format("'ab'"), "--snapshot-update")

    assert list(kept()) == ["test_it/test_talk[ab].chat"]


def test_a_part_of_the_tests_leaves_the_others_snapshots_alone(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    test = """
        @pytest.mark.parametrize("text", ["ab", "abc", "a/b"])
        def test_talk(text, llm_snapshot):
            assert [Message(role="user", content=text)] == llm_snapshot

        def test_other(llm_snapshot):
            assert [Message(role="user", content="x")] == llm_snapshot
    """
    run(test, "--snapshot-update").assert_outcomes(passed=4)

    run(test, "--snapshot-update", "-k", "other").assert_outcomes(passed=1, deselected=3)

    assert len(kept()) == 4


def test_conversations_are_compared_under_xdist(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    test = """
        @pytest.mark.parametrize("number", range(8))
        def test_talk(number, scripted_model, llm_snapshot, llm_trace):
            assert ask(scripted_model(f"Answer {number}")) == llm_snapshot
            assert llm_trace == llm_snapshot
    """
    run(test, "--snapshot-update", "-n", "2").assert_outcomes(passed=8)
    assert len(kept()) == 16

    result = run(test, "-n", "2")

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["16 snapshots passed."])


@pytest.mark.parametrize("mode", ["arun", "stream", "astream"])
def test_however_a_program_runs_its_snapshot_is_the_same(run: Callable[..., pytest.RunResult], mode: str) -> None:
    run(TEST, "--snapshot-update")

    test = f"""
        import asyncio

        async def drain(events):
            async for _ in events:
                pass

        def test_talk(scripted_model, llm_snapshot):
            runner, session = Runner(scripted_model("Hi!", name="small"), template=talk()), Session()
            if {mode!r} == "arun":
                asyncio.run(runner.arun(session))
            elif {mode!r} == "stream":
                list(runner.stream(session))
            else:
                asyncio.run(drain(runner.astream(session)))
            assert session == llm_snapshot
    """

    run(test).assert_outcomes(passed=1)


def test_no_secret_reaches_a_snapshot(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "hunter2-hunter2")
    test = """
        def test_talk(scripted_model, llm_snapshot, llm_trace):
            session = ask(scripted_model("It is hunter2-hunter2, or aHVudGVyMi1odW50ZXIy."))
            assert session == llm_snapshot
            swallow(ask, scripted_model(RuntimeError("It is hunter2-hunter2, or nothing")))
            assert llm_trace == llm_snapshot
    """
    run(test, "--snapshot-update").assert_outcomes(passed=1)

    assert len(kept()) == 2
    assert all("It is REDACTED, or " in text and "hunter2" not in text for text in kept().values())


def test_a_wrong_value_is_refused_with_what_is_compared(run: Callable[..., pytest.RunResult]) -> None:
    result = run("def test_talk(llm_snapshot):\n    assert {'a': 1} == llm_snapshot\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *InvalidType: llm_snapshot compares a Session, a Trace, a Message or a list of*"])


def test_syrupys_matchers_and_filters_apply(
    run: Callable[..., pytest.RunResult], kept: Callable[[], dict[str, str]]
) -> None:
    test = """
        from syrupy.filters import props

        def test_talk(scripted_model, llm_snapshot):
            session = ask(scripted_model("Hi!", name="small"))
            assert session == llm_snapshot(exclude=props("model", "template_path"))
    """
    run(test, "--snapshot-update").assert_outcomes(passed=1)

    assert kept() == {"test_it/test_talk.chat": "[user]\n    Hello.\n\n[assistant]\n    Hi!\n"}
