"""What is left of a test whose process was killed, and what becomes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.format.bodies import LONGEST
from pytest_templates.cassettes.recorded import Chunk, RecordedRequest, RecordedResponse, Truncation
from pytest_templates.cassettes.storage.journal import Journal, waiting_answers
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.errors import CassetteError


@pytest.fixture
def killed(tester: Any, workplace: Path) -> Callable[..., Path]:
    """Leaves what a test leaves that asks some questions and is killed then; gives the journal."""

    def leave(*contents: str, test: str = "test_it") -> Path:
        others = {file: file.read_bytes() for file in workplace.glob("*.jsonl")}
        for file in others:
            file.unlink()
        killed = tester(test)
        for content in contents:
            killed.asks(content, f"{content}, before the kill")
        [journal] = workplace.glob("*.jsonl")
        killed.cassette.leave()
        for file, content in others.items():
            file.write_bytes(content)
        return journal

    return leave


def test_what_is_recorded_is_on_the_disk_at_once(tester: Any, workplace: Path) -> None:
    recording = tester("test_desk.py::test_it")
    recording.asks("one", "eïns")
    [journal] = workplace.glob("*.jsonl")
    heading, record = journal.read_text(encoding="utf-8").splitlines()
    assert json.loads(heading)["test"] == "test_desk.py::test_it"
    assert json.loads(heading)["cassette"] == "test_module/test_it.yaml"
    assert json.loads(record)["interaction"]["response"]["body"] == {"text": "eïns"}
    recording.asks("two")
    assert len(journal.read_text(encoding="utf-8").splitlines()) == 3
    recording.cassette.leave()


def test_a_test_that_passed_leaves_its_cassette_and_nothing_else(tester: Any, path: Path) -> None:
    recording = tester()
    recording.asks("one")
    recording.cassette.save()
    assert [file for file in path.parent.parent.rglob("*") if file.is_file()] == [path]
    assert [*path.parent.parent.iterdir()] == [path.parent]


def test_a_test_that_failed_leaves_the_old_cassette_and_the_journal(
    tester: Any, workplace: Path, path: Path, asked: Any
) -> None:
    for content, keep in [("one", True), ("two", False)]:
        recording = tester()
        recording.asks(content)
        recording.cassette.save() if keep else recording.cassette.leave()
    assert asked() == ["one"]
    assert {*path.parent.parent.iterdir()} == {path.parent, workplace}
    assert recording.cassette.waiting == 1
    assert waiting_answers(Store(path.parent.parent)) == {"test_it": 1}


def test_what_a_killed_run_recorded_is_played_and_not_paid_for_again(killed: Any, tester: Any, asked: Any) -> None:
    killed("one", "two")
    again = tester()
    assert [again.asks(content) for content in ("one", "two", "three")] == [
        "one, before the kill",
        "two, before the kill",
        "fine",
    ]
    assert (again.cassette.played, again.cassette.recorded) == (2, 1)
    again.cassette.save()
    assert asked() == ["one: one, before the kill", "two: two, before the kill", "three"]


def test_a_run_that_is_killed_again_and_again_gets_on(tester: Any, asked: Any) -> None:
    for number in range(5):
        recording = tester()
        for content in range(number + 1):
            recording.asks(str(content), f"in run {number}")
        recording.cassette.leave()
    last = tester()
    assert [last.asks(str(content)) for content in range(5)] == [f"in run {number}" for number in range(5)]
    last.cassette.save()
    assert len(asked()) == 5


def test_a_kill_between_writing_the_cassette_and_removing_the_journal_doubles_nothing(
    killed: Any, tester: Any, asked: Any, workplace: Path
) -> None:
    journal = killed("one", "two")
    content = journal.read_bytes()
    for _ in range(2):
        recording = tester()
        recording.asks("one")
        recording.asks("two")
        recording.cassette.save()
        assert len(asked()) == 2
        workplace.mkdir(exist_ok=True)
        journal.write_bytes(content)


def test_what_was_left_is_kept_in_the_order_in_which_it_is_asked_for_again(
    killed: Any, tester: Any, asked: Any
) -> None:
    killed("one", "two")
    again = tester()
    again.asks("two")
    again.asks("one")
    again.cassette.save()
    assert [question[:3] for question in asked()] == ["two", "one"]


def test_a_journal_torn_anywhere_gives_what_is_whole(killed: Any, tester: Any, workplace: Path) -> None:
    journal = killed("one", "two")
    content = journal.read_bytes()
    for end in range(0, len(content), 3):
        workplace.mkdir(exist_ok=True)
        journal.write_bytes(content[:end])
        again = tester()
        assert again.cassette.unused == max(0, content[:end].count(b"\n") - 1)
        assert again.cassette.unused == len([one for one in ("one", "two") if "kill" in again.asks(one)])
        again.cassette.leave()


def test_of_a_journal_torn_anywhere_the_whole_answers_wait(killed: Any, path: Path) -> None:
    journal = killed("one", "two")
    content = journal.read_bytes()
    for end in range(0, len(content) + 1, 3):
        journal.write_bytes(content[:end])
        answers = max(0, content[:end].count(b"\n") - 1)
        assert waiting_answers(Store(path.parent.parent)) == ({"test_it": answers} if answers else {})


@pytest.mark.parametrize("damage", [b'{"journal": 2}\n', b'{"journal" no JSON\n', b'{"journal": 2, "test": "\xff"}\n'])
def test_what_waits_is_told_beside_journals_that_are_damaged_or_taken(
    killed: Any, workplace: Path, path: Path, damage: bytes
) -> None:
    killed("one")
    (workplace / "a.jsonl").write_bytes(damage)
    (workplace / "b.jsonl").mkdir()  # as one that is locked on Windows, it cannot be read
    assert waiting_answers(Store(path.parent.parent)) == {"test_it": 1}


def test_what_is_recorded_behind_a_torn_line_is_whole(killed: Any, tester: Any) -> None:
    journal = killed("one", "two")
    journal.write_bytes(journal.read_bytes()[:-9])
    again = tester()
    again.asks("two")
    again.cassette.leave()
    assert tester().asks("two") == "fine"


@pytest.mark.parametrize("damage", ["{}", "no JSON", '{"order": 0}', "[]", '{"journal": 3}'])
def test_a_journal_damaged_within_is_an_error_with_its_line(killed: Any, tester: Any, damage: str) -> None:
    journal = killed("one", "two")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], damage, lines[2]]) + "\n")
    with pytest.raises(CassetteError, match=rf"{journal}:2: this journal .* cannot be read: .*\nDelete it"):
        tester()


def test_what_the_test_does_not_ask_any_more_is_not_kept(killed: Any, tester: Any, asked: Any, workplace: Path) -> None:
    killed("one", "an old prompt")
    again = tester()
    again.asks("one")
    again.asks("a new prompt")
    again.cassette.save()
    assert asked() == ["one: one, before the kill", "a new prompt"]
    assert not workplace.exists()


def test_a_test_that_fails_again_and_again_pays_once(killed: Any, tester: Any, path: Path, asked: Any) -> None:
    killed("one")
    for number in range(2):
        again = tester()
        assert [again.asks(content, f"in run {number}") for content in ("one", "two")] == [
            "one, before the kill",
            "in run 0",
        ]
        again.cassette.leave()
        assert again.cassette.waiting == 2
        assert not path.exists()
    last = tester()
    [last.asks(content) for content in ("one", "two")]
    last.cassette.save()
    assert asked() == ["one: one, before the kill", "two: in run 0"]
    assert last.cassette.waiting == 0


def test_recording_anew_goes_on_where_it_was_interrupted(tester: Any, asked: Any, workplace: Path) -> None:
    recording = tester()
    [recording.asks(content, "old") for content in ("one", "two")]
    recording.cassette.save()
    interrupted = tester(mode="all")
    interrupted.asks("one", "one, before the kill")
    interrupted.cassette.leave()
    for answer in ("asked now", "asked again"):
        anew = tester(mode="all")
        assert [anew.asks(content, answer) for content in ("one", "two")] == ["one, before the kill", "asked now"]
        anew.cassette.leave()
    assert asked() == ["one: old", "two: old"]
    last = tester(mode="all")
    [last.asks(content) for content in ("one", "two")]
    assert (last.cassette.taken_over, last.cassette.given_up) == (2, 0)
    last.cassette.save()
    assert asked() == ["one: one, before the kill", "two: asked now"]
    assert not workplace.exists()


SLOW_DOWN = RecordedResponse(429, "", (), b"slow down")


def refuse(tester: Any, content: str, response: RecordedResponse = SLOW_DOWN) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    request = RecordedRequest("POST", "https://host/v1", (("content-type", "application/json"),), body)
    decision = tester.cassette.decide(request)
    assert decision.replay is None
    tester.cassette.record(decision, response)


REFUSALS = {
    "rate limit": SLOW_DOWN,
    "wrong key": RecordedResponse(401, "", (), b"who are you?"),
    "overloaded": RecordedResponse(529, "", (), b""),
    "broken off": RecordedResponse(200, "", (), b"so far", cut=Truncation(1.0, "RemoteProtocolError")),
}


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
@pytest.mark.parametrize("response", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_asked_again_and_not_played_in_the_place_of_an_answer(
    tester: Any, asked: Any, path: Path, workplace: Path, response: RecordedResponse, mode: str
) -> None:
    refused = tester()
    refused.asks("one", "paid for")
    refuse(refused, "two", response)
    refused.cassette.leave()
    assert refused.cassette.waiting == 1
    assert waiting_answers(Store(path.parent.parent)) == {"test_it": 1}
    again = tester(mode=mode)
    assert [again.asks(content, "now") for content in ("one", "two")] == ["paid for", "now"]
    again.cassette.save()
    assert asked() == ["one: paid for", "two: now"]
    assert not workplace.exists()


def test_a_refusal_that_was_answered_at_the_next_try_is_kept_before_the_answer(tester: Any, path: Path) -> None:
    retried = tester()
    refuse(retried, "one")
    retried.asks("one", "at last")
    retried.cassette.leave()
    again = tester()
    assert again.asks("one") == "slow down"
    assert again.asks("one") == "at last"
    again.cassette.save()
    assert [one.response.status for one in load_cassette(path)] == [429, 200]


def test_of_refusals_alone_nothing_is_left(tester: Any, workplace: Path) -> None:
    refused = tester()
    refuse(refused, "one")
    refused.cassette.leave()
    assert (refused.cassette.waiting, workplace.exists()) == (0, False)


def test_replaying_leaves_it_where_it_is(killed: Any, tester: Any) -> None:
    journal = killed("one")
    replaying = tester(mode="none")
    assert replaying.cassette.unused == 0
    replaying.cassette.leave()
    assert journal.exists()


def test_another_test_does_not_touch_it(killed: Any, tester: Any, asked: Any) -> None:
    journal = killed("one", test="test_other")
    for mode in ("missing", "all"):
        recording = tester("test_it", mode)
        assert recording.asks("one") == "fine"
        recording.cassette.save()
        assert journal.exists()
    tester("test_other").cassette.save()


def test_a_living_journal_is_not_taken_over(tester: Any) -> None:
    living = tester()
    living.asks("one", "by the living")
    for mode in ("missing", "all"):
        other = tester(mode=mode)
        assert other.asks("one") == "fine"
        other.cassette.leave()
    living.cassette.save()
    assert tester().asks("one") == "by the living"


def test_of_several_that_were_left_each_counts_and_the_one_that_got_furthest_first(
    killed: Any, tester: Any, workplace: Path
) -> None:
    for contents in (["one"], ["one", "two", "three"], ["one", "four"]):
        killed(*contents)
    assert len([*workplace.glob("*.jsonl")]) == 3
    again = tester()
    assert again.cassette.unused == 6
    for content in ("one", "two", "three", "four"):
        assert again.asks(content, "asked again").endswith("before the kill")
    again.cassette.leave()
    assert len([*workplace.glob("*.jsonl")]) == 3
    last = tester()
    last.asks("four")
    last.cassette.save()
    assert not workplace.exists()


def test_one_that_nobody_asks_for_stays(killed: Any, tester: Any) -> None:
    old = killed("one", test="test_gone")
    os.utime(old, (0, 0))
    recording = tester()
    recording.asks("one")
    recording.cassette.save()
    assert old.exists()


def test_the_notes_of_a_run_that_never_ended_go_after_two_weeks(killed: Any, tester: Any, workplace: Path) -> None:
    killed("one", test="test_gone")
    old, young = workplace / "old.run", workplace / "young.run"
    for file, age in ((old, 15), (young, 13)):
        file.write_text("{}")
        made = time.time() - age * 24 * 3600
        os.utime(file, (made, made))
    tester().asks("one")
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("year", [1970, 2099])
def test_no_answer_is_lost_where_a_test_has_frozen_time(
    killed: Any, tester: Any, frozen_time: Any, workplace: Path, year: int
) -> None:
    others = killed("one", test="test_other")
    notes = workplace / "young.run"
    notes.write_text("{}")
    with frozen_time((year - 1970) * 365.25 * 24 * 3600):
        recording = tester()
        recording.asks("one")
        recording.cassette.leave()
    assert others.exists()
    assert notes.exists()
    assert tester().asks("one", "asked again") == "fine"


@pytest.mark.skipif(sys.platform == "win32", reason="there a file that is open cannot be removed")
def test_a_journal_that_is_removed_again_and_again_is_given_up(
    tester: Any, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Journal._made

    def removed(journal: Journal) -> Any:
        file = made(journal)
        Path(file.name).unlink()
        return file

    monkeypatch.setattr(Journal, "_made", removed)
    recording = tester()
    assert recording.asks("one") == "fine"
    monkeypatch.undo()
    recording.cassette.save()
    assert tester().asks("one", "asked again") == "fine"


def test_a_secret_is_not_in_it(tester: Any, workplace: Path) -> None:
    recording = tester("test_it[abcdefghij]", MY_KEY="abcdefghij", PIN_SECRET="12345678")
    recording.asks("my key is abcdefghij", "abcdefghij")
    recording.asks(12345678)  # a number has no placeholder
    [journal] = workplace.glob("*.jsonl")
    assert "abcdefghij" not in journal.read_text()
    assert "12345678" not in journal.read_text()
    with pytest.raises(CassetteError, match="PIN_SECRET"):
        recording.cassette.save()


def test_what_cannot_be_saved_is_left_to_the_next_recording(tester: Any, path: Path) -> None:
    recording = tester()
    recording.asks("one", "paid for")
    path.mkdir(parents=True)
    with pytest.raises(CassetteError, match="cannot be"):
        recording.cassette.save()
    path.rmdir()
    again = tester()
    assert again.asks("one") == "paid for"
    again.cassette.save()


def test_git_does_not_see_it(tester: Any, path: Path) -> None:
    tester().asks("one")
    root = path.parent.parent
    subprocess.run(["git", "init", "-q", str(root)], check=True, timeout=20)
    status = subprocess.run(["git", "-C", str(root), "status", "--short"], capture_output=True, check=True, timeout=20)
    assert status.stdout == b""


STREAM = (("content-type", "text/event-stream"),)
UNREADABLE = {
    "status": RecordedResponse(99, "", (), b""),
    "long": RecordedResponse(99, "", (), b"x" * (LONGEST + 1)),
    "time": RecordedResponse(200, "", STREAM, b"data: 1\n\n", (Chunk(9, -5.0),)),
    "end": RecordedResponse(200, "", STREAM, b"", cut=Truncation(float("nan"), "client")),
}


@pytest.mark.parametrize("response", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_could_not_be_read_again_is_refused_and_named(
    tester: Any, path: Path, response: RecordedResponse
) -> None:
    recording = tester().cassette
    decision = recording.decide(RecordedRequest("GET", "https://host/v1?a=1", (), b""))
    with pytest.raises(
        CassetteError, match=r"test_it\.yaml: the answer to GET https://host/v1 cannot be recorded"
    ) as no:
        recording.record(decision, response)
    assert recording.misses == [no.value]
    recording.save()
    assert not path.exists()
    assert tester().asks("one") == "fine"


def test_what_could_not_be_read_again_for_any_other_reason_fails_the_check(
    tester: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tester().cassette
    with monkeypatch.context() as patch:
        patch.setattr("pytest_templates.cassettes.cassette.check_readable", lambda _: None)
        recording.record(recording.decide(RecordedRequest("GET", "https://host/", (), b"")), UNREADABLE["status"])
    with pytest.raises(CassetteError, match=r"test_it\.yaml: what was recorded has the impossible status 99") as no:
        recording.as_saved(lambda _: None)
    assert recording.misses == [no.value]
